# SPDX-License-Identifier: Apache-2.0
"""Waiting for a ring in asyncio. Imported with the first await.

One thread of the extension waits per handle, and only while coroutines do; see `_core.Watcher`.
What it hands to a coroutine is a wake-up, never a message: the coroutine takes the message itself,
and if it is cancelled in between, the wake-up goes to the next one.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ipc0cp import _core, codec
from ipc0cp.errors import BufferEmpty, InvalidArgument, NoConsumers, Timeout

_Loop = asyncio.AbstractEventLoop
#: The arguments of `Watcher.arm`.
_Wanted = tuple[int, int, bool]


class Waiters:
    """The coroutines that wait for one handle, of all event loops, oldest first.

    Thread-safe. Invariants:

    1. While somebody waits, either the watcher is armed, or its descriptor is readable, or a woken
       coroutine has not made its attempt yet; `attempted` says that it has.
    2. Each loop with a waiter watches the descriptor, no other does.
    """

    def __init__(self, make_watcher: Callable[[], _core.Watcher]) -> None:
        #: What the next wait is for.
        self.wanted: _Wanted = (0, 0, False)
        self._make_watcher = make_watcher
        self._made: _core.Watcher | None = None
        self._lock = threading.Lock()
        self._waiting: deque[tuple[_Loop, asyncio.Future[bool]]] = deque()
        self._waiters_of: dict[_Loop, int] = {}

    @property
    def _watcher(self) -> _core.Watcher:
        """Made for the first wait: most attempts succeed at once."""
        if self._made is None:
            self._made = self._make_watcher()
        return self._made

    async def wait(self, seconds: float) -> bool:
        """Whether a wake-up came in time; then the caller makes an attempt, and calls `attempted`.

        Raises:
            asyncio.CancelledError: after passing on a wake-up that had come.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        entry = (loop, future)
        timer = None if seconds == math.inf else loop.call_later(seconds, _give_up, future)
        self._enter(entry)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.result():
                self.attempted()
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._leave(entry)

    def attempted(self) -> None:
        """A woken coroutine has done what it could; the next one may be woken."""
        with self._lock:
            self._arm()

    def _enter(self, entry: tuple[_Loop, asyncio.Future[bool]]) -> None:
        loop = entry[0]
        with self._lock:
            count = self._waiters_of.get(loop, 0)
            self._waiters_of[loop] = count + 1
            if count == 0:
                loop.add_reader(self._watcher.descriptor, self._on_readable)
            self._waiting.append(entry)
            self._arm()

    def _leave(self, entry: tuple[_Loop, asyncio.Future[bool]]) -> None:
        loop = entry[0]
        with self._lock:
            if entry in self._waiting:
                self._waiting.remove(entry)
            self._waiters_of[loop] -= 1
            if self._waiters_of[loop] == 0:
                del self._waiters_of[loop]
                loop.remove_reader(self._watcher.descriptor)
            if not self._waiters_of:
                self._watcher.disarm()

    def _arm(self) -> None:
        if self._waiting:
            self._watcher.arm(*self.wanted)

    def _on_readable(self) -> None:
        with self._lock:
            if self._watcher.take():
                self._wake_one()

    def _wake_one(self) -> None:
        """Wakes the oldest waiter that still waits, whichever loop it belongs to."""
        while self._waiting:
            loop, future = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(self._deliver, future)
            except RuntimeError:  # Its loop is closed.
                continue
            return

    def _deliver(self, future: asyncio.Future[bool]) -> None:
        if future.done():  # Timed out or cancelled before the wake-up came.
            self.attempted()
        else:
            future.set_result(True)


def _give_up(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(False)


def _deadline_after(timeout: float | None) -> float:
    """On the clock of `time.monotonic`. Raises InvalidArgument for a negative or NaN timeout."""
    if timeout is None:
        return math.inf
    if not timeout >= 0:
        raise InvalidArgument(f"timeout must be None or 0 and more seconds, not {timeout!r}")
    return time.monotonic() + timeout


class Popping:
    """`pop_async` of one consumer."""

    def __init__(self, make_watcher: Callable[[], _core.Watcher]) -> None:
        self._waiters = Waiters(make_watcher)

    async def pop(
        self, attempt: Callable[[], Any], timeout: float | None, blocking: bool
    ) -> Any:
        """Calls `attempt`, a pop that does not wait, until it has an answer."""
        deadline = _deadline_after(timeout)
        woken = False
        while True:
            try:
                return attempt()
            except (Timeout, BufferEmpty):
                left = deadline - time.monotonic()
                if left <= 0 or not blocking:
                    raise
            finally:
                if woken:
                    self._waiters.attempted()
            woken = await self._waiters.wait(left)


class Pushing:
    """`push_async` of one producer."""

    def __init__(self, handle: _core.ProducerHandle, consumer_wait_timeout: float) -> None:
        self._handle = handle
        self._consumer_wait_timeout = consumer_wait_timeout
        self._waiters = Waiters(handle.watcher)

    async def push(
        self, attempt: Callable[[Any], bool], obj: Any, timeout: float | None, blocking: bool
    ) -> bool:
        """Calls `attempt`, a push that does not wait, until there is room."""
        deadline = _deadline_after(timeout)
        nobody_until = time.monotonic() + self._consumer_wait_timeout
        payload_bytes: int | None = None
        woken = False
        while True:
            freed_before = self._handle.blocks_freed
            left = deadline - time.monotonic()
            nobody_reads = False
            try:
                if attempt(obj):
                    return True
                if left <= 0 or not blocking:
                    return False
                nobody_until = time.monotonic() + self._consumer_wait_timeout
            except NoConsumers:
                nobody_reads = True
                left = min(left, nobody_until - time.monotonic())
                if left <= 0 or not blocking or self._handle.retired:
                    raise
            finally:
                if woken:
                    self._waiters.attempted()
            if payload_bytes is None:  # Planned once, for the place that is asked for.
                payload_bytes = codec.encode(obj).payload_bytes
            self._waiters.wanted = (payload_bytes, freed_before, nobody_reads)
            woken = await self._waiters.wait(left)
