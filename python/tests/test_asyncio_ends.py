# SPDX-License-Identifier: Apache-2.0
"""Waits in asyncio that end in other ways: forks, collection, a system without threads."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time

import numpy as np
import pytest
from helpers import MIB, PATIENCE, Background, run_python

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer


def run(main) -> None:
    """The watchdog: a test that hangs is cancelled and fails."""
    asyncio.run(asyncio.wait_for(main, PATIENCE))


def wait_until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def wait_for_child(pid: int) -> int:
    """The exit code of a child; one that hangs is killed and fails the test."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError("the child hangs")


@pytest.mark.parametrize("what", ["drop", "use"])
def test_a_forked_child_drops_handles_that_the_parent_waited_with(ring_name, what):
    consumer = Consumer(ring_name, MIB)
    producer = Producer(ring_name, MIB)

    async def wait():
        with pytest.raises(ipc0cp.Timeout):
            await consumer.pop_async(0.02)
        assert await producer.push_async(b"x")
        assert await consumer.pop_async() == b"x"

    run(wait())
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if what == "use":
                with pytest.raises(ipc0cp.ForkedHandle):
                    asyncio.run(consumer.pop_async(1))
            del consumer, producer, wait
            gc.collect()
            code = 0
        finally:
            os._exit(code)
    assert wait_for_child(pid) == 0
    run(wait())
    producer.close()
    consumer.close()


def abandon_a_wait(consumer: Consumer) -> None:
    """Leaves a task that waits to the collector; its loop is closed."""
    loop = asyncio.new_event_loop()

    async def main():
        task = asyncio.ensure_future(consumer.pop_async())
        await asyncio.sleep(0.01)
        task._log_destroy_pending = False
        del task

    loop.run_until_complete(main())
    loop.close()


@pytest.mark.parametrize("threshold", [1, 2, 10])
def test_abandoned_waits_are_collected_in_the_middle_of_others(ring, threshold):
    producer, consumer = ring
    thresholds = gc.get_threshold()
    gc.disable()
    for _ in range(5):
        abandon_a_wait(consumer)

    async def main():
        for number in range(20):
            task = asyncio.ensure_future(consumer.pop_async())
            await asyncio.sleep(0.001)
            producer.push(number)
            assert await task == number

    try:
        gc.set_threshold(threshold)
        gc.enable()
        run(main())
    finally:
        gc.set_threshold(*thresholds)
        gc.enable()


def test_the_wake_up_of_an_abandoned_wait_goes_to_the_next(ring):
    producer, consumer = ring
    stopped = asyncio.new_event_loop()

    async def begin():
        tasks.append(asyncio.ensure_future(consumer.pop_async()))
        await asyncio.sleep(0.01)
        tasks[0]._log_destroy_pending = False

    tasks: list[asyncio.Task] = []
    stopped.run_until_complete(begin())
    waiting = consumer._awaited._waiters._waiting
    assert len(waiting) == 1
    other = Background(asyncio.run, consumer.pop_async(PATIENCE))
    wait_until(lambda: len(waiting) == 2)
    producer.push(b"x")
    wait_until(lambda: len(waiting) == 1)  # The oldest one is woken, but its loop does not run.
    tasks.clear()
    stopped.close()
    gc.collect()
    assert other.result() == b"x"


WITHOUT_THREADS = """
import asyncio, resource, signal, sys
import ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1], 1 << 20)
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20)

async def pop():
    return await asyncio.wait_for(consumer.pop_async(0.5), 20)

async def main():
    import ipc0cp.aio  # While there is memory for it.
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, unlimited[1]))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        await pop()
    except ipc0cp.SystemFailure as error:
        print(error.errno, error)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    resource.setrlimit(resource.RLIMIT_AS, unlimited)
    try:
        await pop()
    except ipc0cp.Timeout:
        print("waits")
    assert await producer.push_async(b"x") and await pop() == b"x"

asyncio.run(main())
"""


def test_a_thread_that_cannot_be_started_is_a_system_failure(ring_name):
    result = run_python(WITHOUT_THREADS, ring_name, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
    refusal, waits = result.stdout.splitlines()
    assert "RLIMIT_AS (ulimit -v) is 1048576" in refusal
    assert ring_name in refusal
    assert waits == "waits"


def test_what_is_enough_for_one_does_not_wait_for_another(ring):
    """The large one waits for views that are kept; in the room that is left the small ones go."""
    producer, consumer = ring
    large = np.zeros(4 * MIB - 4096, np.uint8)
    small_one = np.zeros(300_000, np.uint8)

    async def main():
        assert await producer.push_async(large)
        view = await consumer.pop_async()
        assert await producer.push_async(large, PATIENCE)  # Into the relief block.
        assert not await producer.push_async(small_one, 0.05)
        small = asyncio.create_task(producer.push_async(small_one))
        waiting = asyncio.create_task(producer.push_async(large))
        await asyncio.sleep(0.05)
        assert not small.done() and not waiting.done()
        await consumer.pop_async(copy=True)  # The relief block is free, which both could use.
        await asyncio.wait([small, waiting], return_when=asyncio.FIRST_COMPLETED)
        del view
        while len(await consumer.pop_async(copy=True)) != len(small_one):
            pass
        assert await small
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    run(main())
