# SPDX-License-Identifier: Apache-2.0
"""Queue: stands in for multiprocessing.Queue, over a ring in shared memory."""

from __future__ import annotations

import operator
import os
import secrets
import weakref
from multiprocessing import context, reduction, util
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ipc0cp import _core, errors
from ipc0cp.queue_share import Recipe, Share

_Item = TypeVar("_Item")
_LEAST_BYTES = 1 << 20
_MOST_BYTES = 256 << 20
_MOST_ITEMS = 2**20
_BYTES_PER_ITEM = 1024
#: After multiprocessing has waited for the children that it waits for.
_AFTER_CHILDREN = -100


class Queue(Generic[_Item]):
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
        total_data_bytes: bytes of all items queued at once, 1 KiB .. 2**47, and so of the largest
            one. Memory is taken as it is used. None: 256 MiB, or half of what /dev/shm has free.
        pickle: carry objects of all other types, pickled.

    Raises:
        InvalidArgument: for a size out of its range.
        NoSpace: if /dev/shm is too small.
    """

    def __init__(
        self, maxsize: int = 0, *, total_data_bytes: int | None = None, pickle: bool = False
    ) -> None:
        self._maxsize = max(0, operator.index(maxsize))
        if self._maxsize > _MOST_ITEMS:
            raise errors.InvalidArgument(f"maxsize must be at most 2**20, not {maxsize}")
        total = _default_bytes() if total_data_bytes is None else total_data_bytes
        most_items = min(max(total // _BYTES_PER_ITEM, 64), 65_536)
        name = f"queue-{os.getpid()}-{secrets.token_hex(8)}"
        self._start(Share(Recipe(name, total, self._maxsize or most_items, bool(pickle))))

    def _start(self, share: Share) -> None:
        self._share = share
        _queues.add(self)
        self._close_with_process()

    def _close_with_process(self) -> None:
        close = self._share.close
        self._finalizer = util.Finalize(self, close, exitpriority=_AFTER_CHILDREN)

    def __reduce__(self) -> tuple[Any, ...]:
        context.assert_spawning(self)
        descriptor = reduction.DupFd(self._share.descriptor)
        return _rebuild, (type(self), self._maxsize, self._share.recipe, descriptor)

    @property
    def name(self) -> str:
        """The name of its ring, for ``ipc0cp stat`` and the like."""
        return self._share.recipe.name

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
            NoSpace, CorruptBuffer, TooManyParticipants: see the table in the README.
        """
        if not self._share.writing().push(obj, _seconds(block, timeout)):
            raise errors.BufferFull(self._describe_full())

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
            CorruptPayload: this item was damaged and dropped; later ones still arrive.
            CorruptBuffer, TooManyParticipants: see the table in the README.
            Exception: whatever unpickling or a registered deserializer raises; the item is gone.
        """
        try:
            item: _Item = self._share.reading().take(_seconds(block, timeout), copy)
        except errors.Timeout:
            if block:
                raise
            raise errors.BufferEmpty(f"queue {self.name!r} is empty") from None
        return item

    def get_nowait(self, *, copy: bool = True) -> _Item:
        """``get(block=False)``: at once or not at all.

        Args:
            copy: as for `get`.

        Raises:
            What `get` raises.
        """
        return self.get(False, copy=copy)

    def qsize(self) -> int:
        """How many items are queued, exactly; others may change it at once."""
        return self._share.writing().stats().messages

    def empty(self) -> bool:
        """Whether nothing is queued."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether `maxsize` items are queued, or not even the smallest item would find room."""
        stats = self._share.writing().stats()
        return stats.messages >= stats.max_messages or stats.used_bytes >= stats.total_data_bytes

    def close(self) -> None:
        """Leaves the queue in this process; others go on. Idempotent.

        What is queued stays for the others; calls of other threads here end with ValueError.
        """
        self._share.close()
        self._finalizer.cancel()

    def join_thread(self) -> None:
        """Does nothing: `put` has written everything when it returns, so no thread has to end."""

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


def _rebuild(kind: type[Queue[Any]], maxsize: int, recipe: Recipe, descriptor: Any) -> Queue[Any]:
    """Makes the queue in the process that it was sent to."""
    queue = kind.__new__(kind)
    queue._maxsize = maxsize
    queue._start(Share(recipe, _core.RingKeeper.adopt(recipe.name, descriptor.detach())))
    return queue


def _seconds(block: bool, timeout: float | None) -> float | None:
    """What a ring is told; multiprocessing takes a time that is over for one that is zero."""
    if not block:
        return 0.0
    return 0.0 if timeout is not None and timeout < 0 else timeout


def _default_bytes() -> int:
    """256 MiB, or half of what is free, so that containers with a small /dev/shm get along."""
    status = os.statvfs("/dev/shm")
    if status.f_blocks == 0:
        return _MOST_BYTES
    return max(_LEAST_BYTES, min(_MOST_BYTES, status.f_bavail * status.f_frsize // 2))


# ---- children ------------------------------------------------------------------------------------

_queues: weakref.WeakSet[Queue[Any]] = weakref.WeakSet()


class _Anchor:
    """Lives as long as the module, so that multiprocessing keeps the hook."""


_ANCHOR = _Anchor()


def _become_childs() -> None:
    for queue in list(_queues):
        queue._share.become_childs()
    _close_with_process()


def _close_with_process() -> None:
    for queue in list(_queues):
        queue._close_with_process()


os.register_at_fork(after_in_child=_become_childs)
# Children of multiprocessing forget the finalizers that were registered before they began.
util.register_after_fork(_ANCHOR, lambda _: _close_with_process())
