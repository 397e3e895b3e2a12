# SPDX-License-Identifier: Apache-2.0
"""Interpreters that end, are interrupted, fork and spawn, with rings in whatever state."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import threading
import time

import pytest
from helpers import MIB, PATIENCE, Background, file_of, run_python, start_python

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

DAEMONS_IN_POP = """
import sys, threading, ipc0cp
name, rounds = sys.argv[1], 4
consumer = ipc0cp.SharedRingBufferConsumer(name, 1 << 20)
producer = ipc0cp.SharedRingBufferProducer(name, 1 << 20)
entered = threading.Semaphore(0)

def pop():
    while True:
        entered.release()
        try:
            consumer.pop()
        except ipc0cp.Closed:
            return

def push():
    while True:
        entered.release()
        try:
            producer.push({"some": ["json"]}, timeout=0.001)
        except ipc0cp.Closed:
            return

for target in (pop, pop, pop, push):
    threading.Thread(target=target, daemon=True).start()
for _ in range(rounds):
    entered.acquire()
"""


def test_fifty_exits_with_daemon_threads_in_pop(ring_name):
    for _ in range(50):
        result = run_python(DAEMONS_IN_POP, ring_name)
        assert (result.returncode, result.stderr) == (0, "")
        assert not file_of(ring_name).exists()


def test_exit_closes_what_is_still_open(ring_name):
    with Producer(ring_name, MIB) as producer:
        program = (
            "import sys, ipc0cp\n"
            "keep = ipc0cp.SharedRingBufferConsumer(sys.argv[1])\n"
            "print(keep.pop(20))\n"
        )
        popping = Background(run_python, program, ring_name)
        assert producer.push(b"x", timeout=20)
        assert popping.result().stdout == "b'x'\n"
        stats = producer.stats()
        assert (stats.active_consumers, stats.repaired_deaths) == (0, 0)


def test_hooks_that_run_later_find_closed_handles(ring_name):
    program = (
        "import atexit, sys\n"
        "def late():\n"
        "    try: consumer.pop(0)\n"
        "    except ipc0cp.Closed: print('closed')\n"
        "atexit.register(late)\n"  # Registered earlier, so it runs later.
        "import ipc0cp\n"
        "consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1], 1 << 20)\n"
    )
    result = run_python(program, ring_name)
    assert (result.returncode, result.stdout, result.stderr) == (0, "closed\n", "")


BLOCKED = """
import sys, time, ipc0cp
name, what = sys.argv[1:]
consumer = ipc0cp.SharedRingBufferConsumer(name, 1 << 20)
producer = ipc0cp.SharedRingBufferProducer(name, 1 << 20)
while what != "pop" and producer.push(bytes(100_000), 0.3):
    pass  # A waiting push may still get the reserve behind the ring.
call = {
    "pop": consumer.pop,
    "push": lambda: producer.push(bytes(100_000)),
    "push_list": lambda: producer.push([bytes(100_000)]),
    "loan": lambda: producer.loan(100_000),
    "attach": lambda: ipc0cp.SharedRingBufferConsumer(name + ".other"),
}[what]
print("ready")
try:
    call()
except KeyboardInterrupt:
    print(time.monotonic())
"""


@pytest.mark.parametrize("what", ["pop", "push", "push_list", "loan", "attach"])
def test_ctrl_c(ring_name, what):
    with start_python(BLOCKED, ring_name, what) as process:
        assert process.stdout.readline() == "ready\n"
        threading.Event().wait(0.2)  # Into the call; before it the signal works anyway.
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        ended = float(process.stdout.readline())
        assert process.wait(PATIENCE) == 0
    # 100 ms are promised on an idle machine; a unit test only tells them from "never".
    assert ended - sent < 5


def test_signal_handlers_run_during_a_blocked_call(ring):
    producer, consumer = ring
    previous = signal.signal(signal.SIGUSR1, lambda *_: producer.push(b"from the handler"))
    try:
        sender = Background(lambda: os.kill(os.getpid(), signal.SIGUSR1))
        assert consumer.pop(20) == b"from the handler"
        sender.result()
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_an_exception_of_a_signal_handler_passes_through(ring):
    class HandlerError(Exception):
        pass

    def handler(*_):
        raise HandlerError

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(HandlerError):
            signal.raise_signal(signal.SIGUSR1)
            ring[1].pop(20)
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        with pytest.raises(HandlerError):
            ring[1].pop(20)
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)


def child_pops(consumer, results):
    results.put([bytes(item) for item in consumer])
    consumer.close()


def child_pushes(producer, count):
    for number in range(count):
        producer.push(b"%d" % number)
    # Not closed on purpose: multiprocessing ends the process without destructors.
    globals()["kept_until_exit"] = producer


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_handles_pickle_to_children(ring_name, method):
    context = multiprocessing.get_context(method)
    results = context.SimpleQueue()
    with Consumer(ring_name, MIB) as here, Producer(ring_name, MIB) as producer:
        popping = context.Process(target=child_pops, args=(here, results), daemon=True)
        popping.start()
        pushing = context.Process(target=child_pushes, args=(producer, 5), daemon=True)
        pushing.start()
        pushing.join(PATIENCE)
        assert pushing.exitcode == 0
        assert here.stats().repaired_deaths == 0
        producer.close()
        rest = list(here)
        received = results.get()
        popping.join(PATIENCE)
        assert sorted(received + rest) == [b"%d" % number for number in range(5)]


def test_pickling_keeps_the_options(ring_name):
    with (
        Consumer(ring_name, MIB, blocking=False) as consumer,
        Producer(ring_name, MIB, blocking=False) as producer,
        pickle.loads(pickle.dumps(consumer)) as other_consumer,
        pickle.loads(pickle.dumps(producer)) as other_producer,
    ):
        stats = consumer.stats()
        assert (stats.active_producers, stats.active_consumers) == (2, 2)
        other_producer.push(b"x")
        assert other_consumer.pop() == b"x"
        with pytest.raises(ipc0cp.BufferEmpty):
            other_consumer.pop()


def test_garbage_collection_closes(ring_name):
    consumer = Consumer(ring_name, MIB)
    producer = Producer(ring_name, MIB)
    cycle = [producer]
    cycle.append(cycle)
    del producer, cycle
    gc.collect()
    assert consumer.stats().active_producers == 0
    del consumer
    assert not file_of(ring_name).exists()


def test_many_threads_on_one_handle(ring_name):
    count, workers = 2000, 4
    with Consumer(ring_name, 4 * MIB) as consumer:
        producer = Producer(ring_name, 4 * MIB)

        def push(worker):
            for number in range(count):
                assert producer.push([worker, number] if number % 2 else b"%d" % worker)

        popping = [Background(lambda: list(consumer)) for _ in range(workers)]
        pushing = [Background(push, worker) for worker in range(workers)]
        for push_thread in pushing:
            push_thread.result()
        producer.close()
        received = [item for pop_thread in popping for item in pop_thread.result()]
        assert len(received) == count * workers
        pairs = sorted(tuple(item) for item in received if type(item) is list)
        assert pairs == [(w, n) for w in range(workers) for n in range(1, count, 2)]


def test_blocked_calls_let_other_threads_run(ring):
    popping = Background(ring[1].pop)
    assert sum(range(100_000)) > 0
    ring[0].push(b"x")
    assert popping.result() == b"x"
