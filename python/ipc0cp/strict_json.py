# SPDX-License-Identifier: Apache-2.0
"""JSON that keeps values exactly, see section 2 of docs/object_format.md.

``dumps`` writes the canonical text of values that come back equal in value and type and refuses
all others; ``loads`` refuses whatever is ambiguous or would change silently. Python's json module
does the writing and parsing; the checks it lacks are made in the extension, in one walk over the
value. Only where that walk says no, Python looks for the place and the reason.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ipc0cp import _core
from ipc0cp.encoding import shorten, type_name

#: Around a value of a json message alone, and of one inside lists and maps.
MOST_LEVELS = 512
MOST_CONTAINER_LEVELS = 64
MOST_METADATA_KEYS = 1024
SMALLEST_INTEGER = -(2**63)
LARGEST_INTEGER = 2**64 - 1
#: All types of JSON values.
TYPES = frozenset({str, int, float, bool, type(None), list, dict})

_NO_FAULT, _OTHER_TYPE, _BAD_VALUE = range(3)  # As the extension counts them.
_ANY_NUMBER_OF_KEYS = 2**63 - 1

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)
# JSON types that users have given an encoding of their own, see `is_json`.
_NO_TYPES: frozenset[type] = frozenset()
_replaced_types = _NO_TYPES


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
        steps = [f"[{shorten(step)}]" for step in reversed(self.path)]
        if len(steps) > 6:
            steps[3:-3] = ["..."]
        return f"{''.join(steps)}: {self.args[0]}" if steps else str(self.args[0])


def set_replaced_types(kinds: frozenset[type]) -> None:
    """Makes `is_json` treat these JSON types as types that JSON does not have."""
    global _replaced_types
    _replaced_types = kinds


def dumps(value: Any, most_levels: int = MOST_LEVELS) -> bytes:
    """The canonical UTF-8 text of `value`.

    Raises:
        NotJsonError: naming the place and the reason.
    """
    if _core.json_fault(value, most_levels) != _NO_FAULT:
        _explain(value, most_levels)
    return write(value, most_levels)


def is_json(value: Any, most_levels: int = MOST_LEVELS) -> bool:
    """Whether `value` is JSON all the way down; False: something in it is of another type.

    Types that have a registered encoding are other types. Lone surrogates are not looked for,
    `write` finds them.

    Raises:
        NotJsonError: for a value of a JSON type that JSON cannot carry.
    """
    if _replaced_types:
        try:
            check(value, most_levels, _replaced_types)
        except NotJsonError as error:
            if not error.is_other_type:
                raise
            return False
        return True
    fault = _core.json_fault(value, most_levels)
    if fault == _BAD_VALUE:
        _explain(value, most_levels)
    return fault == _NO_FAULT


def write(value: Any, most_levels: int = MOST_LEVELS) -> bytes:
    """The canonical UTF-8 text of a value that `is_json`.

    Raises:
        NotJsonError: for lone surrogates.
    """
    try:
        return _ENCODER.encode(value).encode()
    except (UnicodeEncodeError, RecursionError):
        _explain(value, most_levels)


def check(
    value: Any, most_levels: int = MOST_LEVELS, replaced: frozenset[type] = _NO_TYPES
) -> None:
    """Raises `NotJsonError` unless `value` comes back from `loads` equal in value and type."""
    try:
        _check(value, most_levels, replaced)
    except RecursionError:
        raise NotJsonError("nested deeper than Python's recursion limit allows") from None
    except _TooDeepError as error:
        error.args = (f"more than {_limit(most_levels)} levels of lists and dicts, or a cycle",)
        raise


def _limit(most_levels: int) -> int:
    """What users know as the limit where `most_levels` are left."""
    return MOST_LEVELS if most_levels == MOST_LEVELS else MOST_CONTAINER_LEVELS


class _TooDeepError(NotJsonError):
    """No level is left."""


def _explain(value: Any, most_levels: int) -> NoReturn:
    check(value, most_levels)
    raise NotJsonError("nested deeper than Python's recursion limit allows")


def has_lone_surrogate(text: str) -> bool:
    """Whether UTF-8 cannot carry `text`."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _check(value: Any, levels: int, replaced: frozenset[type]) -> None:
    kind = type(value)
    if kind in replaced:
        raise NotJsonError(f"{kind.__qualname__} has a registered encoding", is_other_type=True)
    if kind is not list and kind is not dict:
        _check_leaf(value, kind)
        return
    if levels == 0:
        raise _TooDeepError("too deep")
    if kind is dict:
        _check_keys(value)
    for step, item in value.items() if kind is dict else enumerate(value):
        try:
            _check(item, levels - 1, replaced)
        except NotJsonError as error:
            error.path.append(step)
            raise


def _check_keys(value: dict[Any, Any]) -> None:
    for key in value:
        if type(key) is not str:
            raise NotJsonError(f"a key is {type(key).__name__}, not str", is_other_type=True)
        if has_lone_surrogate(key):
            raise NotJsonError(f"the key {ascii(key)[:40]} holds a lone surrogate")


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
        raise NotJsonError(f"{type_name(value)} is not a JSON type", is_other_type=True)


def loads(
    text: bytes | memoryview, most_levels: int = MOST_LEVELS, is_metadata: bool = False
) -> Any:
    """The value of a JSON text; in metadata the number of keys is bounded.

    Raises:
        ValueError: if the text breaks a rule of section 2.
    """
    decoded = str(text, "utf-8")
    most_keys = MOST_METADATA_KEYS if is_metadata else _ANY_NUMBER_OF_KEYS
    try:
        value = _DECODER.decode(decoded)
    except RecursionError:
        raise ValueError(f"more than {_limit(most_levels)} levels of arrays and objects") from None
    if not _core.json_is_exact(value, text, most_levels, most_keys):
        _refuse(decoded, value, most_levels, most_keys)
    if "\\u" in decoded:
        _refuse_lone_surrogates(value)
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


def _refuse(decoded: str, value: Any, most_levels: int, most_keys: int) -> NoReturn:
    """Finds out what is wrong with a text that was parsed without complaint."""
    if depth(value) > most_levels:
        raise ValueError(f"more than {_limit(most_levels)} levels of arrays and objects")

    def dict_of(pairs: list[tuple[str, Any]]) -> None:
        if len(pairs) > most_keys:
            raise ValueError(f"an object has {len(pairs)} keys, the limit is {most_keys}")
        found: set[str] = set()
        for key, _ in pairs:
            if key in found:
                raise ValueError(f"the key {shorten(key)} appears twice in one object")
            found.add(key)

    json.loads(
        decoded, object_pairs_hook=dict_of, parse_int=_parse_integer, parse_float=_parse_float
    )
    raise AssertionError("a JSON text was refused without a reason")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _parse_integer(digits: str) -> None:
    if not SMALLEST_INTEGER <= int(digits) <= LARGEST_INTEGER:
        raise ValueError(f"the integer {digits[:40]} is outside -2**63 .. 2**64-1")


def _parse_float(digits: str) -> None:
    value = float(digits)
    if value - value != 0.0:
        raise ValueError(f"the number {digits[:40]} overflows a double")


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        raise ValueError("a string holds a lone surrogate") from None


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
