# SPDX-License-Identifier: Apache-2.0
"""task_done and join, many items at once, and descriptors to wait for."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import queue as stdlib_queue
import select
import signal
import threading
from multiprocessing import connection
from pathlib import Path

import pytest
import queue_workers as workers
from helpers import Background, run_python
from queue_workers import PATIENCE

import ipc0cp


@pytest.fixture
def queue():
    with ipc0cp.Queue() as made:
        yield made


# ---- tasks ---------------------------------------------------------------------------------------


@pytest.fixture(params=["ipc0cp", "multiprocessing"])
def joinable(request):
    made = ipc0cp.JoinableQueue() if request.param == "ipc0cp" else multiprocessing.JoinableQueue()
    yield made
    made.close()


def test_join_waits_for_each_task(joinable):
    joinable.join()
    for number in range(3):
        joinable.put(number)
    joining = Background(joinable.join)
    for _ in range(3):
        assert joining.is_alive()
        joinable.get(timeout=PATIENCE)
        assert joining.is_alive()
        joinable.task_done()
    joining.result()
    with pytest.raises(ValueError, match="too many times"):
        joinable.task_done()
    joinable.put(1)
    joinable.get(timeout=PATIENCE)
    joinable.task_done()
    joinable.join()


def do_tasks(queue):
    while queue.get(timeout=PATIENCE) is not None:
        queue.task_done()
    queue.task_done()


def test_tasks_of_other_processes(start, queue):
    processes = [start(do_tasks, queue) for _ in range(2)]
    for number in range(200):
        queue.put(number)
    Background(queue.join).result()
    assert queue.empty()
    for _ in processes:
        queue.put(None)
    Background(queue.join).result()
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0


class AlarmError(Exception):
    pass


def test_what_a_signal_handler_raises_ends_join(queue):
    def raise_it(*_):
        raise AlarmError

    queue.put(1)
    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(AlarmError):
            queue.join()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_join_ends_when_another_thread_closes(queue):
    queue.put(1)
    joining = Background(queue.join)
    queue.close()
    with pytest.raises(ipc0cp.Closed):
        joining.result()


def test_join_of_a_closed_queue():
    queue = ipc0cp.Queue()
    queue.close()
    for call in (queue.join, queue.task_done, queue.fileno):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_logging_config_takes_it():
    """In a process of its own, as it changes all loggers."""
    result = run_python(
        "import ipc0cp, logging.config\n"
        "queue = ipc0cp.Queue(pickle=True)\n"
        "handler = {'class': 'logging.handlers.QueueHandler', 'queue': queue}\n"
        "root = {'handlers': ['queue']}\n"
        "logging.config.dictConfig({'version': 1, 'handlers': {'queue': handler}, 'root': root})\n"
        "logging.warning('hello')\n"
        "print(queue.get(timeout=30).getMessage())\n"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello\n", "")


def test_simple_queue():
    with ipc0cp.SimpleQueue(total_data_bytes=1 << 20) as queue:
        queue.put([1, None])
        assert queue.get() == [1, None]
        assert queue.empty()


class Unpickled:
    happened = False

    def __setstate__(self, _):
        Unpickled.happened = True

    def __getstate__(self):
        return 1


# ---- shutdown ------------------------------------------------------------------------------------


def test_shutdown_lets_what_is_queued_be_got(queue):
    queue.put_many([1, 2])
    assert not queue.is_shutdown
    queue.shutdown()
    assert queue.is_shutdown
    for call in (lambda: queue.put(3), lambda: queue.put_nowait(3), lambda: queue.put_many([3])):
        with pytest.raises(ipc0cp.ShutDown):
            call()
    assert [queue.get(), queue.get_nowait()] == [1, 2]
    for call in (queue.get, queue.get_nowait, lambda: queue.get_many(2)):
        with pytest.raises(ipc0cp.ShutDown):
            call()


def test_an_immediate_shutdown_drops_what_is_queued(queue):
    queue.put_many([1, 2, 3])
    queue.get()
    joining = Background(queue.join)
    queue.shutdown(immediate=True)
    with pytest.raises(ipc0cp.ShutDown):
        queue.get()
    assert queue.qsize() == 0
    assert joining.is_alive(), "what was got before is still to be finished"
    queue.task_done()
    joining.result()


def test_what_shutdown_raises(queue):
    queue.shutdown()
    with pytest.raises(ipc0cp.Closed) as raised:
        queue.get()
    assert isinstance(raised.value, getattr(stdlib_queue, "ShutDown", ValueError))


def test_shutdown_may_become_immediate(queue):
    queue.put_many([1, 2])
    queue.shutdown()
    assert queue.get() == 1
    queue.shutdown(immediate=True)
    with pytest.raises(ipc0cp.ShutDown):
        queue.get()
    queue.task_done()
    queue.join()


def test_what_is_put_around_a_shutdown_and_an_error_is_dropped(queue):
    def items():
        yield 1
        queue.shutdown(immediate=True)
        yield 2
        raise AlarmError

    with pytest.raises(AlarmError):
        queue.put_many(items())
    assert queue.qsize() == 0
    Background(queue.join).result()


@pytest.mark.parametrize("joins_before", [False, True])
def test_join_drops_what_a_killed_process_could_not_withdraw(queue, joins_before):
    queue.put(1)
    queue.get()
    queue.shutdown(immediate=True)
    joining = Background(queue.join) if joins_before else None
    queue._share.writing().push_many([2, 3])
    joining = joining or Background(queue.join)
    queue.task_done()
    joining.result()
    assert queue.qsize() == 0


def test_what_is_dropped_is_not_unpickled():
    with ipc0cp.Queue(pickle=True) as queue:
        queue.put(Unpickled())
        queue.shutdown(immediate=True)
        assert not Unpickled.happened
        queue.join()


def test_shutdown_ends_what_waits_in_other_processes(start, queue):
    with ipc0cp.Queue() as results:
        process = start(workers.get_until_shut_down, queue, results)
        assert results.get(timeout=PATIENCE) == "begins"
        queue.put("last")
        assert results.get(timeout=PATIENCE) == "last"
        queue.shutdown()
        assert results.get(timeout=PATIENCE) == "ShutDown"
        process.join(PATIENCE)
        assert process.exitcode == 0


# ---- many at once --------------------------------------------------------------------------------


def test_many(queue):
    items = [None, (1, 2), "text", b"bytes", 3, {"a": None}, bytearray(b"x"), [1.5]]
    assert queue.put_many(items) == len(items)
    assert queue.get_many(3) == items[:3]
    assert queue.get_many(100) == items[3:]
    with pytest.raises(ipc0cp.BufferEmpty):
        queue.get_many(1, block=False)
    with pytest.raises(ipc0cp.Timeout):
        queue.get_many(1, timeout=0.01)
    with pytest.raises(ValueError, match="most"):
        queue.get_many(0)


def test_many_into_little_room():
    with ipc0cp.Queue(3) as queue:
        assert queue.put_many(range(5), block=False) == 3
        assert queue.put_many(range(5), timeout=0.01) == 0
        assert queue.get_many(5) == [0, 1, 2]


# ---- waiting for several -------------------------------------------------------------------------

WAYS = {
    "connection.wait of _reader": lambda queues, seconds: connection.wait(
        [queue._reader for queue in queues], seconds
    ),
    "connection.wait": connection.wait,
    "select": lambda queues, seconds: select.select(queues, [], [], seconds)[0],
}


@pytest.mark.parametrize("way", WAYS)
def test_whichever_has_something(way):
    wait = WAYS[way]
    with ipc0cp.Queue() as first, ipc0cp.Queue() as second:
        assert wait([first, second], 0.01) == []
        second.put(1)
        assert len(wait([first, second], PATIENCE)) == 1
        assert second.get() == 1
        with pytest.raises(ipc0cp.BufferEmpty):
            second.get_nowait()
        assert wait([first, second], 0.05) == []
        waiting = Background(wait, [first, second], PATIENCE)
        first.put(2)
        assert len(waiting.result()) == 1
        assert first.get() == 2


def test_it_stays_readable_while_something_is_left(queue):
    assert not queue._reader.poll()
    for number in range(3):
        queue.put(number)
    for number in range(3):
        assert queue._reader.poll(PATIENCE)
        assert connection.wait([queue], PATIENCE) == [queue]
        assert queue.get() == number
    assert not queue._reader.poll(0.01)
    assert not queue._reader.closed


def test_a_child_waits_by_a_descriptor_of_its_own(start, queue):
    with ipc0cp.Queue() as results:
        queue.fileno()
        process = start(workers.wait_and_get, queue, results)
        queue.put("x")
        assert results.get(timeout=PATIENCE) == "x"
        process.join(PATIENCE)
        assert process.exitcode == 0


def test_an_item_that_is_there_is_seen_without_waiting(queue):
    for number in range(50):
        queue.put(number)
        assert connection.wait([queue], 0) == [queue]
        assert queue.get() == number
        assert connection.wait([queue], 0) == []


def test_threads_that_come_at_once_get_one_descriptor(queue):
    barrier = threading.Barrier(4)

    def fileno():
        barrier.wait(PATIENCE)
        return queue.fileno()

    numbers = {call.result() for call in [Background(fileno) for _ in range(4)]}
    assert numbers == {queue.fileno()}


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_closed_queue_holds_no_descriptor():
    before = count_descriptors()
    closed = ipc0cp.Queue()
    closed.fileno()
    closed.close()
    assert count_descriptors() == before


# ---- pools ---------------------------------------------------------------------------------------


def test_initializer_of_an_executor(context, queue):
    with concurrent.futures.ProcessPoolExecutor(
        2, mp_context=context, initializer=workers.take_queue, initargs=(queue,)
    ) as executor:
        assert list(executor.map(workers.put_from_pool, range(20))) == list(range(20))
    assert sorted(number for _, number in queue.get_many(100)) == list(range(20))


def test_initializer_of_a_pool(context, queue):
    with context.Pool(2, workers.take_queue, (queue,), maxtasksperchild=5) as pool:
        assert pool.map(workers.put_from_pool, range(20), 1) == list(range(20))
    assert sorted(number for _, number in queue.get_many(100)) == list(range(20))
