# SPDX-License-Identifier: Apache-2.0
"""What the arguments of a handle may be; errors name the argument, its value and the limit.

A wrong type is a TypeError, a value outside its range InvalidArgument. Limits are those of the
core; it checks names, words and time-outs itself.
"""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Iterable
from typing import NoReturn

from ipc0cp import _core
from ipc0cp.errors import InvalidArgument

_LARGEST_UINT32 = 2**32 - 1
#: What the core takes for a stream without an end.
NEVER_ENDS = _LARGEST_UINT32


def _refuse_type(name: str, wanted: str, value: object) -> NoReturn:
    kind = type(value).__name__
    raise TypeError(f"{name} must be {wanted}, not {reprlib.repr(value)} ({kind})")


def _integer(name: str, value: object) -> int:
    # A bool is an int to Python, but True as a number of bytes is a mistake.
    if not isinstance(value, bool) and hasattr(value, "__index__"):
        return operator.index(value)
    _refuse_type(name, "an int", value)


def _within(name: str, number: int, lowest: int, highest: int, way_out: str) -> int:
    if lowest <= number <= highest:
        return number
    # Python refuses to spell out integers of thousands of digits.
    shown = f"{number}" if abs(number) < 2**128 else f"an int of {number.bit_length()} bits"
    raise InvalidArgument(f"{name} must be within {lowest} .. {highest}, not {shown}; {way_out}")


def text(name: str, value: object) -> str:
    """A str."""
    if not isinstance(value, str):
        _refuse_type(name, "a str", value)
    return value


def flag(name: str, value: object) -> bool:
    """Exactly True or False."""
    if not isinstance(value, bool):
        _refuse_type(name, "True or False", value)
    return value


def ring_name(value: object) -> str:
    """A name the core can look at: characters it refuses anyway are spelled in ASCII."""
    return ascii(text("shm_name", value))[1:-1]


def total_data_bytes(value: object) -> int:
    """The capacity of a ring."""
    return _within(
        "total_data_bytes",
        _integer("total_data_bytes", value),
        _core.MIN_TOTAL_DATA_BYTES,
        _core.MAX_TOTAL_DATA_BYTES,
        "it is the room for all messages at once",
    )


def max_messages(value: object) -> int | None:
    """The most messages alive at once; None: the default."""
    if value is None:
        return None
    number = _integer("max_messages", value)
    return _within("max_messages", number, 1, _core.MAX_MAX_MESSAGES, "None takes the default")


def depth(value: object, overflow: str) -> int | None:
    """The most messages that a publish leaves unread; None: as many as fit."""
    if value is None:
        return None
    number = _integer("depth", value)
    number = _within("depth", number, 1, _core.MAX_MAX_MESSAGES, "None keeps as many as fit")
    if overflow in ("block", "drop_newest"):
        raise InvalidArgument(
            f"depth={number} is for producers that give old messages up: say"
            " overflow='drop_oldest', too, or limit the ring with max_messages"
        )
    return number


def mode(value: object) -> int:
    """Permission bits."""
    bits = _integer("mode", value)
    if _core.MIN_MODE <= bits <= _core.MAX_MODE:
        return bits
    raise InvalidArgument(
        f"mode must be within {_core.MIN_MODE:#o} .. {_core.MAX_MODE:#o}, not {bits:#o}; the"
        " ring's owner reads and writes, others may"
    )


def expected_producers(value: object) -> int | None:
    """How many producers have to join before a stream can end; None: it never does."""
    if value is None:
        return None
    return _within(
        "expected_producers",
        _integer("expected_producers", value),
        0,
        NEVER_ENDS - 1,
        "it is how many producers join before the stream can end; None: it never does",
    )


def expected_consumers(value: object) -> int:
    """How many consumers have to be there before the first push."""
    return _within(
        "expected_consumers",
        _integer("expected_consumers", value),
        1,
        _core.MAX_PARTICIPANTS,
        "it is how many consumers a first push waits for",
    )


def shape(value: object) -> tuple[int, ...]:
    """The shape of an array: one int or several."""
    is_text = isinstance(value, str | bytes | bytearray)
    several = value if isinstance(value, Iterable) and not is_text else (value,)
    dimensions = tuple(_integer("each dimension of shape", number) for number in several)
    if any(number < 0 for number in dimensions):
        raise InvalidArgument(f"shape must have dimensions of 0 or more, not {dimensions}")
    return dimensions


def trusted_owners(value: object) -> tuple[int, ...]:
    """User ids."""
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Iterable):
        _refuse_type("trusted_owners", "user ids (ints)", value)
    return tuple(
        _within(
            "each of trusted_owners",
            _integer("each of trusted_owners", owner),
            0,
            _LARGEST_UINT32,
            "they are user ids",
        )
        for owner in value
    )
