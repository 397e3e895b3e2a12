# SPDX-License-Identifier: Apache-2.0
"""Waiting for several rings, queues and files at once."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterable
from typing import Any, TypeVar

from ipc0cp import _core
from ipc0cp.errors import Closed, InvalidArgument

#: Milliseconds that one poll(2) is given at most; its argument is an int of C.
_MOST_MS = 1_000_000_000
_Waited = TypeVar("_Waited")


def wait(handles: Iterable[_Waited], timeout: float | None = None) -> list[_Waited]:
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
        InvalidArgument: for a negative or NaN timeout, or a descriptor that is not open.
        TypeError: for a timeout that is no number, or something without a ``fileno()``.
        Closed: a consumer that is not attached yet.
        ForkedHandle, SystemFailure: in a forked child; without a descriptor or a thread.
    """
    deadline = time.monotonic() + _core.timeout_seconds(timeout)
    waited = [(handle, _descriptor_of(handle)) for handle in handles]
    poll = select.poll()
    for _, descriptor in waited:
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
    events = dict(poll.poll(0))
    while True:
        found = [handle for handle, descriptor in waited if _is_ready(handle, descriptor, events)]
        left = deadline - time.monotonic()
        if found or left <= 0 or not waited:
            return found
        milliseconds = _MOST_MS if left * 1000 >= _MOST_MS else math.ceil(left * 1000)
        events = dict(poll.poll(milliseconds))


def _descriptor_of(handle: Any) -> int | None:
    """None: a call has an answer already, that the handle is closed."""
    if isinstance(handle, int):
        return handle
    if not hasattr(handle, "fileno"):
        raise TypeError(f"wait takes handles, queues, files and descriptors, not {handle!r}")
    try:
        return int(handle.fileno())
    except Closed:
        if not getattr(handle, "closed", False):
            raise
        return None


def _is_ready(handle: Any, descriptor: int | None, events: dict[int, int]) -> bool:
    if descriptor is None:
        return True
    event = events.get(descriptor, 0)
    if event & select.POLLNVAL:
        raise InvalidArgument(
            f"descriptor {descriptor} of {handle!r} is not open; leave it out, or open it first"
        )
    look = getattr(handle, "_is_ready", None)
    if look is None:
        return event != 0
    try:
        return bool(look())
    except Closed:
        return True
