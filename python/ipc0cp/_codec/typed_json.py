# SPDX-License-Identifier: Apache-2.0
"""Values that JSON does not have, as marks: see section 2.1 of docs/object_format.md.

NaN and infinities, integers past 64 bits, and dicts whose keys are not all str. A mark is an object
with one key that starts with ``$``; real objects like that are wrapped in ``$object``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ipc0cp._codec import strict_json
from ipc0cp._codec.encoding import shorten, type_name
from ipc0cp.errors import CorruptPayload, UnsupportedType

_FLOATS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
_BIG_INTEGER = re.compile("-?0x[1-9a-f][0-9a-f]*")
_CONTAINERS = frozenset({list, dict})
# What JSON has without a mark.
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1


#: In one map: Python's hash of such integers is easy to foresee, and keys of one hash are slow.
MOST_BIG_KEYS = 1024


class OtherTypeError(Exception):
    """A value of a type that has no mark: it needs a record of its own."""

    def __init__(self, value: Any, what: str = "") -> None:
        self.type_name = type_name(value)
        super().__init__(f"{what}{self.type_name} is nothing that JSON has")


class _TooManyLevelsError(Exception):
    """A value nests deeper than allowed."""


def dumps(value: Any, most_levels: int) -> bytes:
    """The canonical text of `value` with marks where it needs them.

    Raises:
        OtherTypeError: if something in it is no value of this kind.
        NotJsonError: for lone surrogates and too many levels.
    """
    return strict_json.dumps(_marked(value, most_levels))


def check(value: Any, most_levels: int) -> None:
    """Raises as `dumps`, but for lone surrogates."""
    _marked(value, most_levels)


def _marked(value: Any, most_levels: int) -> Any:
    try:
        return _mark(value, most_levels)
    except RecursionError:
        raise strict_json.NotJsonError("nested deeper than Python's recursion limit") from None
    except _TooManyLevelsError:
        limit = max(most_levels, strict_json.MOST_CONTAINER_LEVELS)
        raise strict_json.NotJsonError(
            f"more than {limit} levels of lists and dicts, or a cycle"
        ) from None


def number(value: float) -> Any:
    """An int or float as it is, or the mark that stands for it."""
    if type(value) is float:
        if value - value == 0.0:
            return value
        return {"$float": "nan" if value != value else "inf" if value > 0 else "-inf"}
    if _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
        return value
    return {"$int": hex(int(value))}


def _mark(value: Any, levels: int) -> Any:
    kind = type(value)
    if kind in strict_json.replaced_types():
        raise OtherTypeError(value)
    if kind is float or kind is int:
        return number(value)
    if kind not in _CONTAINERS:
        if kind is str or kind is bool or value is None:
            return value
        raise OtherTypeError(value)
    if levels == 0:
        raise _TooManyLevelsError
    levels -= 1
    # No comprehensions: they would take a second frame of Python's stack for each level.
    if kind is list:
        items = []
        for item in value:
            items.append(_mark(item, levels))
        return items
    entries = snapshot_of(value)
    if all(type(key) is str for key in entries):
        marked = {}
        for key, item in entries.items():
            marked[key] = _mark(item, levels)
        return {"$object": marked} if _reads_like_a_mark(marked) else marked
    refuse_big_keys(entries)
    pairs = []
    for key, item in entries.items():
        pairs.append([_mark_key(key), _mark(item, levels)])
    return {"$map": pairs}


def snapshot_of(value: dict[Any, Any]) -> dict[Any, Any]:
    """A dict, which other threads may be changing, as it is at one moment.

    To copy one whose keys are str or int is one step for all other threads.

    Raises:
        UnsupportedType: if a comparison of other keys changes it meanwhile.
    """
    try:
        return value.copy()
    except RuntimeError as error:
        if "mutated" not in str(error):  # Of a signal handler.
            raise
    raise UnsupportedType("a dict was changed while it was encoded; push a copy")


def _mark_key(key: Any) -> Any:
    if type(key) is str:
        return key
    return integer_key(key)


def integer_key(key: Any) -> Any:
    """How the key of a map that is no str is written. Raises OtherTypeError unless it is an int."""
    if type(key) is not int:
        raise OtherTypeError(key, "a key of type ")
    return number(key)


def count_big_keys(keys: Iterable[Any]) -> int:
    """How many keys of a map are integers beyond 64 bits."""
    return sum(
        type(key) is int and not _SMALLEST_INTEGER <= key <= _LARGEST_INTEGER for key in keys
    )


def refuse_big_keys(keys: Iterable[Any]) -> None:
    """Raises NotJsonError for keys of a map of which too many are beyond 64 bits."""
    if count_big_keys(keys) > MOST_BIG_KEYS:
        raise strict_json.NotJsonError(
            f"a dict has more than {MOST_BIG_KEYS} keys beyond 64 bits; push a list of pairs"
        )


def _reads_like_a_mark(value: dict[Any, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith("$")


def loads(text: bytes | memoryview, most_levels: int, *, what: str = "JSON text") -> Any:
    """The value of a JSON text with marks, which errors call `what`.

    Raises:
        CorruptPayload: if the text breaks a rule of section 2 or 2.1.
        UnsupportedType: if the stack is too short for its levels.
    """
    try:
        return _unmark(strict_json.loads(text, what=what), most_levels)
    except RecursionError:
        raise UnsupportedType(f"{what}: nested deeper than Python's recursion limit") from None


def _unmark(value: Any, levels: int) -> Any:
    kind = type(value)
    if kind not in _CONTAINERS:
        return value
    if kind is dict and _reads_like_a_mark(value):
        mark, content = next(iter(value.items()))
        if mark == "$map" and type(content) is list:
            return _unmark_map(content, _one_less(levels))
        if mark != "$object":
            return scalar_of_mark(value)
        if type(content) is not dict or not _reads_like_a_mark(content):
            raise CorruptPayload(f"the mark $object has no meaning around {shorten(content)}")
        value = content
    levels = _one_less(levels)
    # In place: the value has just been made, and this takes one frame of the stack for a level.
    for key, item in enumerate(value) if kind is list else value.items():
        if type(item) in _CONTAINERS:
            value[key] = _unmark(item, levels)
    return value


def _one_less(levels: int) -> int:
    if levels == 0:
        raise CorruptPayload("a value with marks nests too many levels of lists and dicts")
    return levels - 1


def _unmark_map(pairs: list[Any], levels: int) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    big_keys = 0
    for pair in pairs:
        if type(pair) is not list or len(pair) != 2:
            raise CorruptPayload(f"an entry of a $map is [key, value], not {shorten(pair)}")
        big_keys += type(pair[0]) is dict
        if big_keys > MOST_BIG_KEYS:
            raise CorruptPayload(f"a $map has more than {MOST_BIG_KEYS} keys beyond 64 bits")
        result[parse_key(pair[0])] = _unmark(pair[1], levels)
    if len(result) != len(pairs):
        raise CorruptPayload("a key appears twice in one $map")
    return result


def parse_key(key: Any) -> str | int:
    """The key of a map: a str, an integer, or the mark of one. Raises CorruptPayload."""
    if type(key) is str or type(key) is int:
        return key
    value = scalar_of_mark(key) if type(key) is dict else None
    if type(value) is not int:
        raise CorruptPayload(f"a key of a map is a string or an integer, not {shorten(key)}")
    return value


def scalar_of_mark(value: dict[str, Any]) -> int | float:
    """The number that a mark stands for. Raises CorruptPayload."""
    if len(value) == 1:
        mark, content = next(iter(value.items()))
        if mark == "$float" and type(content) is str and content in _FLOATS:
            return _FLOATS[content]
        if mark == "$int" and type(content) is str and _BIG_INTEGER.fullmatch(content):
            found = int(content, 16)
            if not _SMALLEST_INTEGER <= found <= _LARGEST_INTEGER:
                return found
    raise CorruptPayload(f"{shorten(value)} is a mark without a meaning")
