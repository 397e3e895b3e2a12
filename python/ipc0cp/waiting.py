# SPDX-License-Identifier: Apache-2.0
"""Waiting for several rings, queues and files at once."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from ipc0cp import _core
from ipc0cp.errors import Closed, InvalidArgument

if TYPE_CHECKING:
    from ipc0cp.handle import RingHandle

#: Milliseconds that one poll(2) is given at most; its argument is an int of C.
_MOST_MS = 1_000_000_000
#: What a descriptor is to poll(2), an int of C.
_MOST_DESCRIPTOR = 2**31 - 1
_Handle = TypeVar("_Handle")


def wait(handles: Iterable[_Handle], timeout: float | None = None) -> list[_Handle]:
    """Waits until at least one of several handles has something to do.

    >>> ipc0cp.wait([frames, commands], timeout=5.0)
    [<SharedRingBufferConsumer of ring 'commands': ...>]

    Thread-safe. Nobody polls; see `SharedRingBufferConsumer.fileno`. A handle that another thread
    closes meanwhile is ready: its next call raises Closed.

    Args:
        handles: consumers (ready while a pop has an answer), producers (ready unless a push found
            no room or no consumer, until one of that size may succeed), queues (ready while there
            is something to get), and anything with a ``fileno()``, or descriptors (ready while
            readable).
        timeout: seconds to wait; None or inf: for ever, 0: not at all.

    Returns:
        Those that are ready, in the order given; an empty list after `timeout`, or for no handles.

    Raises:
        InvalidArgument: for a negative or NaN timeout, or a descriptor that is not open, as that
            of a closed socket.
        TypeError: for a timeout that is no number, or something without a ``fileno()``.
        Closed: a consumer that is not attached yet.
        ForkedHandle, SystemFailure: in a forked child; without a descriptor or a thread.
    """
    deadline = time.monotonic() + _core.timeout_seconds(timeout)
    waited = [_Waited(handle) for handle in handles]
    poll = select.poll()
    for descriptor in [each.descriptor for each in waited]:
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
    events = dict(poll.poll(0))
    while True:
        found = [each.handle for each in waited if each.is_ready(events)]
        left = deadline - time.monotonic()
        if found or left <= 0 or not waited:
            return found
        milliseconds = _MOST_MS if left * 1000 >= _MOST_MS else math.ceil(left * 1000)
        events = dict(poll.poll(milliseconds))


class _Waited(Generic[_Handle]):
    """One of them during a call. Its ring is kept: a queue that is closed drops its own."""

    def __init__(self, handle: _Handle) -> None:
        self.handle = handle
        self._ring: RingHandle | None = None
        #: None: a call has an answer already, that the handle is closed.
        self.descriptor: int | None = None
        try:
            if hasattr(handle, "_waited_ring"):
                self._ring = handle._waited_ring()
            self.descriptor = _descriptor_of(handle if self._ring is None else self._ring)
        except Closed:
            if not getattr(handle, "closed", False):
                raise

    def is_ready(self, events: dict[int, int]) -> bool:
        if self.descriptor is None:
            return True
        if self._ring is not None:
            return self._ring._is_ready()
        event = events.get(self.descriptor, 0)
        if event & select.POLLNVAL:
            raise _not_open(self.descriptor, self.handle)
        return event != 0


def _not_open(descriptor: int, source: object) -> InvalidArgument:
    return InvalidArgument(
        f"descriptor {descriptor} of {source!r} is not open; leave it out, or open it first"
    )


def _descriptor_of(source: object) -> int:
    if isinstance(source, int) and not isinstance(source, bool):
        descriptor = source
    elif hasattr(source, "fileno"):
        descriptor = int(source.fileno())
    else:
        raise TypeError(f"wait takes handles, queues, files and descriptors, not {source!r}")
    if not 0 <= descriptor <= _MOST_DESCRIPTOR:
        raise _not_open(descriptor, source)
    return descriptor
