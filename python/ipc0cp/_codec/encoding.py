# SPDX-License-Identifier: Apache-2.0
"""What encoders make and decoders get, shared by all types."""

from __future__ import annotations

import dataclasses
import re
import reprlib
import sys
from collections.abc import Callable
from typing import Any, cast

from ipc0cp import _core
from ipc0cp.errors import CorruptPayload, UnsupportedType

Metadata = dict[str, Any]


@dataclasses.dataclass(slots=True)
class Encoded:
    """The plan of one message: what it says about itself, and how its bytes get written.

    `metadata` is the text of a JSON object. `payload` is an object with a C-contiguous buffer that
    is the payload as it is, or None; then `write` fills a writable memoryview of exactly
    `payload_bytes` bytes. `array` is set where the payload is the memory of a NumPy array: a view
    of our own, whose shape and dtype are those of the metadata, whatever becomes of the user's.
    """

    metadata: bytes
    payload_bytes: int
    payload: Any = None
    write: Callable[[memoryview], None] | None = None
    array: Any = None

    def write_to(self, target: memoryview) -> None:
        """Writes the payload to `target`, which is `payload_bytes` long."""
        if self.write is not None:
            self.write(target)
        elif self.payload_bytes > 0:
            _core.copy_into(target, self.payload)


@dataclasses.dataclass(slots=True)
class Received:
    """A payload to be decoded: a read-only memoryview that keeps its block."""

    payload: memoryview
    copy: bool = False


def view_of(exporter: object) -> memoryview:
    """A memoryview over an object of the extension; type checkers do not see its buffer."""
    return memoryview(cast(Any, exporter))


def buffer_of(obj: Any, otherwise: str) -> memoryview:
    """The C-contiguous buffer of `obj`.

    Raises:
        UnsupportedType: if there is none; `otherwise` says so.
    """
    try:
        view = memoryview(obj)
    except (TypeError, ValueError, BufferError) as error:
        raise UnsupportedType(f"{otherwise} ({error})") from None
    if not view.c_contiguous:
        raise UnsupportedType(
            f"the buffer of {type_name(obj)} is strided, only C-contiguous ones can be pushed;"
            " push bytes(x) instead"
        )
    # Names of fields stand between colons.
    if "O" in re.sub(":[^:]*:", "", view.format):
        raise UnsupportedType(
            f"the buffer of {type_name(obj)} holds Python objects, which have no bytes to send;"
            " push a list of them"
        )
    return view


def is_numpy_array(value: object) -> bool:
    """Whether `value` is exactly an np.ndarray; does not import NumPy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def type_name(value: object) -> str:
    """The full name of the type of `value`, for error messages."""
    kind = type(value)
    is_builtin = kind.__module__ == "builtins"
    return kind.__qualname__ if is_builtin else f"{kind.__module__}.{kind.__qualname__}"


def shorten(value: object) -> str:
    """`value` for an error message, at most 80 characters of it; whatever its repr does."""
    try:
        text = _SHORT.repr(value)
    except Exception:  # Any object may end up in a message, also one whose repr fails.
        text = f"<{type_name(value)} object>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _short_repr() -> reprlib.Repr:
    """Looks at little of a large value and not deep into a nested one."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = 80
    return short


_SHORT = _short_repr()


def integer(value: object, what: str, most: int = 2**63 - 1) -> int:
    """`value` if it is a JSON integer within 0 .. `most`.

    Raises:
        CorruptPayload: naming `what`, the value and the limit.
    """
    if type(value) is not int or not 0 <= value <= most:
        raise CorruptPayload(f"{what} must be an integer within 0 .. {most}, not {shorten(value)}")
    return value
