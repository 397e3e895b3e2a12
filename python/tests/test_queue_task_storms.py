# SPDX-License-Identifier: Apache-2.0
"""Tasks and shutdown where processes are killed, and where threads come at the same moment."""

from __future__ import annotations

import multiprocessing
import random

import numpy as np
import pytest
import queue_workers as workers
from helpers import Background
from queue_workers import PATIENCE, wait_until

import ipc0cp
from ipc0cp._queue.ends import QueueConsumer

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def queue():
    with ipc0cp.Queue() as made:
        yield made


def unfinished(queue) -> int:
    return queue._share.pushed() - queue._share.tasks.finished


# ---- killed --------------------------------------------------------------------------------------

STAGES = [workers.take_copy_and_stop, workers.take_and_stop]


@pytest.mark.parametrize("hold", STAGES, ids=["copy", "view"])
def test_a_process_killed_between_get_and_task_done(context, start, queue, hold, caplog):
    """As with multiprocessing, its task stays unfinished; no lock is left, and `join` says why."""
    taken = context.Event()
    queue.put(np.zeros(1_000_000))
    process = start(hold, queue, taken)
    assert taken.wait(PATIENCE)
    process.kill()
    process.join(PATIENCE)
    joining = Background(queue.join)
    queue.put("another")
    queue.get(timeout=PATIENCE)
    queue.task_done()
    joining.join(0.2)
    assert joining.is_alive()
    if hold is workers.take_and_stop:  # The ring has seen only that one die.
        wait_until(lambda: "1 were lost" in caplog.text, "join to say it")
    queue.task_done()  # Whoever knows may say so.
    joining.result()
    assert caplog.text.count("join waits") <= 1


def test_a_finished_task_counts_once_though_its_view_dies(context, start, queue):
    """The ring counts the view as lost; `join` must not take that for another finished task."""
    finished = context.Event()
    queue.put(np.zeros(1_000_000))
    process = start(workers.finish_and_stop, queue, finished)
    assert finished.wait(PATIENCE)
    queue.put("not finished")
    process.kill()
    process.join(PATIENCE)
    wait_until(lambda: workers.stats_of(queue).lost == 1, "the view to be found lost")
    assert unfinished(queue) == 1
    joining = Background(queue.join)
    joining.join(0.2)
    assert joining.is_alive(), "an item is queued"
    queue.get(timeout=PATIENCE)
    queue.task_done()
    joining.result()


def test_workers_that_are_killed_at_any_moment():
    """Each kill leaves at most the one task that the worker had in its hands."""
    kills = 60
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with ipc0cp.Queue(20) as queue:

        def start():
            process = FORK.Process(target=workers.finish_without_end, args=(queue,), daemon=True)
            process.start()
            return process

        team = [start() for _ in range(3)]
        for _ in range(kills):
            for number in range(chance.randrange(1, 60)):
                queue.put(bytes(chance.randrange(3000)) if number % 2 else number, timeout=PATIENCE)
            victim = chance.randrange(len(team))
            team[victim].kill()
            team[victim].join(PATIENCE)
            team[victim] = start()
        wait_until(queue.empty, "the last ones to be taken")
        before = -1
        while before != (before := unfinished(queue)):  # What the living have in their hands.
            Background(queue.join).join(0.2)
        for process in team:
            process.kill()
            process.join(PATIENCE)
        left = unfinished(queue)
        assert 0 <= left <= kills
        joining = Background(queue.join)
        for _ in range(left):
            assert joining.is_alive()
            queue.task_done()
        joining.result()
        with pytest.raises(ValueError, match="too many times"):
            queue.task_done()


# ---- at the same moment --------------------------------------------------------------------------


def test_threads_that_finish_and_join_at_once(queue):
    count, size = 500, 4

    def work() -> None:
        for _ in range(count):
            queue.get(timeout=PATIENCE)
            queue.task_done()

    working = [Background(work) for _ in range(size)]
    putting = [Background(workers.put_all, queue, range(count)) for _ in range(size)]
    for call in putting:
        call.result()
    for call in [Background(queue.join) for _ in range(3)]:
        call.result()
    assert unfinished(queue) == 0
    for call in working:
        call.result()


def test_what_was_put_before_a_shutdown_is_got(queue, monkeypatch):
    """Also by a get whose patience ends, with nothing there, right before the put."""
    take = QueueConsumer.take

    def give_up_at_first(consumer, seconds, copy):
        if queue.is_shutdown:
            return take(consumer, seconds, copy)
        with pytest.raises(ipc0cp.Timeout):
            take(consumer, 0, copy)
        queue.put("last")
        queue.shutdown()
        raise ipc0cp.Timeout("nothing came in time")

    monkeypatch.setattr(QueueConsumer, "take", give_up_at_first)
    assert queue.get() == "last"
    with pytest.raises(ipc0cp.ShutDown):
        queue.get()


def test_nothing_is_left_by_an_immediate_shutdown_among_puts():
    """Also not what is put while it drops what it finds."""
    for _ in range(60):
        with ipc0cp.Queue(4, total_data_bytes=1 << 16) as queue:
            putting = [Background(workers.put_all, queue, [1] * 100_000) for _ in range(3)]
            wait_until(queue.full, "puts that wait for room")
            queue.shutdown(immediate=True)
            for call in putting:
                with pytest.raises(ipc0cp.ShutDown):
                    call.result()
            assert queue.qsize() == 0
            Background(queue.join).result()
