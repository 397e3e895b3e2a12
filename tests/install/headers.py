# SPDX-License-Identifier: Apache-2.0
"""The public headers as other people compile them: each alone, with their warnings."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from commands import refuse, run

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
# Each header alone with these; all of them in one file with the other pairs as well.
ALONE = [("g++", "c++20"), ("clang++", "c++2b")]
TOGETHER = [("g++", "c++2b"), ("clang++", "c++20")]


def command(compiler: str, standard: str, include: Path, *source: str | Path) -> list[str | Path]:
    return [compiler, f"-std={standard}", *WARNINGS, "-fsyntax-only", "-I", include, *source]


def check_headers(include: Path, work: Path) -> int:
    """Compiles the headers installed under `include`; the number of compilations."""
    work.mkdir(parents=True, exist_ok=True)
    names = sorted(path.name for path in (include / "ipc0cp").iterdir())
    assert "ring_buffer.hpp" in names, f"no headers in {include}"
    sources = {name: work / f"{name}.cpp" for name in names}
    for name, source in sources.items():
        source.write_text(f'#include "ipc0cp/{name}"\n#include "ipc0cp/{name}"\n')
    everything = work / "everything.cpp"
    everything.write_text("".join(f'#include "ipc0cp/{name}"\n' for name in names))
    commands = [
        command(compiler, standard, include, source)
        for compiler, standard in ALONE if shutil.which(compiler)
        for source in sources.values()
    ] + [
        command(compiler, standard, include, everything)
        for compiler, standard in TOGETHER if shutil.which(compiler)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda words: run(*words), commands))
    check_refusals(include, sources)
    return len(commands)


def check_refusals(include: Path, sources: dict[str, Path]) -> None:
    """What cannot work says so in the first line, not in a page of templates."""
    for option in ("-fno-rtti", "-fno-exceptions"):
        words = command("g++", "c++20", include, option, sources["error.hpp"])
        refuse(*words, says="ipc0cp needs exceptions and RTTI")
    # Without the standard directories there is no nlohmann either, whatever is installed.
    words = command("g++", "c++20", include, "-nostdinc", "-nostdinc++", sources["json.hpp"])
    refuse(*words, says="ipc0cp/json.hpp needs nlohmann/json")
