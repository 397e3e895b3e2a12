# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers as objects, see docs/flatbuffers.md. Needs no FlatBuffers library itself."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from ipc0cp._codec import codec
from ipc0cp._codec.encoding import Encoded, Metadata, Received, shorten, type_name
from ipc0cp._core import FlatBufferLayout
from ipc0cp.errors import CorruptPayload, InvalidArgument, UnsupportedType

_Root = TypeVar("_Root", covariant=True)
_PREFIX_BYTES = 4
_ABSENT: Any = object()


class RootClass(Protocol[_Root]):
    """A class that flatc has generated for a table."""

    def GetRootAs(self, buf: Any, offset: int = 0, /) -> _Root: ...  # noqa: N802 - flatc's name.


class FlatBuffer:
    """A finished FlatBuffer of any schema, read in place.

    What comes out of a pop for a ``flatbuffers.Builder``. It keeps its block of the ring, and so
    does everything made over its `buffer`. Thread-safe.

    >>> builder.Finish(monster, b"MONS")
    >>> producer.push(builder)
    >>> consumer.pop().root(Monster).Hp()

    Args:
        data: a finished ``flatbuffers.Builder``, or an object with a C-contiguous buffer that holds
            what a builder's ``Output()`` returns. The memory is shared, not copied: leave it alone
            as long as the FlatBuffer is in use.

    Raises:
        InvalidArgument: if data is no finished FlatBuffer, as far as that can be told without the
            schema, or has more than 2**31 - 2 bytes.
    """

    __slots__ = ("__weakref__", "_buffer", "_layout")

    def __init__(self, data: Any) -> None:
        self._buffer = _bytes_of(data)
        self._layout = FlatBufferLayout.inspect(self._buffer)

    @property
    def buffer(self) -> memoryview:
        """The bytes, read-only, size prefix included. Popped ones start at a multiple of 64."""
        return self._buffer

    @property
    def identifier(self) -> bytes | None:
        """The file identifier, four bytes; None if there is none."""
        return self._layout.identifier

    @property
    def size_prefixed(self) -> bool:
        """Whether the first four bytes are the size of the rest."""
        return self._layout.size_prefixed

    def root(self, kind: RootClass[_Root], identifier: bytes | None = None) -> _Root:
        """The root table, in place: ``kind.GetRootAs(self.buffer, ...)``.

        Python's FlatBuffers library has no verifier. Reading a damaged buffer never leaves it, but
        may raise struct.error, TypeError or ValueError, or give nonsense.

        Args:
            kind: the class that flatc has generated for the root.
            identifier: what the buffer must have as identifier; None: that of the schema of `kind`
                if the schema and the buffer have one.

        Raises:
            UnsupportedType: if the buffer has another identifier.
            InvalidArgument: if kind is no such class.
        """
        if not hasattr(kind, "GetRootAs"):
            raise InvalidArgument(f"{kind!r} has no GetRootAs: give a class that flatc 2.0 made")
        start = _PREFIX_BYTES if self.size_prefixed else 0
        if identifier is not None:
            is_right = self._buffer[start + 4 : start + 8] == identifier
        else:
            is_right = self.identifier is None or _has_identifier_of(kind, self._buffer, start)
        if not is_right:
            asked = repr(identifier) if identifier is not None else f"that of {kind!r}"
            raise UnsupportedType(
                f"the flatbuffer has the identifier {self.identifier!r}, asked for was {asked}"
            )
        return kind.GetRootAs(self._buffer, start)

    def __bytes__(self) -> bytes:
        return bytes(self._buffer)

    def __len__(self) -> int:
        return self._buffer.nbytes

    def __eq__(self, other: object) -> bool:
        """Whether the bytes are the same; equal tables may be laid out differently."""
        if not isinstance(other, FlatBuffer):
            return NotImplemented
        is_same_layout = self._layout.metadata == other._layout.metadata
        return is_same_layout and self._buffer == other._buffer

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (bytes(self._buffer), self.identifier, self.size_prefixed)

    def __repr__(self) -> str:
        identifier = f", identifier {self.identifier!r}" if self.identifier else ""
        prefixed = ", size-prefixed" if self.size_prefixed else ""
        return f"<ipc0cp.FlatBuffer: {len(self)} bytes{identifier}{prefixed}>"


def is_builder(kind: type) -> bool:
    """Whether this is the Builder of the FlatBuffers library, which is not imported for that."""
    return any(
        base.__name__ == "Builder" and base.__module__ == "flatbuffers.builder"
        for base in kind.__mro__
    )


def encode(value: Any, _: int = 0) -> Encoded:
    """Plans a FlatBuffer or a Builder, whose bytes are not copied. Raises UnsupportedType."""
    if not isinstance(value, FlatBuffer):
        if not is_builder(type(value)):
            raise UnsupportedType(f"{type_name(value)} is not a type that can be pushed")
        if not value.finished:
            raise UnsupportedType(
                "this flatbuffers.Builder is not finished: call Finish(root) first"
            )
        value = FlatBuffer(value)
    return Encoded(value._layout.metadata, len(value), payload=value.buffer)


def decode(metadata: Metadata, received: Received, _: int = 0) -> FlatBuffer:
    """The FlatBuffer of a message. Raises CorruptPayload."""
    identifier, size_prefixed = metadata.get("identifier", _ABSENT), metadata.get("size_prefixed")
    if type(size_prefixed) is not bool and "size_prefixed" in metadata:
        raise CorruptPayload(f"'size_prefixed' must be true or false, not {shorten(size_prefixed)}")
    if identifier is not _ABSENT and type(identifier) is not str:
        raise CorruptPayload(f"an identifier must be a string, not {shorten(identifier)}")
    spelled = None if identifier is _ABSENT else identifier.encode()
    layout = FlatBufferLayout.make(spelled, bool(size_prefixed))
    layout.check(received.payload)
    return _make_of(bytes(received.payload) if received.copy else received.payload, layout)


def _make(payload: bytes, identifier: bytes | None, size_prefixed: bool) -> FlatBuffer:
    """A FlatBuffer of bytes that are checked."""
    return _make_of(payload, FlatBufferLayout.make(identifier, size_prefixed))


def _make_of(payload: bytes | memoryview, layout: FlatBufferLayout) -> FlatBuffer:
    made = FlatBuffer.__new__(FlatBuffer)
    made._buffer, made._layout = memoryview(payload), layout
    return made


def _bytes_of(data: Any) -> memoryview:
    if is_builder(type(data)):
        if not data.finished:
            raise InvalidArgument("this flatbuffers.Builder is not finished: call Finish(root)")
        return memoryview(data.Bytes)[data.Head() :].toreadonly()
    try:
        view = memoryview(data)
    except TypeError:
        raise InvalidArgument(
            f"a FlatBuffer is made of a finished Builder or of bytes, not of {type_name(data)}"
        ) from None
    if not view.c_contiguous:
        raise InvalidArgument("a FlatBuffer is made of a C-contiguous buffer, this one has strides")
    # One without bytes may have a shape that cannot be cast.
    return (view.cast("B") if view.nbytes > 0 else memoryview(b"")).toreadonly()


def _has_identifier_of(kind: Any, buffer: memoryview, start: int) -> bool:
    """Whether the buffer has the identifier of the schema of `kind`; True if that has none."""
    check = getattr(kind, f"{getattr(kind, '__name__', '')}BufferHasIdentifier", None)
    return check is None or bool(check(buffer, start))


codec.add_foreign_encoder(FlatBuffer, encode)
codec.add_library("flatbuffers", encode)
codec.add_decoder("flatbuffer", decode)
