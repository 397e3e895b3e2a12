# SPDX-License-Identifier: Apache-2.0
"""Subscribers in processes: started in every way, forked, killed, in both languages."""

from __future__ import annotations

import contextlib
import gc
import signal

import numpy as np
import pytest
from helpers import MIB, PATIENCE, file_of, run_python, start_python
from workers import Worker, wait_until

from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

MESSAGES = 300


def message(number: int) -> np.ndarray:
    """Small, copied or viewed."""
    return np.full((10, 500, 3000)[number % 3], number)


def read_all(consumer: Consumer, answers: Consumer) -> None:
    """Sends what came: how many, whether in order and whole, and how many were missed."""
    with consumer:
        numbers = []
        for array in consumer:
            assert (array == array[0]).all()
            numbers.append(int(array[0]))
        missed = consumer.missed
    # Last: who has all answers ends what is left of the processes.
    with Producer(answers, MIB) as answer:
        answer.push([len(numbers), numbers == sorted(set(numbers)), missed])


@pytest.mark.parametrize("broadcast", [False, True], ids=["beside a worker", "broadcast"])
def test_processes_of_every_kind(ring_name, start, broadcast):
    answers = f"{ring_name}.answers"
    with contextlib.ExitStack() as ends:
        results = ends.enter_context(Consumer(answers, MIB, expected_producers=3))
        producer = ends.enter_context(Producer(ring_name, MIB, broadcast=broadcast))
        worker = None if broadcast else ends.enter_context(Consumer(ring_name))
        for overflow in ("block", "block", "drop_oldest"):
            # A handle is handed over as an option of the child: it joins there.
            reader = Consumer(ring_name, subscribe=True, overflow=overflow, auto_attach=False)
            start(attach_and_read, reader, answers)
        wait_until(lambda: producer.stats().active_subscribers == 3, "three subscribers")
        for number in range(MESSAGES):
            assert producer.push(message(number), PATIENCE)
            if worker is not None:
                assert int(worker.pop(PATIENCE)[0]) == number
        producer.close()
        counts = sorted(results.pop(PATIENCE) for _ in range(3))
    assert all(in_order for _, in_order, _ in counts)
    assert [count + missed for count, _, missed in counts] == [MESSAGES] * 3
    assert sum(missed == 0 for _, _, missed in counts) >= 2


def attach_and_read(reader: Consumer, answers: str) -> None:
    reader.attach(PATIENCE)
    read_all(reader, answers)


FORK = """
import os, sys
import numpy as np
import ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 4 << 20, broadcast=True)
one = ipc0cp.SharedRingBufferConsumer(sys.argv[1], subscribe=True)
two = ipc0cp.SharedRingBufferConsumer(sys.argv[1], subscribe=True)
frame = np.arange(10_000.0)
producer.push(frame)
producer.push("next")
view = one.pop()
child = os.fork()
if child == 0:
    try:
        assert (view == frame).all(), "the child has a copy of what was in hand"
        try:
            one.pop(0)
            raise AssertionError("a forked handle works")
        except ipc0cp.ForkedHandle:
            pass
        with ipc0cp.SharedRingBufferConsumer(sys.argv[1], subscribe=True) as own:
            pushes = ipc0cp.SharedRingBufferProducer(sys.argv[1], 4 << 20, broadcast=True)
            pushes.push("from the child")
            assert own.pop(10) == "from the child"
            pushes.close()
        del view
        os._exit(0)
    except BaseException as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert (view == frame).all()
assert [one.pop(10) for _ in range(2)] == ["next", "from the child"]
del view
assert (two.pop(10) == frame).all()
assert [two.pop(10) for _ in range(2)] == ["next", "from the child"]
print(producer.stats().used_bytes, one.missed, two.missed)
"""


def test_a_fork_with_a_view_in_hand(ring_name):
    finished = run_python(FORK, ring_name)
    assert finished.stdout == "0 0 0\n", finished.stderr


DOOMED = """
import sys, ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1], subscribe=True, overflow=sys.argv[2])
print("here", flush=True)
kept = [consumer.pop() for _ in range(int(sys.argv[3]))]
print("kept", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def doomed(name: str, overflow: str = "block", keeps: int = 0):
    with start_python(DOOMED, name, overflow, str(keeps)) as process:
        try:
            assert process.stdout.readline() == "here\n"
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("keeps", [0, 3])
def test_a_killed_subscriber_holds_nobody_up(ring_name, keeps):
    with (
        Producer(ring_name, MIB, broadcast=True, max_messages=8) as producer,
        Consumer(ring_name, subscribe=True) as living,
        doomed(ring_name, keeps=keeps) as process,
    ):
        for number in range(8):
            producer.push(message(number))
        assert process.stdout.readline() == "kept\n"
        assert [int(living.pop(PATIENCE)[0]) for _ in range(8)] == list(range(8))
        gc.collect()
        assert producer.stats().most_unread == 8 - keeps
        if keeps == 0:
            assert not producer.push(message(8), 0)
        process.kill()
        process.wait(PATIENCE)
        for number in range(8, 40):
            assert producer.push(message(number), PATIENCE)
            assert int(living.pop(PATIENCE)[0]) == number
        gc.collect()
        stats = producer.stats()
        assert (stats.used_bytes, stats.active_subscribers, stats.lost) == (0, 1, 0)
        assert living.missed == 0


def test_a_stopped_subscriber_that_drops_slows_nobody(ring_name):
    with (
        Producer(ring_name, MIB, broadcast=True, max_messages=8) as producer,
        doomed(ring_name, "drop_oldest") as process,
    ):
        process.send_signal(signal.SIGSTOP)
        for number in range(200):
            assert producer.push(message(number), PATIENCE)
        assert producer.stats().messages <= 8
    file_of(ring_name).unlink()  # Nobody was left to remove it.


def ledgers(workers: list[Worker]) -> list[list[tuple[int, int]]]:
    return [worker.ledger.entries() for worker in workers]


@pytest.mark.parametrize("languages", ["cccc", "pppp", "cpcp"])
def test_producers_workers_and_subscribers_in_both_languages(tmp_path, ring_name, languages):
    """Each message to one worker and to every subscriber, every byte checked."""
    spoken = {"c": "cpp", "p": "python"}
    first, second, third, fourth = (spoken[letter] for letter in languages)
    common = {"name": ring_name, "total": MIB, "max": 100_000, "expected": 2}
    started: list[Worker] = []

    def begin(language: str, **options: object) -> Worker:
        started.append(Worker(tmp_path, language, **common, **options))
        return started[-1]

    try:
        workers = [begin(first, role="consume", seed=1), begin(second, role="consume", seed=2)]
        readers = [
            begin(third, role="consume", seed=3, subscribe="block", hold=2),
            begin(fourth, role="consume", seed=4, subscribe="block"),
        ]
        for one in started:
            one.wait_ready()
        producers = [
            begin(language, role="produce", id=number, seed=number, count=250)
            for number, language in enumerate((second, first), 1)
        ]
        for one in started:
            one.finish(2 * PATIENCE)
    finally:
        for one in started:
            one.kill()
    sent = {(one.id, number) for one in producers for number in range(250)}
    for entries in ledgers(readers):
        assert len(entries) == len(sent) and set(entries) == sent
        for producer in (1, 2):
            of_one = [number for sender, number in entries if sender == producer]
            assert of_one == sorted(of_one)
    taken = [entry for entries in ledgers(workers) for entry in entries]
    assert len(taken) == len(sent) and set(taken) == sent
