# SPDX-License-Identifier: Apache-2.0
"""JSON that keeps values exactly, see section 2 of docs/object_format.md.

``dumps`` writes the canonical text of values that come back equal in value and type and refuses
all others; ``loads`` refuses whatever is ambiguous or would change silently. Both are the core's,
which has the rules for C++ as well; no nesting takes stack.
"""

from __future__ import annotations

from typing import Any

from ipc0cp import _core

#: Around a value of a json message alone, and of one inside lists and maps.
MOST_LEVELS = _core.MAX_JSON_LEVELS
MOST_CONTAINER_LEVELS = _core.MAX_CONTAINER_LEVELS
#: All types of JSON values.
TYPES = frozenset({str, int, float, bool, type(None), list, dict})
#: A value that JSON cannot carry exactly; says where it is and why.
NotJsonError = _core.NotJsonError

# JSON types that users have given an encoding of their own, see `is_json`.
_replaced_types: frozenset[type] = frozenset()


def set_replaced_types(kinds: frozenset[type]) -> None:
    """Makes `is_json` treat these JSON types as types that JSON does not have."""
    global _replaced_types
    _replaced_types = kinds


def replaced_types() -> frozenset[type]:
    """The JSON types that users have given an encoding of their own."""
    return _replaced_types


def dumps(value: Any, most_levels: int = MOST_LEVELS) -> bytes:
    """The canonical UTF-8 text of `value`.

    Raises:
        NotJsonError: naming the place and the reason.
    """
    return _core.write_json(value, most_levels)


def is_json(value: Any, most_levels: int = MOST_LEVELS) -> bool:
    """Whether `value` is JSON all the way down; False: something in it is of another type.

    Types that have a registered encoding are other types. Lone surrogates are not looked for,
    `dumps` finds them.

    Raises:
        NotJsonError: for a value of a JSON type that JSON cannot carry.
    """
    return _core.is_json(value, most_levels, _replaced_types)


def has_lone_surrogate(text: str) -> bool:
    """Whether UTF-8 cannot carry `text`."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def loads(
    text: bytes | memoryview,
    most_levels: int = MOST_LEVELS,
    *,
    what: str = "JSON text",
    is_metadata: bool = False,
) -> Any:
    """The value of a JSON text, which errors call `what`; in metadata the keys are bounded.

    Raises:
        CorruptPayload: if the text breaks a rule of section 2.
    """
    return _core.parse_json(text, what, most_levels, is_metadata)


def copy(value: Any) -> Any:
    """A deep copy of a JSON value, however deep."""
    return loads(dumps(value))
