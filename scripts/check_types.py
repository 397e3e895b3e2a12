# SPDX-License-Identifier: Apache-2.0
"""Type checks: the package and its programs under mypy, the generated stub against the extension.

All of it looks at a copy of the package beside the extension and the stub that the installation
has generated for it, because mypy does not follow editable installations.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Checked together; each group is one directory on the path, so names repeat only across groups.
PROGRAMS = (
    "python/tests/*_example.py",
    "examples/python/*.py",
    "examples/demo/*.py",
    "scripts/*.py",
    "tests/install/*.py",
)
# What stubtest cannot compare: functions of nanobind have no signature that Python can read, its
# classes have a metaclass of their own, and decorated private functions are checked as source.
NOT_COMPARABLE = r"""
ipc0cp(\.\w+){1,2}\._[a-z]\w*
ipc0cp\._core\.\w+\.__nb_enum__
ipc0cp\..*<callable subtype of \w+>\d*
"""
FIND_EXTENSION = """
import ipc0cp._core as core
print(core.__file__)
for name, value in vars(core).items():
    if type(value).__name__ == "nb_func":
        print(name)
    if type(value).__name__.startswith("nb_type"):
        static = [key for key, one in vars(value).items() if type(one).__name__ == "nb_func"]
        print(name, *(f"{name}.{key}" for key in ["__init__", *static]), sep="\\n")
"""


def copy_package(root: Path, copy: Path) -> list[str] | None:
    """Puts sources, extension and stub together; what of nanobind is in there, or None."""
    found = subprocess.run([sys.executable, "-c", FIND_EXTENSION], capture_output=True, text=True)
    if found.returncode != 0:
        print(found.stderr)
        return None
    file_name, *names = found.stdout.splitlines()
    extension = Path(file_name)
    package = copy / "ipc0cp"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(root / "python" / "ipc0cp", package)
    shutil.copy(extension, package)
    shutil.copy(extension.parent / "_core.pyi", package)
    return names


def names_in_stub(stub: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in ast.parse(stub.read_text()).body if isinstance(node, functions)}


def check_types(root: Path, build: Path) -> bool:
    copy = build / "typecheck"
    names = copy_package(root, copy)
    if names is None:
        return False
    configuration = root / "pyproject.toml"
    environment = {**os.environ, "MYPYPATH": str(copy), "PYTHONPATH": str(copy)}
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(configuration),
            "--cache-dir", str(copy / "cache")]

    def run(title: str, *command: str) -> bool:
        finished = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True)
        passed = finished.returncode == 0
        print(f"{title}: {finished.stdout.strip() if not passed else 'ok'}{finished.stderr}")
        return passed

    passed = run("mypy, package", *mypy, "-p", "ipc0cp")
    for pattern in PROGRAMS:
        files = sorted(str(path) for path in root.glob(pattern))
        passed &= run(f"mypy, {pattern}", *mypy, *files)
    top_level = {name for name in names if "." not in name}
    absent = sorted(top_level - names_in_stub(copy / "ipc0cp" / "_core.pyi"))
    if absent:
        print(f"the stub of the extension lacks: {', '.join(absent)}")
    allowlist = copy / "allowlist.txt"
    known = "".join(rf"ipc0cp\._core\.{name}" + "\n" for name in names)
    allowlist.write_text(NOT_COMPARABLE + known)
    passed &= run("stubtest", sys.executable, "-m", "mypy.stubtest", "--ignore-unused-allowlist",
                  "--mypy-config-file", str(configuration), "--allowlist", str(allowlist),
                  "ipc0cp")
    return passed and not absent
