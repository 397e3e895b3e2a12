# SPDX-License-Identifier: Apache-2.0
"""What `find_package` and pkg-config make of an installation, wherever it lies."""

from __future__ import annotations

import shlex
from pathlib import Path

from commands import HERE, build, configure, refuse, ring_name, run

WITHOUT_JSON = "-DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=TRUE"
WITHOUT_FLATBUFFERS = "-DCMAKE_DISABLE_FIND_PACKAGE_FlatBuffers=TRUE"
FOUND = [
    "0.1;REQUIRED",
    "0.1.0;EXACT;REQUIRED",
    "REQUIRED;COMPONENTS;json",
]
FOUND_WITHOUT_JSON = [
    "0.1;REQUIRED",
    "0.1;REQUIRED;OPTIONAL_COMPONENTS;json",
]
NOT_FOUND = {
    "0.2;REQUIRED": "version: 0.1.0",
    "1.0;REQUIRED": "version: 0.1.0",
    "0.0.9;REQUIRED": "version: 0.1.0",  # Before 1.0 every minor version may change the API.
    "REQUIRED;COMPONENTS;nonsense": "ipc0cp has the components json and flatbuffers, not",
}
NEEDS_JSON = "ipc0cp::json needs nlohmann_json 3.11 or newer"


def library_directory(prefix: Path) -> Path:
    (config,) = prefix.glob("**/ipc0cpConfig.cmake")
    return config.parent.parent.parent


def check_downstream(where: str, work: Path) -> None:
    """A project of somebody else, told by a definition where to look, builds and runs."""
    configure(HERE, work, where, "-DCMAKE_BUILD_TYPE=Release")
    build(work)
    run_downstream(work)


HAS_FLATBUFFERS = Path("/usr/include/flatbuffers/flatbuffers.h").exists()


def run_downstream(directory: Path, **environment: str) -> None:
    run(directory / "downstream", ring_name(), **environment)
    run(directory / "downstream_json", **environment)
    if HAS_FLATBUFFERS:
        run(directory / "downstream_flatbuffers", **environment)


def check_requests(prefix: Path, work: Path) -> int:
    """Versions and components, wanted and refused; the number of requests."""
    find: list[str | Path] = [
        "cmake", "-S", HERE / "find", "-B", work, f"-DCMAKE_PREFIX_PATH={prefix}"]
    for wanted in FOUND:
        run(*find, f"-DWANTED={wanted}")
    for wanted, reason in NOT_FOUND.items():
        refuse(*find, f"-DWANTED={wanted}", says=reason)
    for wanted in FOUND_WITHOUT_JSON:
        output = run(*find, f"-DWANTED={wanted}", WITHOUT_JSON)
        assert NEEDS_JSON in output, output
        assert NEEDS_JSON not in run(*find, f"-DWANTED={wanted};QUIET", WITHOUT_JSON)
    refuse(*find, "-DWANTED=REQUIRED;COMPONENTS;json", WITHOUT_JSON, says=NEEDS_JSON)
    refuse(*find, "-DWANTED=REQUIRED;COMPONENTS;flatbuffers", WITHOUT_FLATBUFFERS,
           says="ipc0cp::flatbuffers needs FlatBuffers")
    return len(FOUND) + len(NOT_FOUND) + 2 * len(FOUND_WITHOUT_JSON) + 2


def pkg_config(prefix: Path, *options: str) -> list[str]:
    directory = library_directory(prefix) / "pkgconfig"
    return shlex.split(run("pkg-config", *options, "ipc0cp", PKG_CONFIG_PATH=str(directory)))


def check_pkg_config(prefix: Path, program: Path) -> None:
    """A program built by hand with the flags of ipc0cp.pc runs."""
    flags = pkg_config(prefix, "--cflags", "--libs")
    run("g++", "-std=c++20", HERE / "downstream.cpp", "-o", program, *flags)
    run(program, ring_name(), LD_LIBRARY_PATH=str(library_directory(prefix)))
