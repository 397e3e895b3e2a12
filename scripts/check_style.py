#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every style check, prints what it finds and one line with the counts.

Needs a configured build directory (compile_commands.json) and the installed package (its stub).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import check_types
import style_rules

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("IPC0CP_BUILD_DIR", ROOT / "build"))


def run(*command: str | Path, cwd: Path = ROOT) -> bool:
    return subprocess.run([str(part) for part in command], cwd=cwd).returncode == 0


def project_files() -> list[Path]:
    """What git tracks or would track, so that a new file is checked before its first commit."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = sorted({name for name in listing.split("\0") if name})
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def check_house_rules() -> bool:
    found: list[str] = []
    for path in project_files():
        content = path.read_bytes()
        if b"\0" in content or "corpus" in path.parts:  # Inputs of fuzz targets are any bytes.
            continue
        relative = PurePosixPath(path.relative_to(ROOT))
        found += style_rules.violations(relative, content.decode())
    print("\n".join(found) or "house rules: nothing to say")
    return not found


def check_clang_format() -> bool:
    sources = [path for path in project_files() if path.suffix in style_rules.CPP_SUFFIXES]
    return run("clang-format", "--dry-run", "--Werror", *sources)


def library_flags() -> list[str]:
    """How a file of the library is read. It is compiled as a part of a larger unit, so that the
    compiler's list does not name it, and clang-tidy would take the flags of some test."""
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    unit = next(entry for entry in entries if "/ipc0cp_objects.dir/" in entry["file"])
    flags = shlex.split(unit["command"])
    return [flag for flag in flags if flag.startswith(("-I", "-D", "-std="))]


def tidy_one(source: Path, flags: list[str], key: str) -> bool:
    """Clean results are remembered by content: a second run only looks at what has changed."""
    digest = hashlib.sha256(key.encode() + source.read_bytes()).hexdigest()
    stamp = BUILD / "tidy" / f"{source.stem}-{digest}"
    if stamp.exists():
        return True
    result = subprocess.run(["clang-tidy", "--quiet", source, "--", *flags],
                            capture_output=True, text=True)
    if result.returncode != 0:
        print(result.stdout or result.stderr)
        return False
    stamp.touch()
    return True


def check_clang_tidy(jobs: int) -> bool:
    if not (BUILD / "compile_commands.json").exists():
        print("clang-tidy: configure first, with cmake --preset release")
        return False
    (BUILD / "tidy").mkdir(exist_ok=True)
    context = [ROOT / ".clang-tidy", *sorted(ROOT.glob("include/**/*.hpp")),
               *sorted(ROOT.glob("src/**/*.hpp")), *sorted(ROOT.glob("cli/*.hpp"))]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in context)).hexdigest()
    flags = [*library_flags(), '-DIPC0CP_VERSION=""']  # What the program is compiled with besides.
    sources = [*ROOT.glob("src/**/*.cpp"), *ROOT.glob("cli/*.cpp")]
    with ThreadPoolExecutor(jobs) as pool:
        clean = list(pool.map(lambda source: tidy_one(source, flags, key), sources))
    return all(clean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", help="run just the check of this name")
    arguments = parser.parse_args()
    checks: dict[str, Callable[[], bool]] = {
        "house rules": check_house_rules,
        "clang-format": check_clang_format,
        "clang-tidy": lambda: check_clang_tidy(arguments.jobs),
        "ruff check": lambda: run(sys.executable, "-m", "ruff", "check", "."),
        "mypy": lambda: check_types.check_types(ROOT, BUILD),
    }
    if arguments.only:
        checks = {arguments.only: checks[arguments.only]}
    failed = []
    for name, check in checks.items():
        sys.stdout.flush()
        if not check():
            failed.append(name)
    print(f"style: {len(checks) - len(failed)} passed, {len(failed)} failed"
          + (f" ({', '.join(failed)})" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
