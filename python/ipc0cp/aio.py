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
from typing import TYPE_CHECKING, Any, TypeVar

from ipc0cp import _core
from ipc0cp.errors import BufferEmpty, NoConsumers, Timeout
from ipc0cp.log import logger

if TYPE_CHECKING:
    from ipc0cp.handle import RingHandle

#: Seconds for which an opening goes on at most when it was given up.
_OPEN_PIECE = 0.25
#: Seconds after which the log says what an opening waits for.
_LONG_OPEN = 5.0
_T = TypeVar("_T")
_Handle = TypeVar("_Handle", bound="RingHandle")
_Loop = asyncio.AbstractEventLoop
#: The arguments of `Watcher.arm`: what a push needs.
_Wanted = tuple[int, int, bool, bool]
_ANYTHING: _Wanted = (0, 0, False, False)
_Entry = tuple[_Loop, "asyncio.Future[bool]", _Wanted]


class Waiters:
    """The coroutines that wait for one handle, of all event loops, oldest first.

    Thread-safe without a lock: the garbage collector ends abandoned coroutines in the middle of
    anything here, in any thread, and would meet a lock again that this thread holds. So each step
    is one operation on a deque or a dict, which the interpreter does whole, and what is done in
    vain (arming for nobody, an attempt too many) does no harm. Invariants:

    1. While somebody waits, either the watcher is armed, or its descriptor is readable, or a woken
       coroutine has not made its attempt yet; `attempted` says that it has.
    2. Each loop with a waiter watches the descriptor. Only the thread of a loop changes its count
       in `_waiters_of`; that of a closed loop is dropped, whoever finds it.
    3. Once the handle is closed, the watcher goes with the last waiter; who comes in between may
       get another one, which is readable at once and wakes all.
    """

    def __init__(self, handle: _core.ProducerHandle | _core.ConsumerHandle) -> None:
        self._handle = handle
        self._pushes = isinstance(handle, _core.ProducerHandle)
        self._watchers: list[_core.Watcher] = []
        self._waiting: deque[_Entry] = deque()
        self._waiters_of: dict[_Loop, int] = {}

    @property
    def _watcher(self) -> _core.Watcher:
        """Made for the first wait: most attempts succeed at once. Of two threads' the first counts.

        Raises:
            SystemFailure: no descriptor is to be had.
        """
        try:
            return self._watchers[0]
        except IndexError:
            made = self._handle.watcher()
        self._watchers.append(made)
        try:
            return self._watchers[0]
        except IndexError:  # The handle was closed meanwhile.
            return made

    def handle_closed(self) -> None:
        """Gives the descriptor back if the handle is closed and nobody waits."""
        if self._handle.closed and not self._waiters_of:
            self._watchers.clear()

    async def wait(self, seconds: float, wanted: _Wanted = _ANYTHING) -> bool:
        """Whether a wake-up came in time; then the caller makes an attempt, and calls `attempted`.

        Raises:
            asyncio.CancelledError: after passing on a wake-up that had come.
            SystemFailure: no descriptor is to be had, or no thread can be started.
        """
        loop = asyncio.get_running_loop()
        watcher = self._watcher
        future: asyncio.Future[bool] = loop.create_future()
        entry = (loop, future, wanted)
        timer = None if seconds == math.inf else loop.call_later(seconds, _give_up, future)
        try:
            self._enter(entry, watcher)
            woken = await future
        except GeneratorExit:  # The task is collected, perhaps long after its loop was closed.
            self._abandon(entry, watcher)
            raise
        except BaseException:
            self._leave(entry, watcher, timer)
            if future.done() and not future.cancelled() and future.result():
                self.attempted()
            raise
        self._leave(entry, watcher, timer)
        return woken

    def attempted(self) -> None:
        """A woken coroutine has done what it could; the next one may be woken."""
        if self._waiting:
            self._watcher.arm(*self._least_wanted())

    def _least_wanted(self) -> _Wanted:
        """Of all who wait: one that needs much keeps nobody from what is enough for others."""
        if not self._pushes:
            return _ANYTHING
        try:
            each = [wanted for _, _, wanted in self._waiting]
        except RuntimeError:  # Another thread has entered or left.
            return _ANYTHING
        if not each:
            return _ANYTHING
        sizes, blocks, nobody_reads, no_memory = zip(*each, strict=True)
        return min(sizes), min(blocks), all(nobody_reads), all(no_memory)

    def _enter(self, entry: _Entry, watcher: _core.Watcher) -> None:
        loop = entry[0]
        count = self._waiters_of.get(loop, 0)
        self._waiters_of[loop] = count + 1
        if count == 0:
            loop.add_reader(watcher.descriptor, self._on_readable, watcher)
        self._waiting.append(entry)
        watcher.arm(*self._least_wanted())

    def _leave(
        self, entry: _Entry, watcher: _core.Watcher, timer: asyncio.TimerHandle | None
    ) -> None:
        if timer is not None:
            timer.cancel()
        self._stop_waiting(entry)
        self._count_down(entry[0], watcher)

    def _abandon(self, entry: _Entry, watcher: _core.Watcher) -> None:
        """Called by the collector, so of the loop only what any thread may do."""
        loop = entry[0]
        if not self._stop_waiting(entry):
            self.attempted()  # It had been woken; the wake-up is the next one's.
        try:
            loop.call_soon_threadsafe(self._count_down, loop, watcher)
        except RuntimeError:  # The loop is closed and watches nothing.
            self._waiters_of.pop(loop, None)

    def _stop_waiting(self, entry: _Entry) -> bool:
        """False: it had been woken."""
        try:
            self._waiting.remove(entry)
        except ValueError:
            return False
        return True

    def _count_down(self, loop: _Loop, watcher: _core.Watcher) -> None:
        count = self._waiters_of.pop(loop, 0)
        if count > 1:
            self._waiters_of[loop] = count - 1
            return
        loop.remove_reader(watcher.descriptor)
        if not self._waiters_of:
            watcher.disarm()
            self.attempted()  # Another loop's thread may have entered meanwhile.
            self.handle_closed()

    def _on_readable(self, watcher: _core.Watcher) -> None:
        if watcher.take():
            while self._wake_one() and self._handle.closed:
                pass

    def _wake_one(self) -> bool:
        """Wakes the oldest waiter that still waits, whichever loop it belongs to; was there one?"""
        while True:
            try:
                loop, future, _ = self._waiting.popleft()
            except IndexError:
                return False
            try:
                loop.call_soon_threadsafe(self._deliver, future)
            except RuntimeError:  # Its loop is closed.
                continue
            return True

    def _deliver(self, future: asyncio.Future[bool]) -> None:
        if future.done():  # Timed out or cancelled before the wake-up came.
            self.attempted()
        else:
            future.set_result(True)


def _give_up(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(False)


def _deadline_after(timeout: float | None) -> float:
    """On the clock of `time.monotonic`. Raises as the calls that block do."""
    return time.monotonic() + _core.timeout_seconds(timeout)


async def off_the_loop(call: Callable[[], _T], give_up: Callable[[], object]) -> _T:
    """Runs a call that may block in a thread of its own, so that it holds up no executor.

    Args:
        call: made once.
        give_up: called if nobody waits any more, perhaps in another thread and more than once:
            ends `call`, and closes what it has made.

    Raises:
        Whatever `call` raises; asyncio.CancelledError, when it has been told to end.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()
    somebody_waits = True

    def deliver(result: Any, error: BaseException | None) -> None:
        if future.done() or not somebody_waits:
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = call()
        except BaseException as raised:  # Handed to the coroutine.
            error = raised
        try:
            loop.call_soon_threadsafe(deliver, result, error)
        except RuntimeError:  # The loop is closed.
            give_up()

    threading.Thread(target=run, name="ipc0cp-open", daemon=True).start()
    try:
        return await future
    except (asyncio.CancelledError, GeneratorExit):  # Cancelled, closed or collected.
        somebody_waits = False
        give_up()
        raise


async def open_off_the_loop(
    make: Callable[[dict[str, Any]], _Handle], options: dict[str, Any]
) -> _Handle:
    """Calls a constructor, in a thread, again and again with a short open_timeout.

    A constructor that is waiting cannot be told to stop; so each wait is short.
    """
    timeout = options.get("open_timeout")
    start = time.monotonic()
    deadline = start + _core.timeout_seconds(timeout, "open_timeout")
    given_up = threading.Event()
    made: list[_Handle] = []

    def attempt() -> _Handle:
        log_at = start + _LONG_OPEN
        while True:
            left = deadline - time.monotonic()
            piece = min(_OPEN_PIECE, max(left, 0))
            try:
                handle = make({**options, "open_timeout": piece})
            except Timeout as error:
                if left <= _OPEN_PIECE or given_up.is_set():
                    raise
                if time.monotonic() >= log_at:
                    log_at = math.inf
                    _log_long_open(error)
                continue
            handle._options["open_timeout"] = timeout
            made.append(handle)
            if given_up.is_set():
                handle.close()
            return handle

    def give_up() -> None:
        given_up.set()
        for handle in made:
            handle.close()

    return await off_the_loop(attempt, give_up)


def _log_long_open(error: Timeout) -> None:
    """The core's line comes only from a single attempt that is as long."""
    state = str(error).removeprefix("time-out: ")
    logger.warning("opening is blocked for %g s: %s", _LONG_OPEN, state)


class Popping:
    """`pop_async` of one consumer."""

    def __init__(self, handle: _core.ConsumerHandle) -> None:
        self._waiters = Waiters(handle)

    def handle_closed(self) -> None:
        """See `Waiters`."""
        self._waiters.handle_closed()

    async def pop(self, attempt: Callable[[], Any], timeout: float | None, blocking: bool) -> Any:
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

    def __init__(self, handle: _core.ProducerHandle, consumer_wait_timeout: float | None) -> None:
        self._handle = handle
        self._consumer_wait_timeout = _core.timeout_seconds(
            consumer_wait_timeout, "consumer_wait_timeout"
        )
        self._waiters = Waiters(handle)

    def handle_closed(self) -> None:
        """See `Waiters`."""
        self._waiters.handle_closed()

    async def push(
        self,
        attempt: Callable[[Any], bool],
        obj: Any,
        timeout: float | None,
        *,
        blocking: bool,
        awaits_room: bool,
    ) -> bool:
        """Calls `attempt`, a push that does not wait, until there is room.

        With `blocking` it waits for a consumer, with `awaits_room` for room.
        """
        deadline = _deadline_after(timeout)
        nobody_until = time.monotonic() + self._consumer_wait_timeout
        woken = False
        while True:
            left = deadline - time.monotonic()
            try:
                if attempt(obj):
                    return True
                if left <= 0 or not awaits_room:
                    return False
                nobody_until = time.monotonic() + self._consumer_wait_timeout
            except NoConsumers:
                left = min(left, nobody_until - time.monotonic())
                if left <= 0 or not blocking or self._handle.retired:
                    raise
            finally:
                if woken:
                    self._waiters.attempted()
            woken = await self._waiters.wait(left, _core.refused())
