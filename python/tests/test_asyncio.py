# SPDX-License-Identifier: Apache-2.0
"""Rings in asyncio: nobody polls, and neither messages nor wake-ups get lost."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import time

import numpy as np
import pytest
from helpers import MIB, PATIENCE, run_python, start_python

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

BIG = np.zeros(300_000, np.uint8)


def run(main) -> None:
    """The watchdog: a test that hangs is cancelled and fails."""
    asyncio.run(asyncio.wait_for(main, PATIENCE))


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def fill(producer: Producer) -> int:
    """Pushes until there is no room, not even for one that has waited for long."""
    count = 0
    while await producer.push_async(BIG, 0.2):
        count += 1
    return count


def test_a_waiting_pop_gets_what_is_pushed(ring):
    producer, consumer = ring

    async def main():
        popped = asyncio.create_task(consumer.pop_async())
        await settle()
        assert not popped.done()
        assert await producer.push_async({"a": 1})
        assert await popped == {"a": 1}

    run(main())


def test_iteration_ends_with_the_stream(ring):
    producer, consumer = ring

    async def produce():
        for number in range(500):
            await producer.push_async(number)
            if number % 50 == 0:
                await asyncio.sleep(0)
        producer.close()

    async def main():
        task = asyncio.create_task(produce())
        assert [number async for number in consumer] == list(range(500))
        assert await consumer.pop_async() is None
        await task

    run(main())


def test_time_outs_are_those_of_the_blocking_calls(ring):
    producer, consumer = ring

    async def main():
        for timeout in (0, 0.01):
            with pytest.raises(ipc0cp.Timeout):
                await consumer.pop_async(timeout)
        for timeout in (-1, float("nan")):
            with pytest.raises(ValueError, match="time-out"):
                await consumer.pop_async(timeout)
        await fill(producer)
        assert await producer.push_async(BIG, 0) is False
        assert await producer.push_async(BIG, 0.01) is False

    run(main())


def test_handles_that_do_not_block(ring_name):
    with (
        Consumer(ring_name, MIB, blocking=False) as consumer,
        Producer(ring_name, MIB, blocking=False) as producer,
    ):

        async def main():
            with pytest.raises(ipc0cp.BufferEmpty):
                await consumer.pop_async(5)
            while await producer.push_async(BIG):
                pass

        run(main())


def test_a_waiting_push_goes_on_when_room_comes(ring):
    producer, consumer = ring

    async def main():
        count = await fill(producer)
        waiting = [asyncio.create_task(producer.push_async(BIG)) for _ in range(3)]
        await settle()
        assert not any(task.done() for task in waiting)
        for _ in range(count + 3):
            await consumer.pop_async(copy=True)
        assert all(await asyncio.gather(*waiting))
        assert consumer.stats().messages == 0

    run(main())


def test_a_large_push_is_not_starved_by_small_ones(ring):
    producer, consumer = ring
    whole_ring = np.zeros(4 * MIB - 4096, np.uint8)

    async def push_small():
        with Producer(consumer.name, 4 * MIB) as other:
            while True:
                await other.push_async(BIG)

    async def main():
        others = [asyncio.create_task(push_small()) for _ in range(3)]
        large = asyncio.create_task(producer.push_async(whole_ring))
        while len(await consumer.pop_async(copy=True)) != len(whole_ring):
            await asyncio.sleep(0)
        assert await large
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    run(main())


def test_no_consumers(ring_name):
    with Producer(ring_name, MIB, consumer_wait_timeout=0.05) as producer:

        async def main():
            with pytest.raises(ipc0cp.NoConsumers):
                await producer.push_async(b"x")
            waiting = asyncio.create_task(patient.push_async(b"first"))
            await settle()
            with Consumer(ring_name, MIB) as consumer:
                assert await waiting
                assert await consumer.pop_async() == b"first"
            with pytest.raises(ipc0cp.NoConsumers):
                await patient.push_async(b"x")

        with Producer(ring_name, MIB) as patient:
            run(main())


def test_closing_ends_all_waits(ring):
    producer, consumer = ring

    async def main():
        pops = [asyncio.create_task(consumer.pop_async()) for _ in range(20)]
        await settle()
        consumer.close()
        for outcome in await asyncio.gather(*pops, return_exceptions=True):
            assert isinstance(outcome, ipc0cp.Closed)
        with pytest.raises(ipc0cp.NoConsumers):
            await producer.push_async(b"x")

    run(main())


def test_an_object_that_cannot_be_pushed(ring):
    producer, _ = ring
    with pytest.raises(ipc0cp.UnsupportedType):
        run(producer.push_async(object()))


# ---- cancellation -------------------------------------------------------------------------------


def test_ten_thousand_cancellations_lose_nothing(ring):
    producer, consumer = ring
    seed = random.randrange(2**32)
    print("seed", seed)
    dice = random.Random(seed)
    received: list[int] = []
    cancelled = 0

    async def receive():
        received.append(await consumer.pop_async())

    async def main():
        nonlocal cancelled
        sent = 0
        tasks: list[asyncio.Task[None]] = []
        while cancelled < 10_000:
            tasks += [asyncio.create_task(receive()) for _ in range(dice.randrange(6))]
            for _ in range(dice.randrange(3)):
                producer.push(sent)
                sent += 1
            await asyncio.sleep(0 if dice.random() < 0.9 else 0.0002)
            for task in tasks:
                if dice.random() < 0.4:
                    cancelled += task.cancel()
            tasks = [task for task in tasks if not task.done()]
        # Whoever waits now is owed what is queued, without any further push.
        while len(received) < sent:
            await receive()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(received) == list(range(sent))

    run(main())


def test_cancelled_pushes_have_pushed_nothing(ring):
    producer, consumer = ring

    async def main():
        count = await fill(producer)
        waiting = [asyncio.create_task(producer.push_async(BIG)) for _ in range(10)]
        await settle()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for _ in range(count):
            await consumer.pop_async(copy=True)
        with pytest.raises(ipc0cp.Timeout):
            await consumer.pop_async(0)

    run(main())


# ---- many waits, many loops, other processes ----------------------------------------------------


def test_a_thousand_idle_waits_are_one_sleeping_thread(ring):
    producer, consumer = ring

    async def main():
        waiting = [asyncio.create_task(consumer.pop_async()) for _ in range(1000)]
        await settle()
        threads = threading.active_count()
        before = time.process_time()
        sleeps_before = consumer.stats().consumer_waits
        await asyncio.sleep(1.0)
        print(f"{time.process_time() - before:.4f} s of processor time in 1 s of 1,000 waits")
        assert threading.active_count() == threads  # None of Python's.
        assert consumer.stats().consumer_waits == sleeps_before  # Nobody was woken to look.
        for number in range(1000):
            producer.push(number)
        assert sorted(await asyncio.gather(*waiting)) == list(range(1000))

    run(main())


def test_loops_of_several_threads_share_a_handle(ring):
    producer, consumer = ring
    received: list[int] = []

    async def receive():
        async for number in consumer:
            received.append(number)

    threads = [threading.Thread(target=asyncio.run, args=(receive(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(3000):
        producer.push(number)
    producer.close()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert sorted(received) == list(range(3000))


def test_a_loop_that_closed_leaves_its_wake_ups_to_others(ring):
    producer, consumer = ring

    async def wait_in_vain():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(consumer.pop_async(), 0.01)

    for _ in range(5):
        asyncio.run(wait_in_vain())

    async def main():
        popped = asyncio.create_task(consumer.pop_async())
        await settle()
        producer.push(b"x")
        assert await popped == b"x"

    run(main())


KILLED = """
import sys, ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 4 << 20)
producer.push(b"before")
print("ready")
sys.stdin.read()
"""


def test_the_end_of_the_stream_comes_after_a_kill(ring_name):
    with Consumer(ring_name, 4 * MIB) as consumer:

        async def main(process):
            assert await consumer.pop_async() == b"before"
            end = asyncio.create_task(consumer.pop_async())
            await settle()
            process.kill()
            assert await end is None

        with start_python(KILLED, ring_name) as process:
            assert process.stdout.readline() == "ready\n"
            run(main(process))


LEFT_WAITING = """
import asyncio, os, sys, ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1], 4 << 20)

async def main():
    task = asyncio.create_task(consumer.pop_async())
    await asyncio.sleep(0.05)
    if sys.argv[2] == "fork":
        if os.fork() == 0:
            del consumer_of[:]
            os._exit(0)
        assert os.wait()[1] == 0
    elif sys.argv[2] == "threads":
        import threading
        threading.Thread(target=asyncio.run, args=(forever(),), daemon=True).start()
        await asyncio.sleep(0.1)

async def forever():
    await consumer.pop_async()

consumer_of = [consumer]
asyncio.run(main())
"""


@pytest.mark.parametrize("what", ["nothing", "fork", "threads"])
def test_an_interpreter_ends_with_waits_under_way(ring_name, what):
    result = run_python(LEFT_WAITING, ring_name, what, timeout=PATIENCE)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_import_is_lazy():
    program = "import sys, ipc0cp; assert 'asyncio' not in sys.modules"
    assert run_python(program).returncode == 0


def test_descriptors_are_given_back(ring_name):
    def open_files() -> int:
        gc.collect()  # Tasks of asyncio refer to themselves.
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    before = open_files()
    for _ in range(5):
        with Consumer(ring_name, MIB) as consumer, Producer(ring_name, MIB) as producer:

            async def main(consumer, producer):
                task = asyncio.create_task(consumer.pop_async())
                await settle()
                await producer.push_async(b"x")
                await task

            run(main(consumer, producer))
        del consumer, producer
    assert open_files() == before
