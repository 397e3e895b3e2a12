# SPDX-License-Identifier: Apache-2.0
"""Queue behaves as multiprocessing.Queue does: the same tests run on both.

What they do not share is at the end, where each test says what multiprocessing does instead.
"""

from __future__ import annotations

import multiprocessing
import queue as standard_queue
import time

import numpy as np
import pytest
from helpers import Background
from queue_workers import PATIENCE, wait_until

import ipc0cp

KINDS = {
    "ipc0cp": ipc0cp.Queue,
    "multiprocessing": multiprocessing.get_context("spawn").Queue,
}


@pytest.fixture(params=KINDS)
def make_queue(request):
    """Makes queues of one kind and closes them."""
    queues = []

    def make(*arguments):
        queues.append(KINDS[request.param](*arguments))
        return queues[-1]

    yield make
    for queue in queues:
        queue.close()
        queue.join_thread()


@pytest.fixture
def own_queue():
    with ipc0cp.Queue() as queue:
        yield queue


def wait_for(queue, count: int) -> None:
    """multiprocessing shows what was put a little later."""
    wait_until(lambda: queue.qsize() == count, f"{count} items")
    wait_until(lambda: queue.empty() == (count == 0), "empty() to agree")


def test_new_queue(make_queue):
    queue = make_queue()
    assert queue.empty()
    assert not queue.full()
    assert queue.qsize() == 0


def test_first_in_first_out(make_queue):
    queue = make_queue()
    for item in (111, 333, 222):
        queue.put(item)
    assert [queue.get() for _ in range(3)] == [111, 333, 222]


@pytest.mark.parametrize("maxsize", [1, 2, 6])
def test_full_and_empty_again_and_again(make_queue, maxsize):
    queue = make_queue(maxsize)
    for round_number in range(3):
        for number in range(maxsize):
            assert not queue.full()
            queue.put((round_number, number))
        wait_for(queue, maxsize)
        assert queue.full()
        for call in (
            lambda: queue.put("x", False),
            lambda: queue.put("x", block=0),
            lambda: queue.put("x", False, 10),
            lambda: queue.put_nowait("x"),
            lambda: queue.put("x", timeout=0.01),
            lambda: queue.put("x", True, 0.01),
            lambda: queue.put("x", timeout=0),
            lambda: queue.put("x", timeout=-1),
        ):
            with pytest.raises(standard_queue.Full):
                call()
        assert queue.qsize() == maxsize
        for number in range(maxsize):
            assert queue.get() == (round_number, number)
        assert not queue.full()
        for call in (
            lambda: queue.get(False),
            lambda: queue.get(block=0),
            lambda: queue.get(False, 10),
            lambda: queue.get_nowait(),
            lambda: queue.get(timeout=0.01),
            lambda: queue.get(True, 0.01),
            lambda: queue.get(timeout=0),
            lambda: queue.get(timeout=-1),
        ):
            with pytest.raises(standard_queue.Empty):
                call()
        assert queue.qsize() == 0


@pytest.mark.parametrize("maxsize", [0, -1, -100])
def test_no_maxsize(make_queue, maxsize):
    queue = make_queue(maxsize)
    for number in range(2000):
        queue.put(number)
    assert queue.qsize() == 2000
    assert not queue.full()
    assert [queue.get() for _ in range(2000)] == list(range(2000))


def test_ways_to_call(make_queue):
    queue = make_queue()
    queue.put(1)
    queue.put(2, True)
    queue.put(3, True, None)
    queue.put(4, False)
    queue.put(5, False, None)
    queue.put(obj=6, block=True, timeout=PATIENCE)
    queue.put_nowait(7)
    wait_for(queue, 7)
    assert queue.get() == 1
    assert queue.get(True) == 2
    assert queue.get(True, None) == 3
    assert queue.get(timeout=PATIENCE) == 4
    assert queue.get(block=True, timeout=PATIENCE) == 5
    wait_for(queue, 2)
    assert queue.get(False) == 6
    assert queue.get_nowait() == 7


def test_put_waits_for_room(make_queue):
    queue = make_queue(2)
    queue.put("a")
    queue.put("b")
    for timeout in (None, PATIENCE):
        putting = Background(queue.put, "c", True, timeout)
        queue.get()
        assert putting.result() is None
        wait_for(queue, 2)


def test_get_waits_for_an_item(make_queue):
    queue = make_queue()
    for timeout in (None, PATIENCE):
        getting = Background(queue.get, True, timeout)
        queue.put("late")
        assert getting.result() == "late"


def test_timeouts_are_waited_for(make_queue):
    queue = make_queue(1)
    start = time.monotonic()
    with pytest.raises(standard_queue.Empty):
        queue.get(timeout=0.1)
    with pytest.raises(standard_queue.Empty):
        queue.get(True, 0.1)
    queue.put(1)
    with pytest.raises(standard_queue.Full):
        queue.put(2, timeout=0.1)
    assert time.monotonic() - start >= 0.25


def test_none_is_an_item_like_any_other(make_queue):
    queue = make_queue()
    for _ in range(3):
        queue.put(None)
    wait_for(queue, 3)
    assert [queue.get(), queue.get(timeout=PATIENCE)] == [None, None]
    wait_for(queue, 1)
    assert queue.get_nowait() is None
    assert list(iter(lambda: queue.put(None) or queue.get(), None)) == []


def test_closed(make_queue):
    queue = make_queue()
    queue.put("left behind")
    queue.close()
    queue.close()
    queue.join_thread()
    for call in (lambda: queue.put(1), lambda: queue.put_nowait(1), queue.get, queue.get_nowait):
        with pytest.raises(ValueError, match="is closed"):
            call()


def test_questions_to_a_closed_queue(make_queue):
    used, unused, full = make_queue(), make_queue(), make_queue(1)
    used.put(1)
    full.put(1)
    wait_for(used, 1)
    wait_for(full, 1)
    for queue in (used, unused, full):
        queue.close()
    assert [queue.qsize() for queue in (used, unused, full)] == [1, 0, 1]
    assert [queue.full() for queue in (used, unused, full)] == [False, False, True]
    assert unused.empty()
    for queue in (used, unused, full):
        queue.join_thread()
    assert unused.empty()
    with pytest.raises(OSError, match="is closed"):
        used.empty()
    assert used.qsize() == 1


def test_cancel_join_thread(make_queue):
    queue = make_queue()
    queue.cancel_join_thread()
    queue.put(1)
    assert queue.get() == 1
    queue.close()
    queue.join_thread()


def test_what_was_got_belongs_to_the_getter(make_queue):
    queue = make_queue()
    array = np.arange(100_000)
    queue.put({"array": array, "list": [1, 2]})
    queue.put(array)
    first, second = queue.get(), queue.get()
    first["list"].append(3)
    first["array"][0] = second[0] = 7
    assert (array[0], first["array"][0], second[0]) == (0, 7, 7)
    assert first["array"].flags.writeable
    assert second.flags.writeable


# ---- where they differ ---------------------------------------------------------------------------


def test_what_cannot_be_sent_fails_at_once(own_queue):
    """multiprocessing prints a traceback from its feeder thread, and nothing arrives."""
    with pytest.raises(TypeError, match="pickle=True"):
        own_queue.put(lambda: None)
    with pytest.raises(ipc0cp.UnsupportedType, match="set"):
        own_queue.put([1.0, {2}])
    own_queue.put(True)
    assert own_queue.get() is True


def test_put_is_there_when_it_returns(own_queue):
    """multiprocessing puts into a buffer first; empty() may be true for a moment."""
    for number in range(200):
        own_queue.put(number)
        assert not own_queue.empty()
        assert own_queue.get_nowait() == number


def test_put_copies(own_queue):
    """multiprocessing may still be about to pickle the object when it is changed."""
    item = {"values": list(range(1000))}
    own_queue.put(item)
    item["values"].clear()
    assert own_queue.get() == {"values": list(range(1000))}


def test_items_larger_than_the_queue():
    """multiprocessing has no limit."""
    with ipc0cp.Queue(total_data_bytes=100_000) as queue:
        with pytest.raises(ipc0cp.MessageTooLarge, match="total_data_bytes"):
            queue.put(bytes(100_001))
        queue.put(bytes(60_000))
        with pytest.raises(ipc0cp.BufferFull, match="1 of at most 97 items"):
            queue.put_nowait(bytes(60_000))
        assert not queue.full()
        assert queue.get() == bytes(60_000)


def test_blocked_calls_end_when_another_thread_closes():
    """multiprocessing leaves them waiting."""
    queue = ipc0cp.Queue(1)
    queue.put(1)
    putting = Background(queue.put, 2)
    other = ipc0cp.Queue()
    getting = Background(other.get)
    queue.close()
    other.close()
    for call in (putting, getting):
        with pytest.raises(ValueError, match="closed"):
            call.result()


def test_maxsize():
    """multiprocessing has no such attribute."""
    for given, expected in ((0, 0), (-3, 0), (5, 5)):
        with ipc0cp.Queue(given) as queue:
            assert queue.maxsize == expected
    for too_much in (2**20 + 1, 2**40):
        with pytest.raises(ipc0cp.InvalidArgument, match=r"2\*\*20"):
            ipc0cp.Queue(too_much)
    with pytest.raises(TypeError):
        ipc0cp.Queue(1.5)
    for size in (0, 1023, 2**47 + 1):
        with pytest.raises(ValueError, match="total_data_bytes"):
            ipc0cp.Queue(total_data_bytes=size)


def test_repr(own_queue):
    assert f"{own_queue.name!r}: 0 items>" in repr(own_queue)
    with ipc0cp.Queue(3) as queue:
        queue.put(1)
        assert "1 items, maxsize 3" in repr(queue)
    assert "closed" in repr(queue)
