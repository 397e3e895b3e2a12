# SPDX-License-Identifier: Apache-2.0
"""Queues between processes, under each way to start them; where it fits, on multiprocessing too."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pickle
import queue as standard_queue
import signal
import subprocess
import sys

import numpy as np
import pytest
import queue_workers as workers
from helpers import Background, file_of, run_file, same
from queue_workers import PATIENCE, Point, wait_until

import ipc0cp


@pytest.fixture(params=["ipc0cp", "multiprocessing"])
def make_queue(request, context):
    """Makes queues of one kind and closes them."""
    queues = []

    def make(maxsize=0):
        is_ours = request.param == "ipc0cp"
        queues.append(ipc0cp.Queue(maxsize) if is_ours else context.Queue(maxsize))
        return queues[-1]

    yield make
    for queue in queues:
        queue.close()
        queue.join_thread()


@pytest.fixture
def own_queue():
    with ipc0cp.Queue() as queue:
        yield queue
    assert not file_of(queue.name).exists()


def end_well(*processes) -> None:
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0, process


def test_child_gets(make_queue, start):
    queue, results = make_queue(6), make_queue()
    for number in range(6):
        queue.put(number)
    wait_until(queue.full, "all of them")
    process = start(workers.get_count, queue, 6, results)
    assert results.get(timeout=PATIENCE) == list(range(6))
    wait_until(queue.empty, "none of them")
    assert not queue.full()
    end_well(process)


def test_child_puts_and_ends_at_once(make_queue, start):
    queue = make_queue()
    end_well(start(workers.put_all, queue, [2, "three", None, {"five": [5]}]))
    assert [queue.get(timeout=PATIENCE) for _ in range(4)] == [2, "three", None, {"five": [5]}]
    with pytest.raises(standard_queue.Empty):
        queue.get(False)


def test_items_of_parent_and_child_keep_their_order(make_queue, start):
    queue = make_queue()
    for number in range(10):
        queue.put(number)
    wait_until(lambda: not queue.empty(), "the first item")
    process = start(workers.put_all, queue, range(10, 20))
    received = [queue.get(timeout=PATIENCE) for _ in range(20)]
    assert sorted(received) == list(range(20))
    assert [number for number in received if number >= 10] == list(range(10, 20))
    end_well(process)


def test_workers_that_end_at_none(make_queue, start):
    requests, replies = make_queue(), make_queue()
    processes = [start(workers.square_all, requests, replies) for _ in range(3)]
    for number in range(100):
        requests.put(number)
    for _ in processes:
        requests.put(None)
    pairs = sorted(replies.get(timeout=PATIENCE) for _ in range(100))
    assert pairs == [(number, number * number) for number in range(100)]
    end_well(*processes)


def test_bounded_queue_between_processes(make_queue, start):
    queue, replies = make_queue(2), make_queue(1)
    process = start(workers.echo, queue, replies)
    putting = Background(workers.put_all, queue, [*range(50), "end"])
    assert [replies.get(timeout=PATIENCE) for _ in range(50)] == list(range(50))
    putting.result()
    end_well(process)


def test_child_of_a_child(make_queue, context):
    queue = make_queue()
    process = context.Process(target=workers.hand_on, args=(queue, context.get_start_method()))
    process.start()
    assert queue.get(timeout=PATIENCE) == "from the grandchild"
    end_well(process)


def test_child_that_does_not_close(make_queue, start):
    queue = make_queue()
    end_well(start(workers.leave_without_closing, queue))
    assert queue.get(timeout=PATIENCE) == "first"


def test_threads_of_a_child(make_queue, start):
    queue = make_queue()
    end_well(start(workers.put_from_threads, queue, 20))
    assert sorted(queue.get(timeout=PATIENCE) for _ in range(20)) == list(range(20))


def test_pool_initializer(make_queue, context):
    queue = make_queue()
    with context.Pool(2, workers.take_queue, (queue,)) as pool:
        assert pool.map(workers.put_from_pool, range(20)) == list(range(20))
        # Leaving the block terminates the workers, with what multiprocessing has not sent yet.
        pool.close()
        pool.join()
    numbers = [queue.get(timeout=PATIENCE)[1] for _ in range(20)]
    assert sorted(numbers) == list(range(20))


def test_executor_initializer(make_queue, context):
    queue = make_queue()
    with concurrent.futures.ProcessPoolExecutor(
        2, mp_context=context, initializer=workers.take_queue, initargs=(queue,)
    ) as executor:
        assert list(executor.map(workers.put_from_pool, range(20))) == list(range(20))
    numbers = [queue.get(timeout=PATIENCE)[1] for _ in range(20)]
    assert sorted(numbers) == list(range(20))


def test_pickling_is_for_starting_processes_only(make_queue):
    queue = make_queue()
    with pytest.raises(RuntimeError, match="through inheritance"):
        pickle.dumps(queue)
    with pytest.raises(RuntimeError, match="through inheritance"):
        ipc0cp.Queue(pickle=True).put(queue)


# ---- only ours -----------------------------------------------------------------------------------


def test_values_of_all_kinds_through_a_child(start):
    values = [None, (1, (2, [3, (4,)])), {"frame": np.zeros((48, 64, 3), np.uint8), "n": (1,)},
              Point((np.arange(10_000.0), "label")), {1: "int key"}, {"a", "b"}]  # fmt: skip
    with ipc0cp.Queue(pickle=True) as requests, ipc0cp.Queue(pickle=True) as replies:
        process = start(workers.echo, requests, replies)
        for value in values:
            requests.put(value)
            received = replies.get(timeout=PATIENCE)
            if type(value) is Point:
                assert same(received.x[0], value.x[0])
                assert received.x[0].flags.writeable
            else:
                assert same_values(received, value)
        requests.put("end")
        end_well(process)


def same_values(left, right) -> bool:
    if type(left) is tuple and type(right) is tuple:
        return len(left) == len(right) and all(map(same_values, left, right))
    return same(left, right)


def test_terminated_workers_lose_nothing_they_have_put(own_queue, context):
    """With multiprocessing the last items may still be in the buffer of a worker."""
    with context.Pool(2, workers.take_queue, (own_queue,)) as pool:
        pool.map(workers.put_from_pool, range(100))
    assert sorted(own_queue.get_nowait()[1] for _ in range(100)) == list(range(100))
    assert own_queue.empty()


def test_queue_inherited_as_a_global(own_queue):
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            try:
                own_queue.put(number)
            finally:
                os._exit(0)
        children.append(child)
    assert sorted(own_queue.get(timeout=PATIENCE) for _ in children) == [0, 1, 2]
    for child in children:
        assert os.waitpid(child, 0)[1] == 0


def test_many_processes(own_queue):
    """A hundred children: each takes two of the ring's 1,023 handles, from its first use on."""
    count = 100
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(count)
    processes = [
        context.Process(target=workers.report_use, args=(own_queue, barrier), daemon=True)
        for _ in range(count)
    ]
    own_queue.put(0)
    for process in processes:
        process.start()
    end_well(*processes)
    assert own_queue.get(timeout=PATIENCE) == count
    stats = workers.stats_of(own_queue)
    assert (stats.active_producers, stats.active_consumers, stats.repaired_deaths) == (1, 1, 0)


def test_handles_that_only_inherit_cost_nothing(own_queue, start):
    event = multiprocessing.get_context("spawn").Event()
    stats = workers.stats_of(own_queue)
    process = start(workers.put_when_told, own_queue, event, ["x"])
    assert workers.stats_of(own_queue).active_producers == stats.active_producers == 1
    event.set()
    assert own_queue.get(timeout=PATIENCE) == "x"
    end_well(process)


def test_fork_while_threads_are_in_calls(own_queue, start):
    other = ipc0cp.Queue(1)
    other.put("full")
    getting = [Background(own_queue.get, timeout=PATIENCE) for _ in range(2)]
    putting = Background(other.put, "second", timeout=PATIENCE)
    process = start(workers.put_all, own_queue, ["a", "b", "c"])
    end_well(process)
    received = [call.result() for call in getting]
    received.append(own_queue.get(timeout=PATIENCE))
    assert sorted(received) == ["a", "b", "c"]
    assert other.get() == "full"
    putting.result()
    assert other.get() == "second"
    other.close()


CTRL_C = """
import ipc0cp, sys
queue = ipc0cp.Queue(1)
if sys.argv[1] == "put":
    queue.put("full")
call = {"put": lambda: queue.put("more"), "get": queue.get}[sys.argv[1]]
try:
    print("ready", flush=True)
    call()
except KeyboardInterrupt:
    print(queue.qsize())
"""


@pytest.mark.parametrize(("what", "left"), [("put", "1"), ("get", "0")])
def test_ctrl_c(what, left):
    with subprocess.Popen(
        [sys.executable, "-c", CTRL_C, what], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE)[0] == f"{left}\n"
    assert process.returncode == 0


def test_queues_of_the_main_module_in_spawned_children(tmp_path):
    """The child imports the main module, and with it makes a queue of its own."""
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing, ipc0cp\n"
        "queue = ipc0cp.Queue()\n"
        "def child(other):\n"
        "    queue.put('own')\n"
        "    other.put((queue.get(), queue.name))\n"
        "if __name__ == '__main__':\n"
        "    process = multiprocessing.get_context('spawn').Process(target=child, args=(queue,))\n"
        "    process.start()\n"
        "    word, name = queue.get()\n"
        "    process.join()\n"
        "    print(word, process.exitcode, name != queue.name, name, queue.name)\n"
    )
    result = run_file(program)
    word, code, differ, *names = result.stdout.split()
    assert (word, code, differ) == ("own", "0", "True"), result.stderr
    assert not any(file_of(name).exists() for name in names)
