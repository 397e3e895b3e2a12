# SPDX-License-Identifier: Apache-2.0
"""Producers that give up old messages, or the new one, and consumers that want the newest."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import threading

import numpy as np
import pytest
from helpers import MIB, PATIENCE, SHM
from small_memory import run_in_small_shm

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

KIB = 1024


@pytest.fixture
def consumer(ring_name):
    with Consumer(ring_name, MIB) as consumer:
        yield consumer


@pytest.fixture
def live(ring_name):
    """Makes producers of the ring."""
    with contextlib.ExitStack() as producers:

        def make(overflow, **options):
            made = Producer(ring_name, MIB, overflow=overflow, **options)
            return producers.enter_context(made)

        yield make


@pytest.fixture
def small(ring_name):
    """Makes both ends of a ring of few messages; whoever comes first says how many."""
    with contextlib.ExitStack() as ends:

        def make(overflow, max_messages):
            producer = Producer(ring_name, MIB, overflow=overflow, max_messages=max_messages)
            return ends.enter_context(producer), ends.enter_context(Consumer(ring_name))

        yield make


def frame(number: int, bytes_each: int = 64 * KIB) -> np.ndarray:
    return np.full(bytes_each, number, np.uint8)


def numbers(consumer: Consumer) -> list[int]:
    """Of all that is queued."""
    got = []
    while consumer.stats().messages:
        got.append(int(consumer.pop(PATIENCE)[0]))
    return got


@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_drop_oldest_keeps_the_newest(consumer, live, timeout):
    producer = live("drop_oldest")
    for number in range(40):
        assert producer.push(frame(number), timeout)
    left = numbers(consumer)
    assert left == list(range(40 - len(left), 40))
    stats = consumer.stats()
    assert 10 <= len(left) <= 16
    assert (stats.overflowed, stats.popped, stats.refused) == (40 - len(left), len(left), 0)


def test_drop_oldest_leaves_what_is_viewed(consumer, live):
    producer = live("drop_oldest")
    producer.push(frame(7, 600 * KIB))
    view = consumer.pop()
    for number in range(20):
        assert producer.push(frame(number))
    assert not producer.push(frame(1, 900 * KIB), 0)
    assert (view == 7).all()
    assert numbers(consumer)[-1] == 19


def test_depth_1_is_a_latest_value(consumer, live):
    producer = live("drop_oldest", depth=1)
    for number in range(10):
        producer.push({"number": number})
        assert consumer.stats().messages == 1
    assert consumer.pop() == {"number": 9}
    assert consumer.stats().overflowed == 9


def test_a_loan_gives_nothing_up_before_it_is_published(consumer, live):
    producer = live("drop_oldest", depth=1)
    producer.push(frame(1))
    with producer.loan(64 * KIB) as array:
        array[...] = 2
        assert consumer.stats().messages == 1
        assert consumer.stats().overflowed == 0
    with pytest.raises(KeyError), producer.loan(64 * KIB):
        raise KeyError("abandoned")
    assert int(consumer.pop()[0]) == 2


def test_batches_give_old_messages_up_too(small):
    producer, consumer = small("drop_oldest", 64)
    assert producer.push_many(range(1000)) == 1000
    assert producer.push_many(np.arange(1000)) == 1000
    assert [int(number) for number in consumer.pop_many(100)] == list(range(936, 1000))
    assert consumer.stats().overflowed == 2000 - 64


def test_drop_newest_refuses_at_once_and_counts(small):
    producer, consumer = small("drop_newest", 3)
    assert [producer.push(number) for number in range(5)] == [True] * 3 + [False] * 2
    assert not producer.push_raw("", b"x")
    assert not producer.push(frame(1))
    with pytest.raises(ipc0cp.BufferFull):
        producer.loan(10)
    assert producer.push_many([1, 2, 3]) == 0
    stats = producer.stats()
    assert (stats.refused, stats.overflowed, stats.messages) == (6, 0, 3)
    assert [consumer.pop() for _ in range(3)] == [0, 1, 2]
    assert producer.push(5)


def test_others_of_the_ring_do_as_they_say(small, live):
    newest, consumer = small("drop_newest", 2)
    blocking = live("block")
    assert newest.push(1)
    assert newest.push(2)
    assert not newest.push(3)
    with pytest.raises(ipc0cp.Timeout):
        blocking.loan(10, timeout=0.01)
    assert not blocking.push(3, 0.01)
    assert live("drop_oldest").push(4)
    assert [consumer.pop(), consumer.pop()] == [2, 4]


def test_drop_newest_waits_for_a_first_consumer(ring_name):
    with Producer(ring_name, MIB, overflow="drop_newest", consumer_wait_timeout=0.05) as producer:
        with pytest.raises(ipc0cp.NoConsumers):
            producer.push(1)
        with Consumer(ring_name):
            assert producer.push(1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 1}, ["depth=1", "overflow='drop_oldest'", "max_messages"]),
        ({"depth": 2, "overflow": "drop_newest"}, ["depth=2", "overflow='drop_oldest'"]),
    ],
)
def test_depth_needs_drop_oldest(ring_name, options, said):
    with pytest.raises(ipc0cp.InvalidArgument) as raised:
        Producer(ring_name, MIB, **options)
    assert all(word in str(raised.value) for word in said)


def test_the_options_travel_with_the_handle(consumer, live):
    producer = live("drop_oldest", depth=2)
    with pickle.loads(pickle.dumps(producer)) as other:
        for number in range(5):
            other.push(number)
        assert [consumer.pop(), consumer.pop()] == [3, 4]


LITTLE_MEMORY = """
import pathlib, sys
import ipc0cp
MIB = 1 << 20
space = pathlib.Path(sys.argv[2])
with (
    ipc0cp.SharedRingBufferProducer(sys.argv[1], 48 * MIB, overflow="drop_oldest") as producer,
    ipc0cp.SharedRingBufferConsumer(sys.argv[1]) as consumer,
):
    (space / "others").write_bytes(bytes(56 * MIB))
    print(all(producer.push(bytes([number]) * MIB, number % 2 * 5) for number in range(40)))
    before = producer.stats()
    try:
        producer.push(bytes(40 * MIB))
    except ipc0cp.NoSpace as error:
        print("NoSpace", producer.stats().overflowed - before.overflowed)
    got = [consumer.pop()[0] for _ in range(before.messages)]
    print(got == list(range(40 - len(got), 40)), before.overflowed == 40 - len(got), len(got) > 1)
"""


def test_without_memory_it_goes_on_with_what_it_has(ring_name):
    output = run_in_small_shm(LITTLE_MEMORY, ring_name, str(SHM))
    assert output.splitlines() == ["True", "NoSpace 0", "True True True"]


# ---- pop_latest -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [int, lambda n: {"n": n}, frame], ids=["int", "dict", "array"])
def test_pop_latest_takes_the_newest(ring, make):
    producer, consumer = ring
    for number in range(20):
        producer.push(make(number))
    assert np.array_equal(consumer.pop_latest(), make(19))
    stats = consumer.stats()
    assert (stats.overflowed, stats.popped, stats.messages) == (19, 1, 0)
    producer.push(make(1))
    copied = consumer.pop_latest(1, copy=True)
    assert np.array_equal(copied, make(1))
    if isinstance(copied, np.ndarray):
        assert copied.flags.writeable


def test_pop_latest_waits_ends_and_fails_like_pop(ring):
    producer, consumer = ring
    for timeout in (0, 0.01):
        with pytest.raises(ipc0cp.Timeout):
            consumer.pop_latest(timeout)
    with pytest.raises(ipc0cp.InvalidArgument):
        consumer.pop_latest(-1)
    with pytest.raises(TypeError, match="copy"):
        consumer.pop_latest(0, copy=1)
    threading.Timer(0.02, producer.push, [b"late"]).start()
    assert consumer.pop_latest(PATIENCE) == b"late"
    producer.push_raw({"type": "ndarray", "version": "1.0", "dtype": "<f4", "shape": [3]}, b"bad")
    with pytest.raises(ipc0cp.CorruptPayload):
        consumer.pop_latest()
    assert consumer.stats().dropped == 1
    producer.close()
    assert consumer.pop_latest() is None
    consumer.close()
    with pytest.raises(ipc0cp.Closed):
        consumer.pop_latest()
    with pytest.raises(ipc0cp.BufferEmpty), Consumer(consumer.name, MIB, blocking=False) as other:
        other.pop_latest()


def test_pop_latest_after_a_batch_that_failed(ring):
    producer, consumer = ring
    producer.push(b"1")
    producer.push_raw({"type": "ndarray", "version": "1.0", "dtype": "<f4", "shape": [3]}, b"bad")
    producer.push(b"3")
    producer.push(b"4")
    assert consumer.pop_many(10, 0) == [b"1"]
    with pytest.raises(ipc0cp.CorruptPayload):
        consumer.pop_latest(0)
    assert consumer.pop_latest(0) == b"4"
    assert consumer.stats().overflowed == 1


def test_iteration_goes_on_in_order(ring):
    producer, consumer = ring
    producer.push_many(range(5))
    assert consumer.pop_latest() == 4
    producer.push_many(range(5, 8))
    producer.close()
    assert list(consumer) == [5, 6, 7]


# ---- asyncio, readiness -----------------------------------------------------------------------


def run(main) -> None:
    asyncio.run(asyncio.wait_for(main, PATIENCE))


def test_push_async_gives_old_messages_up(small):
    producer, consumer = small("drop_oldest", 4)

    async def main():
        for number in range(20):
            assert await producer.push_async(number)
        assert [await consumer.pop_async() for _ in range(4)] == [16, 17, 18, 19]

    run(main())


def test_push_async_turns_the_newest_away(small):
    producer, _ = small("drop_newest", 1)

    async def main():
        assert await producer.push_async(1)
        assert not await producer.push_async(2)

    run(main())
    assert producer.stats().refused == 1


def test_push_async_waits_for_a_first_consumer(ring_name):
    with Producer(ring_name, MIB, overflow="drop_newest") as producer:

        async def main():
            pushed = asyncio.create_task(producer.push_async(1))
            await asyncio.sleep(0.02)
            assert not pushed.done()
            with Consumer(ring_name) as consumer:
                assert await pushed
                assert await consumer.pop_latest_async() == 1

        run(main())


def test_pop_latest_async(ring):
    producer, consumer = ring

    async def main():
        waiting = asyncio.create_task(consumer.pop_latest_async())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        producer.push(1)
        assert await waiting == 1
        producer.push_many(range(10))
        assert await consumer.pop_latest_async() == 9
        with pytest.raises(ipc0cp.Timeout):
            await consumer.pop_latest_async(0.01)
        producer.close()
        assert await consumer.pop_latest_async() is None

    run(main())


def test_readiness_is_that_of_the_queue(consumer, live):
    producer = live("drop_oldest", depth=1)
    assert ipc0cp.wait([consumer], 0) == []
    for number in range(5):
        producer.push(number)
    assert ipc0cp.wait([consumer], PATIENCE) == [consumer]
    assert consumer.pop_latest() == 4
    assert ipc0cp.wait([consumer], 0) == []
    assert ipc0cp.wait([producer], PATIENCE) == [producer]
