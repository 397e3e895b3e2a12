# SPDX-License-Identifier: Apache-2.0
"""Objects that know how to serialize themselves."""

from __future__ import annotations

import abc
from typing import Any


class SerializableObject(abc.ABC):
    """Base of own types that can be pushed as they are.

    Any object with such a `serialize` method can be pushed; deriving from this class says so.
    What comes out of a pop is decided by the deserializer registered for the type.
    """

    @abc.abstractmethod
    def serialize(self) -> tuple[dict[str, Any] | str | bytes, Any]:
        """Metadata (a JSON object with a "type") and payload (a C-contiguous buffer)."""


class BytesData(SerializableObject):
    """A message of a type that nobody has registered here.

    ``bytes(data)`` is the `payload`, `metadata` (a JSON object) what it says about itself. Pushed
    again, it goes out unchanged.
    """

    __slots__ = ("_payload", "metadata")

    def __init__(self, payload: bytes, metadata: dict[str, Any] | None = None) -> None:
        self._payload = payload
        self.metadata: dict[str, Any] = dict(metadata or {"type": "bytes", "version": "1.0"})

    def __bytes__(self) -> bytes:
        return self._payload

    def __len__(self) -> int:
        return len(self._payload)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BytesData):
            return NotImplemented
        return self._payload == other._payload and self.metadata == other.metadata

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"BytesData({len(self._payload)} bytes, metadata={self.metadata!r})"

    def serialize(self) -> tuple[dict[str, Any], bytes]:
        return self.metadata, self._payload
