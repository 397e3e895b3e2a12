# SPDX-License-Identifier: Apache-2.0
"""SharedRingBufferProducer and SharedRingBufferConsumer: the two ends of a ring."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from ipc0cp import _core, arguments, codec, errors
from ipc0cp.at_exit import close_with_process
from ipc0cp.encoding import Encoded, Metadata, Received, is_numpy_array, view_of
from ipc0cp.message import Message

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray
    from typing_extensions import Buffer

    from ipc0cp.loan import Loan


@dataclasses.dataclass(frozen=True, slots=True)
class RingStats:
    """A snapshot of one ring, consistent within itself. Sizes are bytes."""

    active_producers: int
    active_consumers: int
    messages: int  #: Queued now.
    used_bytes: int  #: Metadata and payload of all blocks in use.
    total_data_bytes: int  #: Capacity.
    max_messages: int  #: Most messages alive at once.
    pushed: int  #: Messages published since creation.
    popped: int  #: Messages handed out since creation.
    dropped: int  #: Damaged or discarded messages.
    lost: int  #: Messages that died with their consumer.
    repaired_deaths: int  #: Participants found dead and cleaned up.
    most_messages: int  #: High-water mark of `messages`.
    most_used_bytes: int  #: High-water mark of `used_bytes`.
    producer_waits: int  #: Times a producer had to sleep.
    consumer_waits: int  #: Times a consumer had to sleep.
    reserved_bytes: int  #: Memory of the payload area backed by /dev/shm.


class _Handle:
    """What producer and consumer have in common."""

    __slots__ = ("__weakref__", "_handle", "_name", "_options")

    _handle: _core.ProducerHandle | _core.ConsumerHandle
    _name: str
    _options: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the ring, without a leading slash."""
        return self._handle.name

    @property
    def closed(self) -> bool:
        """Whether `close` has been called; also true if attaching failed for good."""
        return self._handle.closed

    def stats(self) -> RingStats:
        """A snapshot of the ring. Thread-safe.

        Raises:
            ForkedHandle, CorruptBuffer, Closed.
        """
        return RingStats(**self._handle.stats())

    def close(self) -> None:
        """Leaves the ring. Idempotent and thread-safe.

        Calls of other threads end with Closed; arrays and messages stay valid. Waits at most 1 s.
        """
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


class SharedRingBufferProducer(_Handle):
    """The writing end of a ring in shared memory. Thread-safe; picklable (attaches anew).

    Args:
        shm_name: 1..200 characters of ``[A-Za-z0-9._-]``; a leading ``/`` is dropped.
        total_data_bytes: capacity in bytes, 1 KiB .. 2**47; metadata and payload of one message
            may be as large as that. Must be the same for all handles of the ring.
        blocking: False: calls never wait, time-outs are ignored.
        consumer_wait_timeout: seconds a push waits for a first consumer before NoConsumers.
        redeliver: messages of a consumer that died are delivered again (fixed at creation).
        max_messages: most messages alive at once; None: total_data_bytes / 1024, within 64..8192.
        reserve: reserve the memory of the whole ring now instead of on first use.
        mode: permission bits of a ring made by this call; the umask is not applied.
        stale: "discard" or "resume" what dead producers have left in the ring.
        trusted_owners: user ids whose rings are accepted besides our own.

    Raises:
        InvalidArgument, SizeMismatch, OptionMismatch, NoSpace, VersionMismatch, NotARing,
        PermissionDenied, TooManyParticipants: see the table in the README.
        TypeError: for an argument of another type.
    """

    __slots__ = ("_push",)

    _handle: _core.ProducerHandle
    _encode: Callable[[Any], Encoded] = staticmethod(codec.encode)

    def __init__(
        self,
        shm_name: str,
        total_data_bytes: int = 256 << 20,
        blocking: bool = True,
        *,
        consumer_wait_timeout: float = 60.0,
        redeliver: bool = False,
        max_messages: int | None = None,
        reserve: bool = False,
        mode: int = 0o600,
        stale: Literal["discard", "resume"] = "discard",
        trusted_owners: Iterable[int] = (),
    ) -> None:
        self._name = arguments.ring_name(shm_name)
        self._options = {
            "total_data_bytes": arguments.total_data_bytes(total_data_bytes),
            "blocking": arguments.flag("blocking", blocking),
            "consumer_wait_timeout": consumer_wait_timeout,
            "redeliver": arguments.flag("redeliver", redeliver),
            "max_messages": arguments.max_messages(max_messages),
            "reserve": arguments.flag("reserve", reserve),
            "mode": arguments.mode(mode),
            "stale": arguments.text("stale", stale),
            "trusted_owners": arguments.trusted_owners(trusted_owners),
        }
        close_with_process()
        options = {**self._options, "max_messages": self._options["max_messages"] or 0}
        self._handle = _core.ProducerHandle(self._name, **options)
        self._push = self._handle.push

    def push(self, obj: Any, timeout: float | None = None) -> bool:
        """Copies `obj` into the ring.

        Args:
            obj: bytes, str, numbers, dicts, lists, NumPy arrays and what else is registered; it
                comes out equal in value and type.
            timeout: seconds to wait for room; None or inf: for ever, 0: not at all.

        Returns:
            False if there was no room in time (or at once with blocking=False); nothing is
            queued then.

        Raises:
            UnsupportedType, MessageTooLarge: at once, nothing is queued.
            NoConsumers, NoSpace, Closed, ForkedHandle, CorruptBuffer: see the table in the README.
            InvalidArgument: for a negative or NaN timeout; TypeError if it is no number.
        """
        pushed = self._push(obj, timeout)
        return self._push_encoded(obj, timeout) if pushed is None else pushed

    def _push_encoded(self, obj: Any, timeout: float | None) -> bool:
        encoded = self._encode(obj)
        metadata = codec.metadata_text(encoded.metadata)
        if encoded.write is not None:
            return self._push_written(encoded, metadata, timeout)
        pushed = self._handle.push_raw(metadata, encoded.payload, timeout)
        if is_numpy_array(obj) and codec.is_plain_type(type(obj)):
            self._remember(obj, metadata)
        return pushed

    def _remember(self, obj: Any, metadata: bytes) -> None:
        """Lets the extension push further arrays of this dtype and shape by itself."""
        # Structured dtypes can be changed in place, so they cannot be known by identity.
        if obj.dtype.names is None:
            is_fortran = not obj.flags.c_contiguous
            self._handle.remember(metadata, obj.dtype, obj.shape, is_fortran, obj.nbytes)

    def _push_written(self, encoded: Encoded, metadata: bytes, timeout: float | None) -> bool:
        try:
            block = self._handle.loan(encoded.payload_bytes, len(metadata), timeout)
        except (errors.Timeout, errors.BufferFull):
            return False
        with view_of(block) as target:
            encoded.write_to(target)
        return block.publish(metadata, timeout)

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

    def loan(
        self,
        shape: int | Iterable[int],
        dtype: DTypeLike = "uint8",
        timeout: float | None = None,
    ) -> Loan:
        """Lends a block of the ring to be filled in place as an array, without any copy.

        >>> with producer.loan((480, 640, 3), "uint8") as frame:
        ...     frame[...] = 0

        Args:
            shape: of the array; one int or several.
            dtype: anything np.dtype() takes and a message can carry.
            timeout: seconds to wait for room.

        Raises:
            Timeout, BufferFull: no room in time / at once with blocking=False.
            InvalidArgument, MessageTooLarge, UnsupportedType: for the shape or the dtype.
            Otherwise as `push`.
        """
        from ipc0cp.loan import make_loan

        return make_loan(self._handle, shape, dtype, timeout)


class SharedRingBufferConsumer(_Handle):
    """The reading end of a ring in shared memory. Thread-safe; picklable (attaches anew).

    Each message reaches exactly one consumer. Iterating ends at the end of stream.

    Args:
        shm_name: 1..200 characters of ``[A-Za-z0-9._-]``; a leading ``/`` is dropped.
        total_data_bytes: as the producers say it; None: take what is there, or wait for it.
        blocking: False: `pop` never waits, time-outs are ignored.
        auto_attach: False: call `attach` before the first pop.
        auto_unlink: the last consumer to close removes the ring.
        expected_producers: end of stream needs at least this many producers to have joined.
        stale: "resume" or "discard" what dead producers have left in the ring.
        trusted_owners: user ids whose rings are accepted besides our own.

    Raises:
        As for the producer.
    """

    __slots__ = ("_pop",)

    _handle: _core.ConsumerHandle

    def __init__(
        self,
        shm_name: str,
        total_data_bytes: int | None = None,
        blocking: bool = True,
        auto_attach: bool = True,
        auto_unlink: bool = True,
        *,
        expected_producers: int = 1,
        stale: Literal["discard", "resume"] = "resume",
        trusted_owners: Iterable[int] = (),
    ) -> None:
        self._name = arguments.ring_name(shm_name)
        if total_data_bytes is not None:
            total_data_bytes = arguments.total_data_bytes(total_data_bytes)
        self._options = {
            "total_data_bytes": total_data_bytes,
            "blocking": arguments.flag("blocking", blocking),
            "auto_attach": arguments.flag("auto_attach", auto_attach),
            "auto_unlink": arguments.flag("auto_unlink", auto_unlink),
            "expected_producers": arguments.expected_producers(expected_producers),
            "stale": arguments.text("stale", stale),
            "trusted_owners": arguments.trusted_owners(trusted_owners),
        }
        close_with_process()
        options = {**self._options, "total_data_bytes": total_data_bytes or 0}
        self._handle = _core.ConsumerHandle(self._name, **options)
        self._pop = self._handle.pop

    def attach(self, timeout: float | None = None) -> None:
        """Joins the ring; needed only with auto_attach=False. A second call does nothing.

        Args:
            timeout: seconds to wait for a creator if no size was given.

        Raises:
            Timeout, Closed, and what the constructor raises otherwise.
        """
        self._handle.attach(timeout)

    def pop(self, timeout: float | None = None, copy: bool = False) -> Any:
        """The next object, or None at end of stream.

        Arrays are read-only views into the ring where possible. A view keeps its block until it
        and all its slices are gone, also past `close`.

        Args:
            timeout: seconds to wait for a message; None or inf: for ever, 0: not at all.
            copy: make arrays own their memory and be writable.

        Raises:
            Timeout: nothing came in time.
            BufferEmpty: nothing there, with blocking=False.
            CorruptPayload: this message was damaged and dropped; later ones still arrive.
            Closed, ForkedHandle, CorruptBuffer, InvalidArgument.
            Exception: whatever a registered deserializer raises; the message counts as popped.
        """
        popped = self._pop(timeout, copy)
        return self._decode(popped, copy) if type(popped) is _core.Block else popped

    def _decode(self, block: _core.Block, copy: bool) -> Any:
        text = block.metadata
        metadata = codec.parse_metadata(text)
        obj = codec.decode(metadata, Received(view_of(block), copy))
        if codec.is_plain_array(metadata):
            is_fortran = metadata.get("order") == "F"
            self._handle.remember(text, obj.dtype, obj.shape, is_fortran, len(block))
        return obj

    def pop_raw(self, timeout: float | None = None) -> Message | None:
        """The next message without decoding, or None at end of stream.

        Args:
            timeout: as for `pop`.

        Raises:
            What `pop` raises, but nothing about what the message holds.
        """
        block = self._handle.pop_raw(timeout)
        return None if block is None else Message(block)

    def done(self) -> None:
        """Redelivery: finishes what this thread has popped last. Otherwise no effect.

        In a ring made with ``redeliver=True`` a message whose consumer dies before it has called
        `done`, or popped again, is delivered to another one.
        """
        self._handle.done()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        obj = self.pop()
        if obj is None:
            raise StopIteration
        return obj
