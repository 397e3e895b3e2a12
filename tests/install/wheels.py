#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the Python package as users do and uses it in fresh environments.

sdist -> wheel, built without git and without our system packages -> installed for each Python of
this machine -> used by two processes, and checked by mypy. One wheel serves Python 3.12 and later.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from commands import HERE, ROOT, check_page, part, refuse, run
from pythons import EXPECTED, STABLE_ABI, Interpreter, find_interpreters

# Of all that the C++ library and its tests need, the Python package needs nothing.
HIDDEN_DIRECTORIES = [
    "/usr/include/nlohmann", "/usr/include/gtest", "/usr/share/cmake/nlohmann_json",
    "/usr/lib/x86_64-linux-gnu/cmake/GTest", "/usr/lib/cmake/GTest",
    "/usr/include/CLI", "/usr/share/cmake/CLI11",
]
HIDE = """
for directory in {directories}; do mount -t tmpfs none "$directory"; done
for file in {files}; do mount --bind /dev/null "$file"; done
exec "$@"
"""
LIBRARIES = {"libc.so.6", "libstdc++.so.6", "libm.so.6", "libgcc_s.so.1"}
LOADER = re.compile(r"ld-linux-[\w-]+\.so\.\d")


def hiding() -> list[str]:
    """What to put before a command that must not see the system packages and git."""
    directories = [path for path in HIDDEN_DIRECTORIES if Path(path).is_dir()]
    files = [path for path in [shutil.which("git")] if path is not None]
    script = HIDE.format(directories=" ".join(directories), files=" ".join(files))
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"]
    allowed = shutil.which("unshare") and subprocess.run(
        [*prefix, "true"], capture_output=True).returncode == 0
    if not allowed:
        print("skipped: hiding the system packages, no user namespaces here")
        return []
    print("hidden from the build:", *directories, *files)
    return prefix


def tracked(*places: str) -> set[str]:
    """Files of the project; all of them where this is no git checkout."""
    listing = subprocess.run(["git", "ls-files", "-z", *places], cwd=ROOT, capture_output=True,
                             text=True)
    names = {name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()}
    return names or {str(path.relative_to(ROOT)) for place in places
                     for path in (ROOT / place).rglob("*") if path.is_file()}


def build_sdist(work: Path) -> Path:
    """The source distribution, which has everything a wheel is built from and nothing built."""
    run(sys.executable, "-m", "build", "--sdist", "--outdir", work, ROOT)
    (archive,) = work.glob("ipc0cp-*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}
    needed = tracked("CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE", "cmake", "include",
                     "src", "cli", "bindings/python", "python/ipc0cp")
    assert needed <= names, f"not in the sdist: {sorted(needed - names)}"
    built = {name for name in names
             if re.search(r"\.(so|o|a|pyc|whl)$|^(build|\.venv|\.git)/", name)}
    assert not built, f"in the sdist although built: {sorted(built)}"
    return archive


def build_wheel(python: Path, archive: Path, work: Path, before: list[str]) -> Path:
    """Far from any checkout, in the isolated environment that pip makes."""
    with tempfile.TemporaryDirectory() as apart:
        run("tar", "-xzf", archive, "-C", apart)
        (source,) = Path(apart).iterdir()
        out = Path(apart, "wheel")
        run(*before, python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", out, source)
        (wheel,) = out.iterdir()
        return Path(shutil.move(wheel, work / wheel.name))


def check_wheel(wheel: Path, builder: Interpreter) -> None:
    """Its tags, and exactly the files that belong into it."""
    python_tag = "cp{}{}".format(*builder.version)
    tags = "cp312-abi3" if builder.version >= STABLE_ABI else f"{python_tag}-{python_tag}"
    ending = f"-{tags}-linux_{os.uname().machine}.whl"
    assert wheel.name.endswith(ending), f"{wheel.name} does not end in {ending}"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (extension,) = [name for name in names if re.fullmatch(r"ipc0cp/_core\..*\.?so", name)]
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        check_metadata(archive.read(metadata).decode())
        target = wheel.parent / "extension.so"
        target.write_bytes(archive.read(extension))
    package = {name.removeprefix("python/") for name in tracked("python/ipc0cp")
               if "__pycache__" not in name}
    information = {f"{metadata.rsplit('/', 1)[0]}/{name}"
                   for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")}
    data = {name for name in names if ".data/" in name}
    assert f"{metadata.split('.dist-info/')[0]}.data/scripts/ipc0cp" in data, sorted(names)
    expected = package | information | data | {extension, "ipc0cp/_core.pyi"}
    assert names == expected, f"too many or too few files: {sorted(names ^ expected)}"
    check_extension(target)


def check_metadata(text: str) -> None:
    for line in ("Requires-Python: >=3.11", "Typing :: Typed", "Operating System :: POSIX :: Linux",
                 *(f"Programming Language :: Python :: {major}.{minor}"
                   for major, minor in EXPECTED)):
        assert line in text, f"METADATA lacks {line!r}"


def check_extension(extension: Path) -> None:
    """It loads only what every Linux has, and looks nowhere of its own."""
    dynamic = run("readelf", "-d", extension)
    needed = set(re.findall(r"Shared library: \[([^]]+)\]", dynamic))
    others = {name for name in needed - LIBRARIES if not LOADER.fullmatch(name)}
    assert not others, f"the extension needs {sorted(others)}"
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic, dynamic


def check_installed(wheel: Path, venv: Path) -> None:
    python = venv / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", wheel)
    run(python, "-m", "pip", "check")
    print(run(python, "-I", HERE / "smoke.py").strip())
    check_program(venv / "bin" / "ipc0cp")


def check_program(command: Path) -> None:
    """It is the program, or says how to get it where the build had not what it needs."""
    if command.read_bytes().startswith(b"\x7fELF"):
        assert run(command, "--version").startswith("ipc0cp ")
        check_page(command)
    else:
        refuse(command, "ls", says="apt-get install libcli11-dev nlohmann-json3-dev")


def check_typed_user(venv: Path) -> None:
    """mypy against what is installed there, with the settings of a strict user."""
    run(sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", os.devnull,
        "--python-executable", venv / "bin" / "python", HERE / "typed_user.py")


def check_refusal(python: Path, archive: Path) -> None:
    """The sentence of the platform check is in what pip shows."""
    refuse(python, "-m", "pip", "wheel", "--no-deps", "-w", os.devnull, archive,
           CMAKE_ARGS="-DCMAKE_SYSTEM_NAME=Darwin",
           says="ipc0cp needs 64-bit little-endian Linux, but this system is Darwin.")


def check_python(interpreter: Interpreter, wheels: dict[bool, Path], archive: Path, work: Path,
                 before: list[str]) -> None:
    """Installs the wheel that fits, building it first if there is none yet."""
    venv = work / f"venv-{interpreter.version[1]}"
    run(interpreter.program, "-m", "venv", venv)
    is_stable = interpreter.version >= STABLE_ABI
    if is_stable not in wheels:
        if not interpreter.can_build:
            print(f"skipped: {interpreter.name}, it has no headers to build with")
            return
        wheels[is_stable] = build_wheel(venv / "bin" / "python", archive, work, before)
        check_wheel(wheels[is_stable], interpreter)
        print(f"built {wheels[is_stable].name}")
    check_installed(wheels[is_stable], venv)
    if interpreter.version == sys.version_info[:2]:
        check_typed_user(venv)
        check_refusal(venv / "bin" / "python", archive)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "wheel-test")
    work: Path = parser.parse_args().work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    interpreters = find_interpreters()
    present = {interpreter.version for interpreter in interpreters}
    for major, minor in sorted(set(EXPECTED) - present):
        print(f"skipped: Python {major}.{minor}, not on this machine")
    assert sys.version_info[:2] in present, "not even the Python that runs this was found"
    with part("source distribution"):
        archive = build_sdist(work)
    before = hiding()
    wheels: dict[bool, Path] = {}
    for interpreter in interpreters:
        with part(f"{interpreter.name}: wheel, fresh environment, use"):
            check_python(interpreter, wheels, archive, work, before)


if __name__ == "__main__":
    main()
