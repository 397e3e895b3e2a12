# SPDX-License-Identifier: Apache-2.0
"""What encoders make and decoders get, shared by all types."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

Metadata = dict[str, Any]


@dataclasses.dataclass(slots=True)
class Encoded:
    """The plan of one message: what it says about itself, and how its bytes get written.

    `payload` is an object with a C-contiguous buffer that is the payload as it is, or None; then
    `write` fills a writable memoryview of exactly `payload_bytes` bytes.
    """

    metadata: Metadata | bytes
    payload_bytes: int
    payload: Any = None
    write: Callable[[memoryview], None] | None = None

    def write_to(self, target: memoryview) -> None:
        """Writes the payload to `target`, which is `payload_bytes` long."""
        if self.write is not None:
            self.write(target)
        elif self.payload_bytes > 0:
            target[:] = memoryview(self.payload).cast("B")


@dataclasses.dataclass(slots=True)
class Received:
    """A payload to be decoded: a read-only memoryview that keeps its block."""

    payload: memoryview
    copy: bool = False


def view_of(exporter: object) -> memoryview:
    """A memoryview over an object of the extension; type checkers do not see its buffer."""
    return memoryview(cast(Any, exporter))


def type_name(value: object) -> str:
    """The full name of the type of `value`, for error messages."""
    kind = type(value)
    is_builtin = kind.__module__ == "builtins"
    return kind.__qualname__ if is_builtin else f"{kind.__module__}.{kind.__qualname__}"
