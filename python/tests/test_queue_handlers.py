# SPDX-License-Identifier: Apache-2.0
"""A queue that a signal handler, `__del__` or the collector meets in the middle of a call."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading

import pytest
import queue_workers as workers
from helpers import Background, file_of, run_python

import ipc0cp
from ipc0cp._queue import share

#: Lines that one call runs at most.
MOST_LINES = 1000


class HandledError(Exception):
    """What a handler raises, as that of Ctrl-C does."""


def small_queue() -> ipc0cp.Queue:
    return ipc0cp.Queue(4, total_data_bytes=1 << 16)


def meet(call, line: int, handler) -> bool:
    """Calls, and runs the handler before the n-th line of the library; whether it came so far.

    Python runs signal handlers between two bytecodes, in the main thread, so a handler may meet
    each of these places.
    """
    left = line

    def trace(frame, event, _):
        nonlocal left
        if "/ipc0cp/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                handler()
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return left <= 0


def meet_everywhere(make_queue, call, handler, step: int = 1) -> None:
    """One queue for each line that `call(queue)` runs; the handler is `handler(queue)`."""
    for line in range(1, MOST_LINES, step):
        queue = make_queue()
        # Both may find the queue closed by the other, and the handler may raise on its own.
        with contextlib.suppress(ipc0cp.Closed, HandledError):
            if not meet(lambda: call(queue), line, lambda: handler(queue)):  # noqa: B023
                assert line > 3, "the handler has not met the call"
                queue.close()
                return
        queue.close()
        assert queue.closed
        assert not file_of(queue.name).exists(), f"line {line}"
    raise AssertionError(f"the call has more than {MOST_LINES} lines")


def close(queue) -> None:
    queue.close()


def close_and_raise(queue) -> None:
    queue.close()
    raise HandledError


def interrupt(_) -> None:
    raise HandledError


def collect(queue) -> None:
    """As the collector may, at any allocation, find another queue to be garbage."""
    other = small_queue()
    other.put(queue.name)
    cycle = [other]
    cycle.append(cycle)
    del other, cycle
    gc.collect()


CALLS = {
    "close": close,
    "put": lambda queue: queue.put(1),
    "get": lambda queue: queue.get(False) if queue.qsize() else None,
    "qsize": lambda queue: queue.qsize(),
}


@pytest.mark.parametrize("handler", [close, close_and_raise, interrupt])
@pytest.mark.parametrize("call", CALLS)
def test_handlers_meet_calls(call, handler):
    Background(
        meet_everywhere, lambda: workers.as_in_a_child(small_queue()), CALLS[call], handler
    ).result()


@pytest.mark.parametrize("call", ["close", "put"])
def test_the_collector_meets_calls(call):
    make_queue = lambda: workers.as_in_a_child(small_queue())  # noqa: E731
    Background(meet_everywhere, make_queue, CALLS[call], collect, step=5).result()


@pytest.mark.parametrize("handler", [close, close_and_raise, interrupt])
def test_handlers_meet_close_of_a_used_queue(handler):
    Background(meet_everywhere, small_queue, close, handler).result()


SIGNALS = """
import ipc0cp, random, signal, sys
queue = None
signal.signal(signal.SIGALRM, lambda *_: queue.close())
random.seed(int(sys.argv[1]))
for _ in range(60):
    queue = ipc0cp.Queue(4, total_data_bytes=1 << 16)
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 1e-3))
    queue.close()
    signal.setitimer(signal.ITIMER_REAL, 0)
print("done")
"""


def test_signals_that_close_what_is_being_closed():
    assert run_python(SIGNALS, "7").stdout == "done\n"


def test_close_does_not_wait_for_another_thread_that_attaches(monkeypatch):
    """Attaching waits up to 60 s for a process that is stopped with the lock of the ring."""
    inside, go_on = threading.Event(), threading.Event()

    class SlowConsumer(share.QueueConsumer):
        __slots__ = ()

        def attach(self, timeout=None):
            inside.set()
            assert go_on.wait(workers.PATIENCE)
            super().attach(timeout)

    queue = workers.as_in_a_child(small_queue())
    monkeypatch.setattr(share, "QueueConsumer", SlowConsumer)
    putting = Background(queue.put, 1)
    assert inside.wait(workers.PATIENCE)
    Background(queue.close).result()
    assert not go_on.is_set()
    go_on.set()
    with pytest.raises(ValueError, match="closed"):
        putting.result()
    assert not file_of(queue.name).exists()


@pytest.mark.parametrize("count", [2, 8])
def test_threads_attach_and_close_at_the_same_time(count):
    for _ in range(10):
        queue = workers.as_in_a_child(small_queue())
        barrier = threading.Barrier(count + 1)

        def use(queue=queue, barrier=barrier):
            barrier.wait(workers.PATIENCE)
            with contextlib.suppress(ipc0cp.Closed):
                queue.put_nowait(1)

        threads = [Background(use) for _ in range(count)]
        barrier.wait(workers.PATIENCE)
        queue.close()
        for thread in threads:
            with contextlib.suppress(ipc0cp.BufferFull):
                thread.result()
        assert not file_of(queue.name).exists()


def test_threads_attach_once():
    queue = workers.as_in_a_child(small_queue())
    barrier = threading.Barrier(8)

    def use():
        barrier.wait(workers.PATIENCE)
        return queue.qsize()

    assert [thread.result() for thread in [Background(use) for _ in range(8)]] == [0] * 8
    stats = workers.stats_of(queue)
    assert (stats.active_producers, stats.active_consumers) == (1, 1)
    queue.close()
