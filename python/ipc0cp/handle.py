# SPDX-License-Identifier: Apache-2.0
"""What the handles of rings and of streams have in common."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ipc0cp import _core, errors
from ipc0cp._codec import codec
from ipc0cp._codec.encoding import Encoded, Metadata, Received, view_of
from ipc0cp.stats import RingStats

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from ipc0cp.aio import Popping, Pushing


class Handle:
    """Any handle."""

    __slots__ = ("__weakref__", "_handle")

    _handle: (
        _core.ProducerHandle
        | _core.ConsumerHandle
        | _core.StdioProducerHandle
        | _core.StdioConsumerHandle
    )

    @property
    def closed(self) -> bool:
        """Whether `close` has been called; also true if attaching failed for good."""
        return self._handle.closed

    def close(self) -> None:
        """Ends this handle. Idempotent and thread-safe; calls of other threads end with Closed."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class WritingHandle(Handle):
    """A handle that objects are pushed into."""

    __slots__ = ()

    _handle: _core.ProducerHandle | _core.StdioProducerHandle

    def _encode(self, obj: Any) -> Encoded:
        return codec.encode(obj)

    def push_raw(
        self,
        metadata: Metadata | str | bytes,
        payload: Buffer | NDArray[Any],
        timeout: float | None = None,
    ) -> bool:
        """Pushes a message of your own encoding: metadata and a C-contiguous buffer.

        Args:
            metadata: a JSON object with a ``"type"``, as a dict or as its text.
            payload: any object with a C-contiguous buffer (bytes, memoryview, array).
            timeout: as for `push`.

        Raises:
            InvalidArgument: if metadata is no JSON object with a type.
            BufferError, TypeError: if payload is no C-contiguous buffer.
            Otherwise as `push`.
        """
        text = codec.metadata_text(metadata)
        codec.check_metadata(text)
        return self._handle.push_raw(text, payload, timeout)

    def _remember(self, encoded: Encoded) -> None:
        """Lets the extension push further arrays of this dtype and shape by itself."""
        array = encoded.array
        # Structured dtypes can be changed in place, so they cannot be known by identity.
        if array is not None and array.dtype.names is None:
            is_fortran = not array.flags.c_contiguous
            self._handle.remember(
                encoded.metadata, array.dtype, array.shape, is_fortran, array.nbytes
            )


class ReadingHandle(Handle):
    """A handle that objects are popped from."""

    __slots__ = ()

    _handle: _core.ConsumerHandle | _core.StdioConsumerHandle

    def _decode_message(self, block: _core.Block, copy: bool) -> Any:
        text = block.metadata
        metadata = codec.parse_metadata(text)
        obj = codec.decode(metadata, Received(view_of(block), copy))
        # Structured dtypes can be changed in place, so they cannot be known by identity.
        if codec.is_plain_array(metadata) and obj.dtype.names is None:
            is_fortran = metadata.get("order") == "F"
            self._handle.remember(text, obj.dtype, obj.shape, is_fortran, len(block))
        return obj

    def pop(self, timeout: float | None = None) -> Any:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        obj = self.pop()
        if obj is None:
            raise StopIteration
        return obj


class RingHandle(Handle):
    """A handle on a ring."""

    __slots__ = ("_awaited", "_name", "_options")

    _handle: _core.ProducerHandle | _core.ConsumerHandle
    _awaited: Popping | Pushing | None
    _name: str
    _options: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the ring, without a leading slash."""
        return self._handle.name

    def stats(self) -> RingStats:
        """A snapshot of the ring. Thread-safe.

        Raises:
            ForkedHandle, CorruptBuffer, Closed.
        """
        return RingStats(**self._handle.stats())

    def trim(self) -> int:
        """Gives memory of the ring back to the system. Thread-safe.

        A ring keeps the memory that it once needed. This gives back what lies behind the last
        block in use (queued, lent or viewed), and the relief block if it is free. The ring takes
        memory anew when it needs it. Takes about 0.15 s per GiB; who needs memory meanwhile waits
        for 2 MiB, some 0.3 ms.

        Returns:
            The bytes given back. 0: there were none; the ring was made with ``reserve=True``; or
            others have its lock, or take memory just now. ``stats().reserved_bytes`` says what the
            ring keeps.

        Raises:
            ForkedHandle, CorruptBuffer, Closed: what was given back before stays so.
        """
        return self._handle.trim()

    def close(self) -> None:
        """Leaves the ring. Idempotent and thread-safe.

        Calls of other threads end with Closed; arrays and messages stay valid. Waits at most 1 s.
        """
        self._handle.close()
        if self._awaited is not None:
            self._awaited.handle_closed()

    def fileno(self) -> int:
        """A descriptor that is readable while there is something to do.

        For select, selectors, asyncio's ``add_reader``, trio and
        ``multiprocessing.connection.wait``; `ipc0cp.wait` is the simplest.

        Of a consumer it is readable while a pop has an answer: an object, the end of the stream, or
        an error. Where several consumers share a ring it can be readable although another one was
        faster, until the next pop or `fileno`; so take with ``pop(timeout=0)``. Of a producer it is
        readable until a push finds no room or no consumer, and then again when one of that size may
        succeed: such a push counts as waiting, and others leave room for it.

        A thread of the library, which runs no Python code, waits for it from the first call on.
        Only wait with the descriptor, never read or close it. It is valid as long as this object
        exists; once the handle is closed it stays readable, so that whoever waits wakes up.

        Raises:
            Closed: closed, or not attached, before the first call.
            ForkedHandle, SystemFailure: in a forked child; without a descriptor or a thread.
        """
        return self._handle.fileno()

    def _waited_ring(self) -> RingHandle:
        return self

    def _is_ready(self) -> bool:
        return self._handle.ready()

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach_again, (type(self), self._name, self._options)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} of ring {self._name!r}"
        if not hasattr(self, "_handle"):
            return f"<{text}, never attached>"
        if self.closed:
            return f"<{text}, closed>"
        try:
            stats = self.stats()
        except errors.Error as error:
            return f"<{text}, {error.code.name}>"
        return (
            f"<{text}: {stats.messages} messages, {stats.used_bytes:,} of"
            f" {stats.total_data_bytes:,} bytes used, {stats.active_producers} producers,"
            f" {stats.active_consumers} consumers>"
        )


def _attach_again(kind: type[Any], name: str, options: dict[str, Any]) -> Any:
    """Makes a handle in the process that unpickles one."""
    return kind(name, **options)
