# SPDX-License-Identifier: Apache-2.0
"""What children of the queue tests run. Imports little, so that spawned children start quickly."""

from __future__ import annotations

import os
import signal
import threading
import time
from multiprocessing import connection

import ipc0cp

PATIENCE = 30.0
_of_the_pool = None


class Point:
    """A class that only pickling carries."""

    def __init__(self, x: object) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return type(other) is Point and other.x == self.x

    __hash__ = None


def wait_until(condition, what: str) -> None:
    """Polls; the time is only a watchdog."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(0.002)


def put_all(queue, items) -> None:
    for item in items:
        queue.put(item)


def get_count(queue, count, results) -> None:
    results.put([queue.get(timeout=PATIENCE) for _ in range(count)])


def echo(requests, replies) -> None:
    """Sends everything back until "end" comes."""
    while (item := requests.get(timeout=PATIENCE)) != "end":
        replies.put(item)


def report_use(queue, barrier) -> None:
    """Takes part in `queue` together with many others."""
    barrier.wait(PATIENCE)
    queue.put(queue.get(timeout=PATIENCE) + 1)


def square_all(requests, replies) -> None:
    """A worker that ends at None."""
    while (number := requests.get(timeout=PATIENCE)) is not None:
        replies.put((number, number * number))


def put_when_told(queue, event, items) -> None:
    event.wait(PATIENCE)
    put_all(queue, items)


def put_without_end(queue, started) -> None:
    number = 0
    while True:
        queue.put((os.getpid(), number, bytes(number % 3000)))
        number += 1
        if number == 10:
            started.set()


def get_without_end(queue, started) -> None:
    while True:
        queue.get(timeout=PATIENCE)
        started.set()


def take_and_stop(queue, taken) -> None:
    """Holds a view of an item and waits to be killed."""
    view = queue.get(timeout=PATIENCE, copy=False)
    taken.set()
    signal.pause()
    del view


def take_copy_and_stop(queue, taken) -> None:
    """Holds an item that is its own and waits to be killed."""
    queue.get(timeout=PATIENCE)
    taken.set()
    signal.pause()


def finish_and_stop(queue, finished) -> None:
    """Has finished an item, but still holds the view of it, as a loop does, and waits."""
    view = queue.get(timeout=PATIENCE, copy=False)
    queue.task_done()
    finished.set()
    signal.pause()
    del view


def finish_without_end(queue) -> None:
    while True:
        queue.get()
        queue.task_done()


def wait_and_get(queue, results) -> None:
    assert connection.wait([queue], PATIENCE) == [queue]
    results.put(queue.get_nowait())


def get_until_shut_down(queue, results) -> None:
    results.put("begins")
    try:
        while True:
            results.put(queue.get())
    except ipc0cp.ShutDown as error:
        results.put(type(error).__name__)


def use_then_report(queue, results, event) -> None:
    """Answers what it finds once its parent has left."""
    event.wait(PATIENCE)
    results.put((queue.get(timeout=PATIENCE), queue.qsize()))
    results.close()


def hand_on(queue, context_name) -> None:
    """Starts a child of its own and ends before that one has used the queue."""
    import multiprocessing

    context = multiprocessing.get_context(context_name)
    context.Process(target=put_all, args=(queue, ["from the grandchild"])).start()


def put_from_threads(queue, count) -> None:
    threads = [threading.Thread(target=queue.put, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def leave_without_closing(queue) -> None:
    queue.put("first")
    globals()["kept_until_exit"] = queue


def take_queue(queue) -> None:
    """The initializer of a pool."""
    global _of_the_pool
    _of_the_pool = queue


def put_from_pool(number: int) -> int:
    _of_the_pool.put((os.getpid(), number))
    return number


def as_in_a_child(queue):
    """`queue` as a child has it that was handed it and has not used it yet."""
    share = queue._share
    keeper, tasks = os.dup(share.descriptor), os.dup(share.tasks.descriptor)
    share.close()
    queue._share = type(share)(
        share.recipe,
        ipc0cp._core.RingKeeper.adopt(queue.name, keeper),
        ipc0cp._core.TaskCount.adopt(tasks),
    )
    return queue


def stats_of(queue) -> ipc0cp.RingStats:
    return queue._share.writing().stats()


def hand_over(source, target) -> None:
    """Moves items, one at a time, until it is killed."""
    while True:
        target.put(source.get())


def move_numbers(source, target, count, results) -> None:
    """Gets and puts as fast as it can; says what the sum was."""
    total = 0
    for _ in range(count):
        number = source.get(timeout=PATIENCE)
        total += number
        target.put(number)
    results.put(total)
