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

# The layers from bottom to top. A file includes its own layer and those below; a file of src/shm
# that is not named belongs to the channel.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("log_internal",),
    ("platform/*",),
    ("shm/layout",),
    ("shm/segment",),
    ("shm/participants", "shm/lock", "shm/allocator", "shm/queue", "shm/buffer_pool"),
    ("shm/waiting", "shm/recovery"),
    ("shm/membership", "shm/joining", "shm/life", "shm/ring_name"),
    ("shm/*",),
    ("message", "ring_buffer*", "ring_keeper", "inspect", "stdio*"),
)
# Pairs of one layer that must not know each other.
STRANGERS = {frozenset({"shm/allocator", "shm/queue"})}
# The codec works on spans: it knows neither shared memory nor the operating system. The public
# handles use it.
CODEC = re.compile(r"(codec|json_access|objects|registration|type_registry)")

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


def layer_of(stem: str) -> int | None:
    exact = [index for index, names in enumerate(LAYERS) if stem in names]
    patterns = [index for index, names in enumerate(LAYERS)
                if any(PurePosixPath(stem).match(name) for name in names)]
    found = exact or patterns
    return found[0] if found else None


def check_includes(path: PurePosixPath, text: str) -> Iterator[str]:
    if path.suffix not in CPP_SUFFIXES:
        return
    includes = [(match[1] == '"', match[2]) for match in INCLUDE.finditer(text)]
    if path.is_relative_to("include"):
        yield from check_public_includes(path, includes)
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
    layer = layer_of(stem)
    in_platform = stem.startswith("platform/")
    for is_own, name in includes:
        if not is_own and SYSTEM_HEADER.fullmatch(name) and not in_platform:
            yield f"{path}: system header {name} outside src/platform"
        if not is_own or name.startswith("ipc0cp/"):
            continue
        target = str(PurePosixPath(name).with_suffix(""))
        target_layer = layer_of(target)
        if CODEC.match(stem):
            if target_layer is not None and target != "log_internal":
                yield f"{path}: the codec works on spans and must not include {name}"
        elif CODEC.match(target) and stem.startswith(("ring_buffer", "stdio")):
            continue
        elif frozenset({stem, target}) in STRANGERS:
            yield f"{path}: must not know {name}"
        elif layer is not None and (target_layer is None or target_layer > layer):
            yield f"{path}: includes upwards, {name} lies above"


ALL_RULES = (check_spdx, check_lengths, check_python_functions, check_includes)


def violations(path: PurePosixPath, text: str) -> list[str]:
    return [sentence for rule in ALL_RULES for sentence in rule(path, text)]
