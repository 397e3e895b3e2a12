# SPDX-License-Identifier: Apache-2.0
"""The house rules that no ready-made tool checks: licence lines, lengths, direction of includes.

Each rule takes a path relative to the project and its text and yields one sentence per violation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

MAX_LINE_CHARACTERS = 100
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70

CPP_SUFFIXES = {".cpp", ".hpp"}
# Files that cannot hold a comment.
WITHOUT_SPDX = {".json", ".png", ".txt"}
WITHOUT_SPDX_NAMES = {"LICENSE", "py.typed"}
LONG_LINES_ALLOWED = {".json", ".md", ".png", ".txt"}

# The rooms of src and what each may include besides itself. What a message must be (rules) needs
# nothing; the codec (objects) works on spans: it knows neither shared memory nor the operating
# system, only how to write a log line and which mutexes survive a fork.
ROOMS: dict[str, frozenset[str]] = {
    "rules": frozenset(),
    "platform": frozenset(),
    "shm": frozenset({"platform"}),
    "ring": frozenset({"platform", "shm", "rules"}),
    "stdio": frozenset({"platform", "rules"}),
    "objects": frozenset({"platform/fork_safe", "platform/log", "rules"}),
    "typed": frozenset({"objects", "ring", "stdio"}),
}
# Inside src/shm, from bottom to top. A file includes its own floor and those below.
FLOORS_OF_SHM: tuple[tuple[str, ...], ...] = (
    ("words",),
    ("layout",),
    ("segment",),
    ("participants", "lock", "allocator", "queue", "publish_time", "push_request",
     "red_zone", "redo", "shares"),
    ("blocks", "blocks_shared", "waiting", "recovery", "subscription"),
    ("ring_file", "ring_name", "open_errors", "similar_names"),
    ("attached_ring", "attached_ring_leaving", "joining", "opening"),
    ("*",),
)
# Pairs of one floor that must not know each other.
STRANGERS = {frozenset({"shm/allocator", "shm/queue"})}
# Public headers that belong to the handles: nothing below `ring` and `stdio` may know them.
HANDLE_HEADERS = {"array_loan", "consumer", "exit", "producer", "readiness", "received_object",
                  "ring_buffer", "ring_keeper", "stdio"}
BELOW_THE_HANDLES = {"rules", "platform", "shm", "objects"}

# The program looks at rings through public headers; behind them it needs names, their files, and
# what JSON and text must be. Its own headers lie beside its sources.
BEHIND_THE_PROGRAM = {"platform/ring_directory", "rules/json_reader", "rules/json_text",
                      "shm/removal", "shm/ring_name", "shm/similar_names"}
SYSTEM_OF_THE_PROGRAM = {"external", "interrupt", "run_bench", "run_record", "serve_options",
                         "standard_streams", "terminal"}

# Public headers that show another library; nothing else includes them.
OPT_IN_HEADERS = {"json.hpp", "flatbuffer.hpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
SYSTEM_HEADER = re.compile(r"(sys|linux|asm|net|arpa|netinet)/.*|"
                           r"(dirent|dlfcn|fcntl|poll|pthread|pwd|sched|semaphore|signal|"
                           r"spawn|termios|unistd)\.h")


def check_spdx(path: PurePosixPath, text: str) -> Iterator[str]:
    if path.suffix in WITHOUT_SPDX or path.name in WITHOUT_SPDX_NAMES:
        return
    first_lines = text.splitlines()[:2]
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in first_lines):
        yield f"{path}: no SPDX-License-Identifier: Apache-2.0 in the first two lines"


def check_lengths(path: PurePosixPath, text: str) -> Iterator[str]:
    lines = text.splitlines()
    if path.suffix not in LONG_LINES_ALLOWED and path.name not in WITHOUT_SPDX_NAMES:
        for number, line in enumerate(lines, start=1):
            if len(line) > MAX_LINE_CHARACTERS:
                yield f"{path}:{number}: {len(line)} characters, at most {MAX_LINE_CHARACTERS}"
    if path.suffix in CPP_SUFFIXES | {".py"} and len(lines) > MAX_FILE_LINES:
        yield f"{path}: {len(lines)} lines, at most {MAX_FILE_LINES}"


def check_python_functions(path: PurePosixPath, text: str) -> Iterator[str]:
    """C++ functions are measured by clang-tidy."""
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield (f"{path}:{node.lineno}: {node.name} has {lines} lines, "
                       f"at most {MAX_FUNCTION_LINES}")


def floor_of(stem: str) -> int:
    name = stem.removeprefix("shm/")
    return next(index for index, names in enumerate(FLOORS_OF_SHM)
                if name in names or "*" in names)


def may_include(stem: str, target: str) -> bool:
    """Whether src/`stem` may include the private header `target`, both without their suffix."""
    room, target_room = (PurePosixPath(name).parts[0] for name in (stem, target))
    if room == "shm" and target_room == "shm":
        return floor_of(target) <= floor_of(stem)
    return target_room == room or bool(ROOMS.get(room, frozenset()) & {target, target_room})


def check_includes(path: PurePosixPath, text: str) -> Iterator[str]:
    if path.suffix not in CPP_SUFFIXES:
        return
    includes = [(match[1] == '"', match[2]) for match in INCLUDE.finditer(text)]
    if path.is_relative_to("include"):
        yield from check_public_includes(path, includes)
    elif path.is_relative_to("cli"):
        yield from check_program_includes(path, includes)
    elif path.is_relative_to("src"):
        yield from check_private_includes(path, includes)


def check_public_includes(path: PurePosixPath, includes: list[tuple[bool, str]]) -> Iterator[str]:
    for is_own, name in includes:
        if is_own and not name.startswith("ipc0cp/"):
            yield f"{path}: a public header must not include the private {name}"
        if not is_own and "/" in name and path.name not in OPT_IN_HEADERS:
            yield f"{path}: a public header shows std and own types only, not {name}"
        if not is_own and SYSTEM_HEADER.fullmatch(name):
            yield f"{path}: system header {name} in a public header"


def check_private_includes(path: PurePosixPath, includes: list[tuple[bool, str]]) -> Iterator[str]:
    stem = str(path.relative_to("src").with_suffix(""))
    room = PurePosixPath(stem).parts[0]
    if room not in ROOMS:
        yield f"{path}: src has the rooms {', '.join(ROOMS)}; every file belongs into one"
        return
    for is_own, name in includes:
        if not is_own and SYSTEM_HEADER.fullmatch(name) and room != "platform":
            yield f"{path}: system header {name} outside src/platform"
        if not is_own:
            continue
        target = str(PurePosixPath(name).with_suffix(""))
        if name.startswith("ipc0cp/"):
            if room in BELOW_THE_HANDLES and PurePosixPath(name).stem in HANDLE_HEADERS:
                yield f"{path}: includes upwards, {name} belongs to the handles"
        elif frozenset({stem, target}) in STRANGERS:
            yield f"{path}: must not know {name}"
        elif not may_include(stem, target):
            yield f"{path}: includes upwards, {name} lies above or in a room it must not know"


def check_program_includes(path: PurePosixPath, includes: list[tuple[bool, str]]) -> Iterator[str]:
    for is_own, name in includes:
        if not is_own and SYSTEM_HEADER.fullmatch(name) and path.stem not in SYSTEM_OF_THE_PROGRAM:
            yield f"{path}: system header {name} in a command; see SYSTEM_OF_THE_PROGRAM"
        if not is_own or "/" not in name or name.startswith("ipc0cp/"):
            continue
        if str(PurePosixPath(name).with_suffix("")) not in BEHIND_THE_PROGRAM:
            yield f"{path}: the program must not know {name}; see BEHIND_THE_PROGRAM"


ALL_RULES = (check_spdx, check_lengths, check_python_functions, check_includes)


def violations(path: PurePosixPath, text: str) -> list[str]:
    return [sentence for rule in ALL_RULES for sentence in rule(path, text)]
