# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers as objects, see docs/flatbuffers.md. Needs no FlatBuffers library itself."""

from __future__ import annotations

import functools
from typing import Any, Protocol, TypeVar

from ipc0cp import flatbuffer_layout as layouts
from ipc0cp import strict_json
from ipc0cp.encoding import Encoded, Metadata, Received, type_name
from ipc0cp.errors import CorruptPayload, InvalidArgument, UnsupportedType

_Root = TypeVar("_Root", covariant=True)


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
        try:
            self._layout = layouts.inspect(self._buffer)
        except ValueError as error:
            raise InvalidArgument(
                f"this is no FlatBuffer that its builder has finished: {error}"
            ) from None

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
        start = self._layout.start
        if identifier is not None:
            is_right = layouts.identifier_bytes(self._buffer, start) == identifier
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
        return self._layout == other._layout and self._buffer == other._buffer

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (bytes(self._buffer), self._layout)

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


def encode(value: Any) -> Encoded:
    """Plans a FlatBuffer or a Builder, whose bytes are not copied. Raises UnsupportedType."""
    if not isinstance(value, FlatBuffer):
        if not value.finished:
            raise UnsupportedType(
                "this flatbuffers.Builder is not finished: call Finish(root) first"
            )
        value = FlatBuffer(value)
    return Encoded(_write_layout(value._layout), len(value), payload=value.buffer)


@functools.lru_cache(maxsize=64)
def _write_layout(layout: layouts.Layout) -> bytes:
    metadata: Metadata = {"type": "flatbuffer", "version": "1.0"}
    if layout.identifier is not None:
        metadata["identifier"] = layout.identifier.decode("ascii")
    if layout.size_prefixed:
        metadata["size_prefixed"] = True
    return strict_json.dumps(metadata)


def decode(metadata: Metadata, received: Received) -> FlatBuffer:
    """The FlatBuffer of a message. Raises CorruptPayload."""
    layout = _parse_layout(metadata)
    try:
        layouts.check(received.payload, layout)
    except ValueError as error:
        raise CorruptPayload(f"a flatbuffer is damaged: {error}") from None
    return _make(bytes(received.payload) if received.copy else received.payload, layout)


def _parse_layout(metadata: Metadata) -> layouts.Layout:
    size_prefixed = metadata.get("size_prefixed", False)
    if type(size_prefixed) is not bool:
        raise CorruptPayload(f"'size_prefixed' must be true or false, not {size_prefixed!r}")
    if "identifier" not in metadata:
        return layouts.Layout(None, size_prefixed)
    identifier = metadata["identifier"]
    if type(identifier) is not str or not layouts.is_identifier(identifier.encode()):
        raise CorruptPayload(
            f"a flatbuffer has an identifier of 4 characters U+0020 .. U+007E, not {identifier!r}"
        )
    return layouts.Layout(identifier.encode(), size_prefixed)


def _make(payload: bytes | memoryview, layout: layouts.Layout) -> FlatBuffer:
    """A FlatBuffer of bytes that are checked."""
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
