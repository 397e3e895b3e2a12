# SPDX-License-Identifier: Apache-2.0
"""JSON that keeps values exactly, see section 2 of docs/object_format.md.

``dumps`` writes the canonical text of values that come back equal in value and type and refuses
all others; ``loads`` refuses whatever is ambiguous or would change silently.
"""

from __future__ import annotations

import json
import re
from typing import Any

MOST_LEVELS = 512
SMALLEST_INTEGER = -(2**63)
LARGEST_INTEGER = 2**64 - 1

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)
# Texts in which nothing matches need no check of single numbers and strings.
_LONG_NUMBER = re.compile(r"[0-9]{19}|[eE]\+?[0-9]{2}")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotJsonError(Exception):
    """A value that JSON cannot carry exactly.

    ``is_other_type`` is true if it is of a type JSON does not have, false for bad values of good
    types (NaN, 2**64, lone surrogates, too many levels).
    """

    def __init__(self, path: str, reason: str, is_other_type: bool = False) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.is_other_type = is_other_type


def dumps(value: Any, most_levels: int = MOST_LEVELS) -> bytes:
    """The canonical UTF-8 text of `value`.

    Raises:
        NotJsonError: naming the place and the reason.
    """
    check(value, most_levels)
    return _ENCODER.encode(value).encode()


def check(value: Any, most_levels: int = MOST_LEVELS) -> None:
    """Raises `NotJsonError` unless `value` comes back from `loads` equal in value and type."""
    try:
        _check(value, "", most_levels)
    except RecursionError:
        raise NotJsonError("", "nested deeper than Python's recursion limit allows") from None


def has_lone_surrogate(text: str) -> bool:
    """Whether UTF-8 cannot carry `text`."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _check(value: Any, path: str, levels: int) -> None:
    kind = type(value)
    if kind is list:
        _check_list(value, path, levels)
    elif kind is dict:
        _check_dict(value, path, levels)
    else:
        _check_leaf(value, kind, path)


def _check_list(value: list[Any], path: str, levels: int) -> None:
    if levels == 0:
        raise NotJsonError(path, "nested too deeply")
    for index, item in enumerate(value):
        kind = type(item)
        # The commonest case first and without a call: long lists of small integers.
        if kind is int and SMALLEST_INTEGER <= item <= LARGEST_INTEGER:
            continue
        _check(item, f"{path}[{index}]", levels - 1)


def _check_dict(value: dict[Any, Any], path: str, levels: int) -> None:
    if levels == 0:
        raise NotJsonError(path, "nested too deeply")
    for key, item in value.items():
        if type(key) is not str:
            raise NotJsonError(path, f"a key is {type(key).__name__}, not str", is_other_type=True)
        if has_lone_surrogate(key):
            raise NotJsonError(path, f"the key {key!a} holds a lone surrogate")
        _check(item, f"{path}[{key!r}]", levels - 1)


def _check_leaf(value: Any, kind: type, path: str) -> None:
    if kind is str:
        if has_lone_surrogate(value):
            raise NotJsonError(path, "the str holds a lone surrogate")
    elif kind is int:
        if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            raise NotJsonError(path, "an int must be within -2**63 .. 2**64-1")
    elif kind is float:
        if value - value != 0.0:
            raise NotJsonError(path, f"JSON has no {value}")
    elif kind is not bool and value is not None:
        name = f"{kind.__module__}.{kind.__qualname__}"
        raise NotJsonError(path, f"{name} is not a JSON type", is_other_type=True)


def loads(text: bytes, most_levels: int = MOST_LEVELS) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: if the text breaks a rule of section 2.
    """
    decoded = text.decode()
    hooks: dict[str, Any] = {"parse_constant": _refuse_constant}
    if "{" in decoded:
        hooks["object_pairs_hook"] = _dict_without_duplicates
    if _LONG_NUMBER.search(decoded):
        hooks["parse_int"] = _parse_integer
        hooks["parse_float"] = _parse_float
    try:
        value = json.loads(decoded, **hooks)
    except RecursionError:
        raise ValueError(f"more than {most_levels} levels of arrays and objects") from None
    if _ESCAPED_SURROGATE.search(decoded):
        _refuse_lone_surrogates(value)
    if decoded.count("[") + decoded.count("{") > most_levels and depth(value) > most_levels:
        raise ValueError(f"more than {most_levels} levels of arrays and objects")
    return value


def depth(value: Any) -> int:
    """Levels of lists and dicts around the innermost value; 0 for a value that is neither."""
    levels = 0
    layer = [value]
    while True:
        containers = [item for item in layer if type(item) is list or type(item) is dict]
        if not containers:
            return levels
        levels += 1
        layer = []
        for container in containers:
            layer.extend(container.values() if type(container) is dict else container)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _dict_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} appears twice in one object")
    return result


def _parse_integer(digits: str) -> int:
    value = int(digits)
    if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise ValueError(f"the integer {digits[:40]} is outside -2**63 .. 2**64-1")
    return value


def _parse_float(digits: str) -> float:
    value = float(digits)
    if value - value != 0.0:
        raise ValueError(f"the number {digits[:40]} overflows a double")
    return value


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a string holds a lone surrogate") from None
