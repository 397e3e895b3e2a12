# SPDX-License-Identifier: Apache-2.0
"""SharedRingBufferProducer: the writing end of a ring."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Self

from ipc0cp import _core, arguments, errors
from ipc0cp._codec.encoding import Encoded, is_numpy_array, view_of
from ipc0cp.at_exit import close_with_process
from ipc0cp.handle import RingHandle, WritingHandle

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from ipc0cp._codec.rows import ItemMetadata
    from ipc0cp.aio import Pushing
    from ipc0cp.loan import Loan


class SharedRingBufferProducer(WritingHandle, RingHandle):
    """The writing end of a ring in shared memory. Thread-safe; picklable (attaches anew).

    Args:
        shm_name: 1..200 characters of ``[A-Za-z0-9._-]``; a leading ``/`` is dropped.
        total_data_bytes: capacity in bytes, 1 KiB .. 2**45; metadata and payload of one message
            may be as large as that. Must be the same for all handles of the ring.
        blocking: False: calls never wait, time-outs are ignored.
        consumer_wait_timeout: seconds a push waits for a consumer before NoConsumers; None or inf:
            for ever.
        redeliver: messages of a consumer that died are delivered again (fixed at creation).
        max_messages: most messages alive at once; None: total_data_bytes / 1024, within 64..8192.
        reserve: reserve the memory of the whole ring now instead of on first use, if this call
            makes the ring; `trim` leaves it reserved.
        mode: permission bits of a ring made by this call; the umask is not applied.
        stale: "discard" or "resume" what dead producers have left in the ring.
        trusted_owners: user ids whose rings are accepted besides our own.
        open_timeout: seconds the constructor waits for others; None or inf: for ever. After 5 s a
            line in the log says what it waits for.
        keep: the ring stays as long as this producer, though its last consumer closes. Consumers
            may come and go; a push waits `consumer_wait_timeout` for the next one.
        overflow: what a push does that finds no room: "block" waits for it, "drop_oldest" gives up
            the oldest messages that nobody has taken, "drop_newest" refuses at once. Of this handle
            alone; see docs/live_sources.md.
        depth: with "drop_oldest": most messages that a push leaves unread, its own included; 1
            makes the ring a latest value. None: as many as fit.
        broadcast: every consumer gets every message, and all have to say ``subscribe=True`` (fixed
            by the first producer). Nothing is kept for consumers that come later.
        expected_consumers: before its first push this producer waits up to `consumer_wait_timeout`
            until so many are there at the same time; from then on one is enough.
        pickle: send objects that a ring does not carry otherwise as Python's `pickle` makes them
            (protocol 5, large buffers straight into the ring); only a consumer made with
            ``pickle=True`` reads them.

    Raises:
        InvalidArgument, SizeMismatch, OptionMismatch, NoSpace, VersionMismatch, NotARing,
        PermissionDenied, TooManyParticipants: see the table in the README.
        TypeError: for an argument of another type.
    """

    __slots__ = ("_items", "_push")

    _handle: _core.ProducerHandle

    def __init__(
        self,
        shm_name: str,
        total_data_bytes: int = 256 << 20,
        blocking: bool = True,
        *,
        consumer_wait_timeout: float | None = 60.0,
        redeliver: bool = False,
        max_messages: int | None = None,
        reserve: bool = False,
        mode: int = 0o600,
        stale: Literal["discard", "resume"] = "discard",
        trusted_owners: Iterable[int] = (),
        open_timeout: float | None = None,
        keep: bool = False,
        overflow: Literal["block", "drop_oldest", "drop_newest"] = "block",
        depth: int | None = None,
        broadcast: bool = False,
        expected_consumers: int = 1,
        pickle: bool = False,
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
            "open_timeout": open_timeout,
            "keep": arguments.flag("keep", keep),
            "overflow": arguments.text("overflow", overflow),
            "depth": arguments.depth(depth, overflow),
            "broadcast": arguments.flag("broadcast", broadcast),
            "expected_consumers": arguments.expected_consumers(expected_consumers),
            "pickle": arguments.flag("pickle", pickle),
        }
        close_with_process()
        options = {**self._options, "max_messages": self._options["max_messages"] or 0}
        options["depth"] = options["depth"] or 0
        del options["pickle"]
        self._handle = _core.ProducerHandle(self._name, **options)
        self._push = self._handle.push
        self._awaited: Pushing | None = None
        self._items: ItemMetadata | None = None

    @classmethod
    async def open_async(cls, shm_name: str, *args: Any, **options: Any) -> Self:
        """As the constructor, without blocking the event loop.

        Args:
            shm_name: as for the constructor, like all that follows.
            options: as for the constructor.

        Raises:
            What the constructor raises. A cancelled call leaves no handle behind.
        """
        from ipc0cp.aio import open_off_the_loop

        return await open_off_the_loop(lambda wait: cls(shm_name, *args, **wait), options)

    def push(self, obj: Any, timeout: float | None = None) -> bool:
        """Copies `obj` into the ring.

        Args:
            obj: bytes, str, numbers, dicts, lists, NumPy arrays, Pillow images and what else is
                registered; it comes out equal in value and type.
            timeout: seconds to wait for room; None or inf: for ever, 0: not at all.

        Returns:
            False if there was no room in time (or at once with blocking=False, or with
            overflow="drop_newest"); nothing is queued then.

        Raises:
            UnsupportedType, MessageTooLarge: at once, nothing is queued.
            NoConsumers, NoSpace, Closed, ForkedHandle, CorruptBuffer: see the table in the README.
            InvalidArgument: for a negative or NaN timeout; TypeError if it is no number.
        """
        try:
            pushed = self._push(obj, timeout)
        except errors.UnsupportedType:  # A str that is not UTF-8.
            if not self._options["pickle"]:
                raise
            pushed = None
        return self._push_encoded(obj, timeout) if pushed is None else pushed

    def _encode(self, obj: Any) -> Encoded:
        if not self._options["pickle"]:
            return super()._encode(obj)
        from ipc0cp._queue import codec as queue_codec

        return queue_codec.encode_or_pickle(obj)

    def _push_encoded(self, obj: Any, timeout: float | None) -> bool:
        encoded = self._encode(obj)
        if encoded.write is not None:
            return self._push_written(encoded, timeout)
        self._remember(encoded)
        return self._handle.push_raw(encoded.metadata, encoded.payload, timeout)

    def _push_written(self, encoded: Encoded, timeout: float | None) -> bool:
        metadata = encoded.metadata
        try:
            block = self._handle.loan(encoded.payload_bytes, len(metadata), timeout)
        except (errors.Timeout, errors.BufferFull):
            return False
        with view_of(block) as target:
            encoded.write_to(target)
        return block.publish(metadata, timeout)

    def push_many(self, objects: Iterable[Any], timeout: float | None = None) -> int:
        """Pushes many small messages, a group of them with one lock and one wake.

        >>> producer.push_many([b"one", {"two": 2}, "three"])
        3
        >>> producer.push_many(np.zeros((1000, 8)))  # 1,000 messages, arrays of shape (8,)
        1000

        An array of shape (n, ...) goes out as its n items, as if each had been pushed, but without
        making Python objects of them (if it is C-contiguous): arrays of shape (...), or NumPy
        scalars if it has one dimension, records included. `pop_array` makes one array of them.

        Args:
            objects: anything that can be iterated over. A group is 256 objects or 1 MiB, whatever
                comes first; what a slow iterator yields waits until its group is full or complete.
            timeout: seconds to wait for room, over all objects; None or inf: for ever.

        Returns:
            How many were queued, counted from the first: fewer than there are if there was no room
            in time (or at once with blocking=False, or with overflow="drop_newest", for which a
            batch that ends so counts once in `refused`). An iterator has been asked for the rest of
            that group by then, so use a list or an array if you want to go on from there.

        Raises:
            UnsupportedType, MessageTooLarge: for an object that cannot be pushed; those before it
                stay queued, and the exception's attribute ``pushed`` says how many they are.
            UnsupportedType: for one str, bytes, dict or other buffer; use `push`.
            Otherwise as `push`, or what the iterator raises.
        """
        if isinstance(objects, (str, bytes, bytearray, memoryview, dict)):
            raise errors.UnsupportedType(
                f"push_many takes a list, an array or another iterable of objects, not one"
                f" {type(objects).__name__}; push() sends one object"
            )
        # A view of our own: another thread may give the array another shape or dtype meanwhile.
        array: Any = objects
        array = array.view() if is_numpy_array(array) else None
        if array is not None and len(array) > 0 and array.flags.c_contiguous:
            from ipc0cp._codec import rows

            self._items = self._items or rows.ItemMetadata()
            if metadata := self._items.of(array):
                items = rows.bytes_of(array)
                return self._handle.push_rows(metadata, items, len(array), timeout)
        return self._handle.push_many(objects, timeout, self._encode_for_batch)

    def _encode_for_batch(self, obj: Any) -> tuple[bytes, Any]:
        """Metadata and payload of an object that the extension does not know."""
        encoded = self._encode(obj)
        metadata = encoded.metadata
        if encoded.write is None:
            self._remember(encoded)
            return metadata, encoded.payload
        payload = bytearray(encoded.payload_bytes)
        with memoryview(payload) as target:
            encoded.write_to(target)
        return metadata, payload

    async def push_async(self, obj: Any, timeout: float | None = None) -> bool:
        """As `push`, without blocking the event loop, which only makes the copy.

        Any number of coroutines may wait, also of several event loops; they are served in turn. A
        cancelled one has pushed nothing.

        Args:
            obj: as for `push`.
            timeout: as for `push`.

        Raises:
            What `push` raises.
        """
        if self._awaited is None:
            from ipc0cp.aio import Pushing

            self._awaited = Pushing(self._handle, self._options["consumer_wait_timeout"])
        waits = self._options["blocking"]
        return await self._awaited.push(
            lambda obj: self.push(obj, 0),
            obj,
            timeout,
            blocking=waits,
            awaits_room=waits and self._options["overflow"] != "drop_newest",
        )

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
            Timeout, BufferFull: no room in time / at once with blocking=False or
                overflow="drop_newest".
            InvalidArgument, MessageTooLarge, UnsupportedType: for the shape or the dtype.
            Otherwise as `push`.
        """
        from ipc0cp.loan import make_loan

        return make_loan(self._handle, shape, dtype, timeout)
