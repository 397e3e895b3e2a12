#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the system packages for the named purposes are there and installs missing ones.

Everything missing is found first and named together. Installing needs apt and root or sudo;
without them the names are the answer. Runs on a bare Python.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path


def has_command(name: str) -> bool:
    return shutil.which(name) is not None


def has_cmake() -> bool:
    if not has_command("cmake"):
        return False
    text = subprocess.run(["cmake", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"(\d+)\.(\d+)", text)
    return version is not None and (int(version[1]), int(version[2])) >= (3, 25)


def has_header(name: str) -> bool:
    """Asks the compiler, which also knows places outside /usr/include."""
    if not has_command("g++"):
        return Path("/usr/include", name).exists()
    source = f"#include <{name}>\n"
    command = ["g++", "-std=c++20", "-E", "-x", "c++", "-", "-o", os.devnull]
    return subprocess.run(command, input=source, text=True, capture_output=True).returncode == 0


def has_browser() -> bool:
    return any(map(has_command, ("chromium", "chromium-browser", "google-chrome")))


def has_iceoryx() -> bool:
    return any(Path("/usr/include/iceoryx").glob("*/iceoryx_posh"))


def has_python_venv() -> bool:
    return importlib.util.find_spec("ensurepip") is not None


def has_python_headers() -> bool:
    return Path(sysconfig.get_path("include"), "Python.h").exists()


def has_clang_runtime() -> bool:
    """The sanitizers and libFuzzer that go with clang."""
    if not has_command("clang++"):
        return False
    command = ["clang++", "-print-file-name=libclang_rt.fuzzer-x86_64.a"]
    found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return Path(found).is_absolute()


# Purpose -> apt package -> whether what it brings is there.
PACKAGES: dict[str, dict[str, Callable[[], bool]]] = {
    "cpp": {
        "g++": lambda: has_command("g++"),
        "make": lambda: has_command("make"),
        "cmake": has_cmake,
        "nlohmann-json3-dev": lambda: has_header("nlohmann/json.hpp"),
        "libcli11-dev": lambda: has_header("CLI/CLI.hpp"),
        "libcpp-httplib-dev": lambda: has_header("httplib.h"),
    },
    "tests": {
        "libgtest-dev": lambda: has_header("gtest/gtest.h"),
        "libopencv-imgproc-dev": lambda: Path("/usr/include/opencv4/opencv2/imgproc.hpp").exists(),
        "libflatbuffers-dev": lambda: has_header("flatbuffers/flatbuffers.h"),
        "flatbuffers-compiler": lambda: has_command("flatc"),
        "spin": lambda: has_command("spin"),
    },
    "python": {
        "g++": lambda: has_command("g++"),
        "python3-venv": has_python_venv,
        "python3-dev": has_python_headers,
    },
    "lint": {
        "clang-format": lambda: has_command("clang-format"),
        "clang-tidy": lambda: has_command("clang-tidy"),
    },
    "fuzz": {
        "clang": lambda: has_command("clang++"),
        "libclang-rt-14-dev": has_clang_runtime,
    },
    "docs": {"doxygen": lambda: has_command("doxygen")},
    "install": {
        "pkg-config": lambda: has_command("pkg-config"),
        "clang": lambda: has_command("clang++"),
        "ninja-build": lambda: has_command("ninja"),
    },
    # For the tests of the page and the pictures of it.
    "browser": {
        "chromium": has_browser,
        "fonts-dejavu-core": lambda: Path("/usr/share/fonts/truetype/dejavu").exists(),
    },
    # Rivals of the benchmarks.
    "bench": {
        "pkg-config": lambda: has_command("pkg-config"),
        "libboost-dev": lambda: has_header("boost/interprocess/ipc/message_queue.hpp"),
        "libzmq3-dev": lambda: has_header("zmq.h"),
        "libiceoryx-posh-dev": has_iceoryx,
        "iceoryx": lambda: has_command("iox-roudi"),
    },
}
# Nice to have: what cannot be installed is named, and that is all.
OPTIONAL = {"bench", "browser"}


def find_missing(purposes: list[str]) -> list[str]:
    wanted = {name: check for purpose in purposes for name, check in PACKAGES[purpose].items()}
    return [name for name, is_there in wanted.items() if not is_there()]


def root_prefix() -> list[str] | None:
    """What to put before a command that needs root; None where there is no way."""
    if os.geteuid() == 0:
        return []
    if not has_command("sudo"):
        return None
    if sys.stdin.isatty():
        return ["sudo"]
    asks_no_password = subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
    return ["sudo", "-n"] if asks_no_password else None


def install(packages: list[str]) -> str | None:
    """What went wrong, in one or two lines."""
    prefix = root_prefix()
    command_line = "apt-get install " + " ".join(packages)
    if prefix is None or not has_command("apt-get"):
        return f"Missing system packages: {' '.join(packages)}\nInstall them: {command_line}"
    print(f"Installing missing system packages: {' '.join(packages)}", flush=True)
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    options = ["-q", "-y", "--no-install-recommends"]
    updated = subprocess.run([*prefix, "apt-get", "update", "-q"])
    installed = subprocess.run(
        [*prefix, *environment, "apt-get", "install", *options, *packages]
    )
    if updated.returncode != 0 or installed.returncode != 0:
        return f"apt-get failed; install by hand: {command_line}"
    return None


def install_required(purposes: list[str]) -> None:
    missing = find_missing(purposes)
    if not missing:
        return
    problem = install(missing)
    if problem is not None:
        sys.exit(problem)
    still_missing = find_missing(purposes)
    if still_missing:
        sys.exit(f"Installed, but still not usable: {' '.join(still_missing)}")


def main() -> None:
    purposes = sys.argv[1:]
    unknown = [purpose for purpose in purposes if purpose not in PACKAGES]
    if not purposes or unknown:
        sys.exit(f"usage: system_packages.py {{{'|'.join(PACKAGES)}}}...")
    if sys.version_info < (3, 11):  # noqa: UP036 - an old Python gets a sentence, not a trace.
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"ipc0cp needs Python 3.11 or newer, this is {found}; set PYTHON=python3.11")
    install_required([purpose for purpose in purposes if purpose not in OPTIONAL])
    # One by one: where one does not exist, the others still do.
    for package in find_missing([purpose for purpose in purposes if purpose in OPTIONAL]):
        problem = install([package])
        if problem is not None:
            print(f"Going on without {package}. {problem}", flush=True)


if __name__ == "__main__":
    main()
