#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Uses ipc0cp as other C++ projects would: installed and as a subdirectory, static and shared.

The static library comes from the release build. The shared one is built here with Ninja and
clang++ where they are there, and a third one inside a project with compiler settings of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from commands import HERE, ROOT, build, check_page, configure, missing, part, run
from headers import check_headers
from library import check_exports, check_name, check_two_copies
from packages import (
    check_downstream,
    check_pkg_config,
    check_requests,
    library_directory,
    pkg_config,
    run_downstream,
)
from platforms import check_platforms


def install(build_directory: Path, prefix: Path, **environment: str) -> None:
    run("cmake", "--install", build_directory, "--prefix", prefix, **environment)


def check_static(build_directory: Path, work: Path) -> Path:
    """Installed under a prefix with spaces, and moved afterwards; where it is then."""
    first = work / "a prefix with spaces"
    install(build_directory, first)
    moved = work / "moved elsewhere"
    first.rename(moved)
    check_downstream(f"-DCMAKE_PREFIX_PATH={moved}", work / "with static")
    check_pkg_config(moved, work / "by-pkg-config-static")
    count = check_requests(moved, work / "find")
    print(f"{count} requests of find_package answered")
    check_program(moved)
    return moved


def check_program(prefix: Path) -> None:
    """The program, its man page and its completions, where shells and man(1) look for them."""
    command = prefix / "bin" / "ipc0cp"
    assert run(command, "--version").startswith("ipc0cp ")
    check_page(command)
    for page in ("man/man1/ipc0cp.1", "bash-completion/completions/ipc0cp",
                 "zsh/site-functions/_ipc0cp", "fish/vendor_completions.d/ipc0cp.fish"):
        assert "rm" in (prefix / "share" / page).read_text(), page


def check_staged(build_directory: Path, work: Path) -> None:
    """DESTDIR, as packagers use it."""
    stage = work / "stage"
    install(build_directory, Path("/opt/ipc0cp"), DESTDIR=str(stage))
    assert [path.name for path in stage.iterdir()] == ["opt"]
    check_pkg_config(stage / "opt" / "ipc0cp", work / "by-pkg-config-staged")


def build_shared(work: Path) -> Path:
    """The commands of the README with another generator and compiler; one target is enough."""
    directory = work / "shared build"
    lacking = missing("ninja", "clang++")
    others = ["-G", "Ninja", "-DCMAKE_CXX_COMPILER=clang++"]
    if lacking is not None:
        print(f"skipped: Ninja and clang++, {lacking}")
        others = []
    configure(ROOT, directory, *others, "-DCMAKE_BUILD_TYPE=Release", "-DIPC0CP_TESTS=ON",
              "-DBUILD_SHARED_LIBS=ON", "-DIPC0CP_WERROR=ON")
    build(directory, "ipc0cp", "arguments_test")
    run("ctest", "--test-dir", directory, "-R", "^arguments_test")
    return directory


def check_shared(directory: Path, work: Path) -> Path:
    """Libraries in an absolute directory of their own, as some distributions have it."""
    prefix = work / "shared"
    install(directory, prefix)
    check_downstream(f"-DCMAKE_PREFIX_PATH={prefix}", work / "with shared")
    check_pkg_config(prefix, work / "by-pkg-config-shared")
    version = " ".join(pkg_config(prefix, "--modversion"))
    (library,) = library_directory(prefix).glob("libipc0cp.so.*.*.*")
    check_name(library, version)
    others = check_exports(library)
    print(f"exported besides our own: {len(others)} weak templates of the standard library")
    print("".join(f"  {name[:110]}\n" for name in others), end="")

    apart = work / "apart"
    libraries = apart / "lib" / "of its own"
    configure(ROOT, directory, f"-DCMAKE_INSTALL_LIBDIR={libraries}",
              f"-DCMAKE_INSTALL_PREFIX={apart / 'prefix'}")
    run("cmake", "--install", directory)
    assert (libraries / library.name).is_file()
    check_downstream(f"-Dipc0cp_DIR={libraries / 'cmake' / 'ipc0cp'}", work / "with apart")
    check_pkg_config(apart, work / "by-pkg-config-apart")
    return prefix


def check_subdirectory(work: Path) -> None:
    """A parent keeps its settings, and its programs are compiled with its own options only."""
    directory = work / "subdirectory"
    configure(HERE / "parent", directory, f"-DIPC0CP_SOURCE={ROOT}", "-DCMAKE_BUILD_TYPE=Release",
              "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
    build(directory)
    run_downstream(directory)
    commands = json.loads((directory / "compile_commands.json").read_text())
    (command,) = [row["command"] for row in commands if row["file"].endswith("/downstream.cpp")]
    options = [word for word in command.split() if word.startswith(("-W", "-f", "-std", "-D"))]
    theirs = ["-std=gnu++23", "-std=gnu++2b", "-DNDEBUG", "-Wall", "-Wextra", "-Wpedantic",
              "-Wconversion", "-Wshadow", "-Werror"]
    assert set(options) <= set(theirs), f"options that the parent has not asked for: {options}"
    names = " ".join(row["file"] for row in commands)
    assert "/tests/unit/" not in names and "/benchmarks/" not in names
    install(directory, work / "parent")
    installed = sorted(path.name for path in (work / "parent").rglob("*") if path.is_file())
    assert installed == ["downstream"], f"the parent has installed {installed}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="a release build")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "install-test")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    with part("platforms that are refused"):
        print("refused:", ", ".join(check_platforms(work)))
    with part("static library: moved after installing, CMake, pkg-config, requests"):
        static_prefix = check_static(arguments.build, work)
        check_staged(arguments.build, work)
    with part("public headers"):
        count = check_headers(static_prefix / "include", work / "headers")
        print(f"{count} compilations without a warning")
    with part("shared library; subdirectory of a project with strict settings"):
        # Each ends in one large translation unit: together they take hardly longer than one.
        with ThreadPoolExecutor() as pool:
            building = pool.submit(build_shared, work)
            checking = pool.submit(check_subdirectory, work)
            shared_build = building.result()
            checking.result()
    with part("shared library: installed, absolute directory, exports, name"):
        shared_prefix = check_shared(shared_build, work)
    with part("static and shared library in one process"):
        print(check_two_copies(static_prefix, shared_prefix, work / "copies"))


if __name__ == "__main__":
    main()
