# SPDX-License-Identifier: Apache-2.0
"""JSON that keeps values exactly, see section 2 of docs/object_format.md.

``dumps`` writes the canonical text of values that come back equal in value and type and refuses
all others; ``loads`` refuses whatever is ambiguous or would change silently.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

MOST_LEVELS = 512
MOST_METADATA_KEYS = 1024
SMALLEST_INTEGER = -(2**63)
LARGEST_INTEGER = 2**64 - 1

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)
# Texts in which nothing matches need no check of single numbers and strings.
_LONG_NUMBER = re.compile(r"[0-9]{19}|[eE]\+?[0-9]{2}")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotJsonError(Exception):
    """A value that JSON cannot carry exactly; `path` leads to it.

    ``is_other_type`` is true if it is of a type JSON does not have, false for bad values of good
    types (NaN, 2**64, lone surrogates, too many levels).
    """

    def __init__(self, reason: str, is_other_type: bool = False) -> None:
        super().__init__(reason)
        self.path: list[str | int] = []
        self.is_other_type = is_other_type

    def __str__(self) -> str:
        place = "".join(f"[{step!r}]" for step in reversed(self.path))
        return f"{place}: {self.args[0]}" if place else str(self.args[0])


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
        _check(value, most_levels)
    except RecursionError:
        raise NotJsonError("nested deeper than Python's recursion limit allows") from None


def has_lone_surrogate(text: str) -> bool:
    """Whether UTF-8 cannot carry `text`."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _check(value: Any, levels: int) -> None:
    kind = type(value)
    if kind is not list and kind is not dict:
        _check_leaf(value, kind)
        return
    if levels == 0:
        raise NotJsonError("nested too deeply")
    if kind is dict:
        _check_keys(value)
    elif value and _is_plain_list(value):
        return
    for step, item in value.items() if kind is dict else enumerate(value):
        item_kind = type(item)
        try:
            if item_kind is list or item_kind is dict:
                _check(item, levels - 1)
            else:
                _check_leaf(item, item_kind)
        except NotJsonError as error:
            error.path.append(step)
            raise


def _is_plain_list(value: list[Any]) -> Any:
    """Whether all items are good and of one simple type; looks without running Python code."""
    kinds = set(map(type, value))
    if kinds == {int}:
        return min(value) >= SMALLEST_INTEGER and max(value) <= LARGEST_INTEGER
    if kinds == {float}:
        return all(map(math.isfinite, value))
    return kinds == {str} and all(map(str.isascii, value))


def _check_keys(value: dict[Any, Any]) -> None:
    for key in value:
        if type(key) is not str:
            raise NotJsonError(f"a key is {type(key).__name__}, not str", is_other_type=True)
        if has_lone_surrogate(key):
            raise NotJsonError(f"the key {key!a} holds a lone surrogate")


def _check_leaf(value: Any, kind: type) -> None:
    if kind is str:
        if has_lone_surrogate(value):
            raise NotJsonError("the str holds a lone surrogate")
    elif kind is int:
        if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            raise NotJsonError("an int must be within -2**63 .. 2**64-1")
    elif kind is float:
        if value - value != 0.0:
            raise NotJsonError(f"JSON has no {value}")
    elif kind is not bool and value is not None:
        name = f"{kind.__module__}.{kind.__qualname__}"
        raise NotJsonError(f"{name} is not a JSON type", is_other_type=True)


def loads(text: bytes, most_levels: int = MOST_LEVELS, is_metadata: bool = False) -> Any:
    """The value of a JSON text; in metadata the number of keys is bounded.

    Raises:
        ValueError: if the text breaks a rule of section 2.
    """
    decoded = text.decode()
    decoder = _CAREFUL_DECODER if _LONG_NUMBER.search(decoded) else _DECODER
    if is_metadata:
        decoder = _METADATA_DECODER
    try:
        value = decoder.decode(decoded)
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


def _dict_of_metadata(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_METADATA_KEYS:
        raise ValueError(f"an object has {len(pairs)} keys, the limit is {MOST_METADATA_KEYS}")
    return _dict_without_duplicates(pairs)


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


def _decoder(make_dict: Callable[[list[tuple[str, Any]]], Any], **checks: Any) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=make_dict, parse_constant=_refuse_constant, **checks)


_DECODER = _decoder(_dict_without_duplicates)
_CAREFUL_DECODER = _decoder(
    _dict_without_duplicates, parse_int=_parse_integer, parse_float=_parse_float
)
_METADATA_DECODER = _decoder(_dict_of_metadata, parse_int=_parse_integer, parse_float=_parse_float)
