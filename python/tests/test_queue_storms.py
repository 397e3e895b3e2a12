# SPDX-License-Identifier: Apache-2.0
"""Many threads, many processes, many queues, and processes that are killed all the time."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
import time

import queue_workers as workers
from helpers import Background, file_of
from queue_workers import PATIENCE, wait_until

import ipc0cp

FORK = multiprocessing.get_context("fork")


def test_threads_of_one_process():
    count, pairs = 2000, 4
    with ipc0cp.Queue(100) as queue:

        def put(worker: int) -> None:
            for number in range(count):
                queue.put((worker, number))

        def get() -> list[tuple[int, int]]:
            return [queue.get(timeout=PATIENCE) for _ in range(count)]

        getting = [Background(get) for _ in range(pairs)]
        putting = [Background(put, worker) for worker in range(pairs)]
        for call in putting:
            call.result()
        lists = [call.result() for call in getting]
        assert queue.empty()
    for received in lists:
        for worker in range(pairs):
            numbers = [number for origin, number in received if origin == worker]
            assert numbers == sorted(numbers)
    everything = sorted(item for received in lists for item in received)
    assert everything == [(worker, number) for worker in range(pairs) for number in range(count)]


def test_maxsize_is_never_exceeded():
    """Whoever waits long gets room of its own behind the ring, but not beyond maxsize."""
    with ipc0cp.Queue(3, total_data_bytes=1 << 20) as queue:
        putting = [Background(workers.put_all, queue, [bytes(5000)] * 20) for _ in range(4)]
        wait_until(queue.full, "it to fill up")
        threading.Event().wait(0.1)  # Longer than the 20 ms after which a put gets the relief.
        for _ in range(80):
            assert queue.qsize() <= 3
            assert queue.get(timeout=PATIENCE) == bytes(5000)
        for call in putting:
            call.result()
        assert workers.stats_of(queue).most_messages == 3


def test_processes_in_a_row():
    count, size = 500, 4
    queues = [ipc0cp.Queue() for _ in range(size + 1)]
    results = ipc0cp.Queue()
    processes = [
        FORK.Process(
            target=workers.move_numbers,
            args=(queues[i], queues[i + 1], count, results),
            daemon=True,
        )
        for i in range(size)
    ]
    for process in processes:
        process.start()
    for number in range(count):
        queues[0].put(number)
    assert [results.get(timeout=PATIENCE) for _ in range(size)] == [sum(range(count))] * size
    assert [queues[-1].get_nowait() for _ in range(count)] == list(range(count))
    for process in processes:
        process.join(PATIENCE)
    for queue in (*queues, results):
        queue.close()
        assert not file_of(queue.name).exists()


def test_many_queues():
    queues = [ipc0cp.Queue(10, total_data_bytes=1 << 20) for _ in range(60)]
    child = os.fork()
    if child == 0:
        try:
            for number, queue in enumerate(queues):
                queue.put(number)
                if number % 2:
                    queue.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [queue.get_nowait() for queue in queues] == list(range(60))
    names = [queue.name for queue in queues]
    del queues
    assert not any(file_of(name).exists() for name in names)


def test_workers_that_are_killed_all_the_time():
    """Each kill costs at most the item that the worker had in its hands."""
    kills = 60
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    source, target = ipc0cp.Queue(20), ipc0cp.Queue()

    def start():
        process = FORK.Process(target=workers.hand_over, args=(source, target), daemon=True)
        process.start()
        return process

    team = [start() for _ in range(3)]
    stop = threading.Event()
    sent = []
    received: list[int] = []

    def feed() -> None:
        while not stop.is_set():
            # Where processes start slowly, the target would else fill up, and the workers wait.
            if len(sent) - len(received) > 10_000:
                time.sleep(0.001)
                continue
            source.put(len(sent), timeout=PATIENCE)
            sent.append(len(sent))

    feeding = Background(feed)
    for _ in range(kills):
        for _ in range(chance.randrange(60)):
            received.append(target.get(timeout=PATIENCE))
        victim = chance.randrange(len(team))
        team[victim].kill()
        team[victim].join(PATIENCE)
        team[victim] = start()
    stop.set()
    feeding.result()
    wait_until(source.empty, "the last ones to be taken")
    # What a worker still holds now is put at once, as there is room.
    wait_until(lambda: _settled(target), "the last ones to be handed over")
    while not target.empty():
        received.append(target.get_nowait())
    for process in team:
        process.kill()
        process.join(PATIENCE)
    assert len(received) == len(set(received)), "an item came twice"
    missing = set(sent) - set(received)
    assert len(missing) <= kills, f"{len(missing)} lost by {kills} kills"
    for queue in (source, target):
        queue.close()
        assert not file_of(queue.name).exists()


def _settled(queue) -> bool:
    before = queue.qsize()
    threading.Event().wait(0.05)
    return queue.qsize() == before


def test_calls_at_the_moment_of_a_fork():
    """Threads are in every stage of a call while children are forked and use the queue."""
    with ipc0cp.Queue() as queue, ipc0cp.Queue() as results:
        stop = threading.Event()

        def use() -> int:
            rounds = 0
            while not stop.is_set():
                queue.put(rounds)
                queue.get(timeout=PATIENCE)
                rounds += 1
            return rounds

        using = [Background(use) for _ in range(2)]
        for number in range(20):
            process = FORK.Process(target=workers.put_all, args=(results, [number]), daemon=True)
            process.start()
            assert results.get(timeout=PATIENCE) == number
            process.join(PATIENCE)
            assert process.exitcode == 0
        stop.set()
        assert all(call.result() > 0 for call in using)
        assert queue.empty()
