#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Uses ipc0cp as another project would: installed and as a subdirectory, static and shared.

Takes the static library from the release build; the shared one is built here once, as a
subdirectory of the downstream project, and installed from there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import uuid
from pathlib import Path

DOWNSTREAM = Path(__file__).resolve().parent
ROOT = DOWNSTREAM.parent.parent
HAS_FLATBUFFERS = Path("/usr/include/flatbuffers/flatbuffers.h").exists()


def run(*command: str | Path, **environment: str) -> str:
    """Standard output of a command that has to succeed."""
    words = [str(part) for part in command]
    finished = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True)
    if finished.returncode != 0:
        raise SystemExit(f"failed: {' '.join(words)}\n{finished.stdout}{finished.stderr}")
    return finished.stdout


def build_downstream(build: Path, *definitions: str) -> None:
    run("cmake", "-S", DOWNSTREAM, "-B", build, "-DCMAKE_BUILD_TYPE=Release", *definitions)
    run("cmake", "--build", build, "-j", str(os.cpu_count() or 1))


def run_program(program: Path, **environment: str) -> None:
    run(program, f"install-test-{uuid.uuid4().hex}", **environment)


def check_build(build: Path) -> None:
    run_program(build / "downstream")
    run(build / "downstream_json")
    if HAS_FLATBUFFERS:
        run(build / "downstream_flatbuffers")
    else:
        print("ipc0cp::flatbuffers: not used, libflatbuffers-dev is missing")


def library_directory(prefix: Path) -> Path:
    (config,) = prefix.glob("lib*/**/ipc0cpConfig.cmake")
    return config.parent.parent.parent


def check_pkg_config(prefix: Path, program: Path) -> None:
    libraries = library_directory(prefix)
    flags = run("pkg-config", "--cflags", "--libs", "ipc0cp",
                PKG_CONFIG_PATH=str(libraries / "pkgconfig")).split()
    run("g++", "-std=c++20", DOWNSTREAM / "downstream.cpp", "-o", program, *flags)
    run_program(program, LD_LIBRARY_PATH=str(libraries))


def check_shared_library(prefix: Path) -> None:
    """The file name carries the version, and nothing but our own names is exported."""
    libraries = library_directory(prefix)
    version = run("pkg-config", "--modversion", "ipc0cp",
                  PKG_CONFIG_PATH=str(libraries / "pkgconfig")).strip()
    library = libraries / f"libipc0cp.so.{version}"
    assert library.is_file(), f"no {library.name} in {sorted(libraries.iterdir())}"
    listing = run("nm", "--dynamic", "--defined-only", "--demangle", library).splitlines()
    names = [line.split(maxsplit=2)[2] for line in listing]
    assert any("SharedRingBufferConsumer::pop" in name for name in names)
    internal = [name for name in names if name.startswith(("ipc0cp::shm::", "nlohmann::"))]
    assert not internal, f"exported although internal: {internal[:5]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="a release build")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "install-test")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    static, shared = work / "static", work / "shared"

    run("cmake", "--install", arguments.build, "--prefix", static)
    build_downstream(work / "with-static", f"-DCMAKE_PREFIX_PATH={static}")
    check_build(work / "with-static")
    check_pkg_config(static, work / "pkg-config-static")
    print("static library: installed, found by CMake and pkg-config, used")

    subdirectory = work / "subdirectory"
    build_downstream(subdirectory, f"-DIPC0CP_SOURCE={ROOT}", "-DBUILD_SHARED_LIBS=ON")
    check_build(subdirectory)
    print("subdirectory with a shared library: used")

    run("cmake", "--install", subdirectory, "--prefix", shared)
    check_shared_library(shared)
    build_downstream(work / "with-shared", f"-DCMAKE_PREFIX_PATH={shared}")
    check_build(work / "with-shared")
    check_pkg_config(shared, work / "pkg-config-shared")
    print("shared library: installed, found by CMake and pkg-config, used")


if __name__ == "__main__":
    main()
