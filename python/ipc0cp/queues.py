# SPDX-License-Identifier: Apache-2.0
"""Queue: stands in for multiprocessing.Queue, over a ring in shared memory."""

from __future__ import annotations

import operator
import os
import secrets
import time
from collections.abc import Callable, Iterable
from multiprocessing import context
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ipc0cp import _core, errors
from ipc0cp._queue.ends import QueueConsumer, Recipe
from ipc0cp._queue.reader import Reader
from ipc0cp._queue.share import Share
from ipc0cp._queue.tasks import OPEN, STOPPED, Tasks
from ipc0cp.log import logger

if TYPE_CHECKING:
    from ipc0cp.handle import RingHandle

_Item = TypeVar("_Item")
_LEAST_BYTES = 1 << 20
_MOST_BYTES = 256 << 20
_MOST_ITEMS = 2**20
_BYTES_PER_ITEM = 1024
#: Seconds after which a get that waits looks whether the queue was shut down.
_SLICE = 0.25


class Queue(Tasks, Generic[_Item]):
    """A first-in first-out queue between processes, used like ``multiprocessing.Queue``.

    >>> queue = ipc0cp.Queue()
    >>> multiprocessing.Process(target=work, args=(queue,)).start()
    >>> queue.put(np.zeros((480, 640, 3), np.uint8))

    Children get it as an argument of their process (or pool initializer), or inherit it by fork.
    It has no end of stream and needs no reader. `put` writes into shared memory at once; there is
    no thread behind it. Whoever leaves last, by `close`, by the end of the process or because the
    object is garbage, removes it; a process that is killed stops nobody else. Thread-safe.

    It carries what a ring carries (see the README), and ``None``, tuples and ``bytearray``, all
    equal in value and type. Anything else needs ``pickle=True``: then such objects are pickled with
    their large buffers beside the pickled stream, and `get` unpickles them. Unpickling runs code
    that the message names, so let only processes put that you trust.

    Args:
        maxsize: most items queued at once, up to 2**20. 0 or less: as many as find room, and no
            more than total_data_bytes / 1024, within 64 .. 65,536.
        total_data_bytes: bytes of all items queued at once, 1 KiB .. 2**45, and so of the largest
            one. Memory is taken as it is used. None: 256 MiB, or half of what /dev/shm has free.
        pickle: carry objects of all other types, pickled.

    Raises:
        InvalidArgument: for a size out of its range.
        NoSpace: if /dev/shm is too small.
    """

    #: Whether `join_thread` was called after `close`; CPython closes its pipe by then.
    _joined = False

    def __init__(
        self, maxsize: int = 0, *, total_data_bytes: int | None = None, pickle: bool = False
    ) -> None:
        self._maxsize = max(0, operator.index(maxsize))
        if self._maxsize > _MOST_ITEMS:
            raise errors.InvalidArgument(f"maxsize must be at most 2**20, not {maxsize}")
        total = _default_bytes() if total_data_bytes is None else total_data_bytes
        most_items = min(max(total // _BYTES_PER_ITEM, 64), 65_536)
        name = f"queue-{os.getpid()}-{secrets.token_hex(8)}"
        self._share = Share(Recipe(name, total, self._maxsize or most_items, bool(pickle)))

    def __getstate__(self) -> Any:
        """All attributes, those of subclasses included; only for a process that is being started.

        Raises:
            RuntimeError: anywhere else.
        """
        context.assert_spawning(self)
        return super().__getstate__()

    def __setstate__(self, state: Any) -> None:
        attributes, slots = state if type(state) is tuple else (state, {})
        for name, value in {**attributes, **slots}.items():
            setattr(self, name, value)

    @property
    def maxsize(self) -> int:
        """Most items queued at once; 0: bounded by the size of the ring alone."""
        return self._maxsize

    @property
    def closed(self) -> bool:
        """Whether this process has closed it."""
        return self._share.closed

    def put(self, obj: _Item, block: bool = True, timeout: float | None = None) -> None:
        """Copies `obj` into the queue.

        Args:
            obj: see the class.
            block: False: do not wait for room, and ignore `timeout`.
            timeout: seconds to wait for room; None: for ever, 0 or less: not at all.

        Raises:
            queue.Full: as BufferFull, if there was no room in time.
            UnsupportedType, MessageTooLarge: at once; the text names the way out.
            ValueError: as Closed, if this process has closed the queue.
            ShutDown: after `shutdown`.
            NoSpace, CorruptBuffer, TooManyParticipants: see the table in the README.
        """
        tasks = self._share.tasks
        if tasks.state != OPEN:
            self._refuse_shut_down()
        try:
            if not self._share.writing().push(obj, _seconds(block, timeout)):
                raise errors.BufferFull(self._describe_full())
            if tasks.state == STOPPED:
                self._withdraw()
        except errors.Closed:
            self._refuse_unless_ended()

    def put_nowait(self, obj: _Item) -> None:
        """``put(obj, block=False)``: at once or not at all.

        Args:
            obj: as for `put`.

        Raises:
            What `put` raises.
        """
        self.put(obj, False)

    def get(self, block: bool = True, timeout: float | None = None, *, copy: bool = True) -> _Item:
        """Takes the oldest item out.

        Args:
            block: False: do not wait for an item, and ignore `timeout`.
            timeout: seconds to wait for an item; None: for ever, 0 or less: not at all.
            copy: True: arrays own their memory and are writable. False: they are read-only views
                into the queue where possible. What they cover counts as used until they are gone.

        Raises:
            queue.Empty: as Timeout or BufferEmpty, if there was nothing in time.
            ValueError: as Closed, if this process has closed the queue.
            ShutDown: after `shutdown`, once nothing is left.
            CorruptPayload: this item was damaged and dropped; later ones still arrive.
            CorruptBuffer, TooManyParticipants: see the table in the README.
            Exception: whatever unpickling or a registered deserializer raises; the item is gone.
        """
        item: _Item = self._take(QueueConsumer.take, block, timeout, copy)
        return item

    def _take(
        self, take: Callable[..., Any], block: bool, timeout: float | None, *arguments: Any
    ) -> Any:
        """Calls `take(consumer, seconds, *arguments)` until it has an answer."""
        tasks = self._share.tasks
        left = _seconds(block, timeout)
        end = None if left is None else time.monotonic() + left
        try:
            # What was put before a shutdown that is seen here is found by the attempt after it.
            while (state := tasks.state) != STOPPED:
                ends = self._share.ends()
                try:
                    return take(ends.consumer, _one_slice(left) if state == OPEN else 0, *arguments)
                except errors.Timeout:
                    if state != OPEN:
                        break
                    left = None if end is None else max(0.0, end - time.monotonic())
                    if left == 0:
                        raise
        except errors.Timeout:
            if block:
                raise
            raise errors.BufferEmpty(f"queue {self.name!r} is empty") from None
        except errors.Closed:
            self._share.has_ended()
            raise
        raise self._shut_down_error()

    def get_nowait(self, *, copy: bool = True) -> _Item:
        """``get(block=False)``: at once or not at all.

        Args:
            copy: as for `get`.

        Raises:
            What `get` raises.
        """
        return self.get(False, copy=copy)

    def put_many(
        self, items: Iterable[_Item], block: bool = True, timeout: float | None = None
    ) -> int:
        """Copies many items into the queue, a group of small ones with one lock and one wake.

        Args:
            items: anything that can be iterated over, see `SharedRingBufferProducer.push_many`.
            block: False: do not wait for room, and ignore `timeout`.
            timeout: seconds to wait for room, over all items; None: for ever.

        Returns:
            How many were put, counted from the first; fewer than there are without room in time.

        Raises:
            UnsupportedType, MessageTooLarge: for one of them; those before it stay, and the
                exception's attribute ``pushed`` says how many they are.
            ShutDown: after `shutdown`.
            Otherwise as `put`.
        """
        tasks = self._share.tasks
        if tasks.state != OPEN:
            self._refuse_shut_down()
        count = 0
        try:
            try:
                count = self._share.writing().push_many(items, _seconds(block, timeout))
            finally:
                if tasks.state == STOPPED:  # Also what was put before an error.
                    self._drop_queued()
            if tasks.state == STOPPED:
                self._withdraw()
        except errors.Closed:
            self._refuse_unless_ended()
        return count

    def _refuse_unless_ended(self) -> None:
        """In the handler of Closed. As with multiprocessing, a process that ends sends no more."""
        if not self._share.has_ended():
            raise
        logger.debug("queue %r: what was put after its end is dropped", self.name)

    def get_many(
        self, most: int, block: bool = True, timeout: float | None = None, *, copy: bool = True
    ) -> list[_Item]:
        """Waits for one item as `get` does, then takes what else is there.

        Args:
            most: the most items to take, 1 or more.
            block: as for `get`.
            timeout: as for `get`, for the first item.
            copy: as for `get`.

        Returns:
            1 to `most` items in order.

        Raises:
            InvalidArgument: if `most` is below 1.
            Otherwise as `get`.
        """
        items: list[_Item] = self._take(QueueConsumer.take_many, block, timeout, copy, most)
        return items

    def fileno(self) -> int:
        """A descriptor that is readable while there is something to get.

        For select, selectors, `ipc0cp.wait` and ``multiprocessing.connection.wait``. Where several
        processes get, it can be readable although another one was faster. It belongs to this
        process and its queue; a thread of the library, which runs no Python code, waits for it from
        the first call on. `shutdown` does not make it readable.

        Raises:
            ValueError: as Closed, if this process has closed the queue.
        """
        return self._share.ends().consumer.fileno()

    def _waited_ring(self) -> RingHandle:
        return self._share.ends().consumer

    @property
    def _reader(self) -> Reader:
        """Where libraries look for the pipe of a ``multiprocessing.Queue``."""
        return Reader(self)

    def qsize(self) -> int:
        """How many items are queued, exactly; others may change it at once.

        Once closed, this and the next two say what was so then.
        """
        stats = self._share.stats()
        return 0 if stats is None else stats.messages

    def empty(self) -> bool:
        """Whether nothing is queued.

        Raises:
            OSError: once a queue that has been used is closed and `join_thread` was called.
        """
        stats = self._share.stats()
        if self._joined and stats is not None and stats.pushed > 0:
            self._share.refuse_as_a_pipe()
        return stats is None or stats.messages == 0

    def full(self) -> bool:
        """Whether `maxsize` items are queued, or not even the smallest item would find room."""
        stats = self._share.stats()
        return stats is not None and (
            stats.messages >= stats.max_messages or stats.used_bytes >= stats.total_data_bytes
        )

    def close(self) -> None:
        """Leaves the queue in this process; others go on. Idempotent.

        What is queued stays for the others; calls of other threads here end with ValueError.
        """
        self._share.close()

    def join_thread(self) -> None:
        """Waits for nothing: `put` has written everything when it returns; there is no thread."""
        self._joined = self.closed

    def cancel_join_thread(self) -> None:
        """Does nothing: the process can end at once, and loses nothing, see `join_thread`."""

    def _describe_full(self) -> str:
        stats = self._share.writing().stats()
        return (
            f"queue {self.name!r} has no room: {stats.messages} of at most {stats.max_messages}"
            f" items, {stats.used_bytes:,} of {stats.total_data_bytes:,} bytes"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "not used here yet"
        if self._share.is_attached:
            try:
                state = f"{self.qsize()} items"
            except errors.Error as error:
                state = error.code.name
        limit = f", maxsize {self._maxsize}" if self._maxsize else ""
        return f"<ipc0cp.Queue {self.name!r}: {state}{limit}>"


class JoinableQueue(Queue[_Item]):
    """Stands in for ``multiprocessing.JoinableQueue``; each `Queue` can be joined. Thread-safe.

    Args:
        maxsize: as for `Queue`.
        total_data_bytes: as for `Queue`.
        pickle: as for `Queue`.

    Raises:
        InvalidArgument, NoSpace: as `Queue`.
    """


class SimpleQueue(Queue[_Item]):
    """Stands in for ``multiprocessing.SimpleQueue``, which has no `maxsize`. Thread-safe.

    Args:
        total_data_bytes: as for `Queue`.
        pickle: as for `Queue`.

    Raises:
        InvalidArgument, NoSpace: as `Queue`.
    """

    def __init__(self, *, total_data_bytes: int | None = None, pickle: bool = False) -> None:
        super().__init__(total_data_bytes=total_data_bytes, pickle=pickle)


def _one_slice(seconds: float | None) -> float:
    """A get looks again from time to time whether the queue was shut down."""
    return _SLICE if seconds is None else min(seconds, _SLICE)


def _seconds(block: bool, timeout: float | None) -> float | None:
    """What a ring is told; multiprocessing takes a time that is over for one that is zero."""
    if not block:
        return 0.0
    try:
        return _core.timeout_seconds(timeout)
    except errors.InvalidArgument:
        if timeout != timeout:  # NaN
            raise
        return 0.0


def _default_bytes() -> int:
    """256 MiB, or half of what is free, so that containers with a small /dev/shm get along."""
    status = os.statvfs(_core.ring_directory())
    if status.f_blocks == 0:
        return _MOST_BYTES
    return max(_LEAST_BYTES, min(_MOST_BYTES, status.f_bavail * status.f_frsize // 2))
