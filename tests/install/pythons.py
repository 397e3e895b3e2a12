# SPDX-License-Identifier: Apache-2.0
"""The Python interpreters of this machine that ipc0cp could be installed for."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST = (3, 11)
#: From this version on one wheel serves all.
STABLE_ABI = (3, 12)
#: What the classifiers of the package name; those that are not there are reported.
EXPECTED = [(3, 11), (3, 12), (3, 13)]
NAME = re.compile(r"python3\.\d+")
# A shim of a version manager may be there without the interpreter; headers are needed to build.
PROBE = """
import sys, sysconfig, pathlib, ensurepip
has_headers = pathlib.Path(sysconfig.get_path("include"), "Python.h").exists()
has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
print(*sys.version_info[:2], int(has_headers), int(has_gil))
"""


@dataclass(frozen=True)
class Interpreter:
    version: tuple[int, int]
    program: Path
    can_build: bool

    @property
    def name(self) -> str:
        return f"Python {self.version[0]}.{self.version[1]}"


def directories() -> list[Path]:
    """PATH, and where pyenv keeps the versions its shims do not show."""
    path = [Path(entry) for entry in os.get_exec_path()]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [*path, *sorted(pyenv.glob("versions/*/bin"), reverse=True)]


def probe(program: Path) -> Interpreter | None:
    """None: it does not run, cannot make virtual environments, or is free-threaded."""
    finished = subprocess.run([program, "-c", PROBE], capture_output=True, text=True)
    if finished.returncode != 0:
        return None
    major, minor, has_headers, has_gil = (int(word) for word in finished.stdout.split())
    return Interpreter((major, minor), program, bool(has_headers)) if has_gil else None


def find_interpreters() -> list[Interpreter]:
    """One of each version, the first that works, oldest first."""
    found: dict[tuple[int, int], Interpreter] = {}
    for directory in directories():
        for program in sorted(directory.glob("python3.*")):
            if not NAME.fullmatch(program.name):
                continue
            interpreter = probe(program)
            if interpreter is not None and interpreter.version >= OLDEST:
                found.setdefault(interpreter.version, interpreter)
    return [found[version] for version in sorted(found)]
