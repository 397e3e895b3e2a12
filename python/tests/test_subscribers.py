# SPDX-License-Identifier: Apache-2.0
"""Subscribers: every message for each of them, beside workers and on broadcast rings."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import pickle

import numpy as np
import pytest
from helpers import MIB, PATIENCE, Background, file_of, same

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer
from ipc0cp import inspect

#: How a message travels: inside the lock, copied out, viewed; and what is no array.
VALUES = {
    "small": np.arange(8),
    "copied": np.arange(400.0),
    "viewed": np.arange(3000.0).reshape(30, 100),
    "map": {"frame": np.ones((40, 50)), "label": 3},
    "text": "ä" * 100,
}


@pytest.fixture
def broadcast(ring_name):
    """Makes a broadcast ring: its producer, and so many subscribers."""
    with contextlib.ExitStack() as ends:

        def make(count, overflow="block", **options):
            options = {"broadcast": True, "expected_consumers": max(count, 1), **options}
            producer = ends.enter_context(Producer(ring_name, 4 * MIB, **options))
            readers = [
                ends.enter_context(Consumer(ring_name, subscribe=True, overflow=overflow))
                for _ in range(count)
            ]
            return producer, *readers

        yield make


@pytest.fixture
def reader(ring):
    """A subscriber beside the worker of `ring`."""
    with Consumer(ring[0].name, subscribe=True) as reader:
        yield reader


def run(main) -> None:
    asyncio.run(asyncio.wait_for(main, PATIENCE))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_every_subscriber_gets_what_a_worker_gets(ring, ring_name, value):
    producer, worker = ring
    with Consumer(ring_name, subscribe=True) as one, Consumer(ring_name, subscribe=True) as two:
        for _ in range(5):
            producer.push(value)
        for consumer in (one, worker, two):
            for _ in range(5):
                assert same(consumer.pop(PATIENCE), value)
            with pytest.raises(ipc0cp.Timeout):
                consumer.pop(0)
        gc.collect()
        assert producer.stats().used_bytes == 0
        assert (one.missed, two.missed, worker.missed) == (0, 0, 0)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_broadcast_ring_has_no_queue(broadcast, value):
    producer, *readers = broadcast(3)
    for _ in range(5):
        producer.push(value)
    for reader in readers:
        assert [same(reader.pop(PATIENCE), value) for _ in range(5)] == [True] * 5
    gc.collect()
    stats = producer.stats()
    assert (stats.used_bytes, stats.messages, stats.popped, stats.pushed) == (0, 0, 0, 5)
    producer.close()
    assert [reader.pop(PATIENCE) for reader in readers] == [None] * 3
    assert [reader.end for reader in readers] == ["closed"] * 3


def test_what_was_there_before_is_not_given(ring, ring_name):
    producer, worker = ring
    producer.push("before")
    with Consumer(ring_name, subscribe=True) as late:
        producer.push("after")
        assert late.pop(PATIENCE) == "after"
        assert late.missed == 0
    assert [worker.pop(PATIENCE) for _ in range(2)] == ["before", "after"]


def test_views_of_several_readers_are_one_memory(broadcast):
    producer, one, two = broadcast(2)
    frame = np.arange(100_000.0)
    producer.push(frame)
    left, right = one.pop(PATIENCE), two.pop(PATIENCE)
    assert not left.flags.writeable and not left.flags.owndata and not right.flags.owndata
    one.close()
    producer.push(frame + 1)
    assert same(left, frame) and same(right, frame)
    used = producer.stats().used_bytes
    del left
    gc.collect()
    assert producer.stats().used_bytes == used, "the other one still looks at it"
    del right
    two.pop(PATIENCE, copy=True)
    gc.collect()
    assert producer.stats().used_bytes == 0


def test_raw_messages_batches_and_rows(ring, reader):
    producer, worker = ring
    producer.push_many(np.arange(12.0).reshape(6, 2))
    producer.push_many(["a", {"b": 1}, 3])
    assert same(reader.pop_array(100, PATIENCE), np.arange(12.0).reshape(6, 2))
    assert reader.pop_many(2, PATIENCE) == ["a", {"b": 1}]
    message = reader.pop_raw(PATIENCE)
    assert (bytes(message.payload), message.id, message.deliveries) == (b"3", 9, 1)
    message.done()
    message.requeue()
    reader.done()
    with pytest.raises(ipc0cp.Timeout):
        reader.pop(0)
    assert len(worker.pop_many(100, PATIENCE)) == 9


def test_pop_latest_misses_what_is_older_and_leaves_workers_alone(ring, reader):
    producer, worker = ring
    producer.push_many(range(100))
    assert reader.pop_latest(PATIENCE) == 99
    assert reader.missed == 99
    assert worker.stats().overflowed == 0
    assert worker.pop_many(200, PATIENCE) == list(range(100))
    producer.push_many(range(3))
    assert worker.pop_latest(PATIENCE) == 2
    assert reader.pop_many(10, PATIENCE) == [0, 1, 2]


def test_asyncio_wakes_every_subscriber(broadcast):
    producer, *readers = broadcast(3)

    async def read(reader):
        return [number async for number in reader]

    async def main():
        tasks = [asyncio.create_task(read(reader)) for reader in readers]
        for number in range(200):
            assert await producer.push_async(number)
            if number % 20 == 0:
                await asyncio.sleep(0.001)
        producer.close()
        for task in tasks:
            assert await task == list(range(200))

    run(main())


def test_a_cancelled_pop_loses_nothing(ring, reader):
    producer, worker = ring

    async def main():
        waiting = asyncio.create_task(reader.pop_async())
        await asyncio.sleep(0.01)
        waiting.cancel()
        producer.push("kept")
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        assert await reader.pop_async(PATIENCE) == "kept"
        with pytest.raises(ipc0cp.Timeout):
            await reader.pop_async(0.01)

    run(main())
    assert worker.pop(PATIENCE) == "kept"


def test_descriptors_and_wait_tell_each_reader_of_its_own(ring, reader):
    producer, worker = ring
    handles = [reader, worker]
    assert ipc0cp.wait(handles, 0) == []
    producer.push(1)
    assert ipc0cp.wait(handles, PATIENCE) == handles
    assert worker.pop(0) == 1
    assert ipc0cp.wait(handles, PATIENCE) == [reader]
    assert reader.pop(0) == 1
    assert ipc0cp.wait(handles, 0.01) == []
    waiting = Background(ipc0cp.wait, [reader], PATIENCE)
    producer.push(2)
    assert waiting.result() == [reader]
    assert isinstance(reader.fileno(), int)
    assert (reader.pop(0), worker.pop(0)) == (2, 2)
    producer.close()
    assert ipc0cp.wait(handles, PATIENCE) == handles
    assert (reader.pop(0), worker.pop(0)) == (None, None)


def test_the_end_is_each_readers_own(ring, reader):
    producer, worker = ring
    producer.push(1)
    producer.close()
    assert list(reader) == [1]
    assert reader.end == "closed"
    assert worker.stats().messages == 1
    assert list(worker) == [1]


def test_block_holds_producers_up_and_drop_oldest_misses(broadcast, ring_name):
    producer, careful = broadcast(1, max_messages=8, blocking=False)
    with Consumer(ring_name, subscribe=True, overflow="drop_oldest") as slow:
        pushed = sum(producer.push(number) for number in range(20))
        assert pushed == 8
        assert careful.pop_many(5, PATIENCE) == list(range(5))
        assert [producer.push(number) for number in range(8, 13)] == [True] * 5
        assert not producer.push(13)
        assert slow.pop(PATIENCE) == 5
        assert slow.missed == 5
        assert careful.pop_many(20, PATIENCE) == list(range(5, 13))
        assert careful.missed == 0
        assert all(producer.push(number) for number in range(8))
    assert careful.pop(PATIENCE) == 0


def test_the_first_miss_is_logged_once(broadcast, caplog):
    producer, slow = broadcast(1, "drop_oldest", max_messages=4)
    with caplog.at_level(logging.WARNING, "ipc0cp"):
        producer.push_many(range(4))
        assert slow.pop_latest(PATIENCE) == 3
        assert caplog.text == "", "that is what pop_latest is for"
        for _ in range(2):
            producer.push_many(range(10))
            assert slow.pop_many(10, PATIENCE) == list(range(6, 10))
    assert slow.missed == 3 + 6 + 6
    (record,) = caplog.records
    assert "this subscriber has missed 9 message(s)" in record.getMessage()
    assert "max_messages" in record.getMessage()


def test_statistics_and_what_others_see(ring, ring_name, reader):
    producer, worker = ring
    with Consumer(ring_name, subscribe=True, overflow="drop_oldest") as slow:
        producer.push_many(range(10))
        reader.pop_many(4, PATIENCE)
        worker.pop_many(7, PATIENCE)
        stats = producer.stats()
        assert (stats.active_consumers, stats.active_subscribers) == (1, 2)
        assert (stats.messages, stats.popped, stats.most_unread) == (3, 7, 10)
        seen = inspect.ring(ring_name)
        assert (seen.consumers, seen.subscribers, seen.broadcast) == (1, 2, False)
        subscribers = [one for one in seen.participants
                       if one.role is inspect.Role.SUBSCRIBER]
        assert [(one.unread, one.drops_oldest) for one in subscribers] == [(6, False), (10, True)]
        slow.close()
    assert inspect.ring(ring_name).subscribers == 1


def test_a_broadcast_ring_says_so(broadcast, ring_name):
    producer, reader = broadcast(1)
    producer.push(1)
    seen = inspect.ring(ring_name)
    assert (seen.broadcast, seen.consumers, seen.subscribers) == (True, 0, 1)
    assert seen.stats.messages == 1
    assert reader.pop(PATIENCE) == 1


def test_handles_of_both_kinds_pickle_with_their_options(broadcast, ring_name):
    producer, reader = broadcast(1, "drop_oldest")
    with pickle.loads(pickle.dumps(reader)) as again:
        assert producer.stats().active_subscribers == 2
        seen = inspect.ring(ring_name).participants
        assert [one.drops_oldest for one in seen if one.role == "subscriber"] == [True, True]
        with pickle.loads(pickle.dumps(producer)) as other:
            other.push("from the other")
        assert (reader.pop(PATIENCE), again.pop(PATIENCE)) == ("from the other",) * 2


def test_expected_consumers_is_waited_for_once(ring_name):
    with Producer(
        ring_name, MIB, broadcast=True, expected_consumers=2, consumer_wait_timeout=0.05
    ) as producer:
        with Consumer(ring_name, subscribe=True) as one:
            with pytest.raises(ipc0cp.NoConsumers):
                producer.push(1)
            pushing = Background(producer.push, 1, PATIENCE)
            with pytest.raises(ipc0cp.NoConsumers):
                pushing.result()
            with Consumer(ring_name, subscribe=True) as two:
                assert producer.push(2)
                assert (one.pop(PATIENCE), two.pop(PATIENCE)) == (2, 2)
            assert producer.push(3), "from now on one is enough"
            assert one.pop(PATIENCE) == 3


def test_subscribers_alone_do_not_make_a_queue_be_read(ring_name):
    with (
        Producer(ring_name, MIB, blocking=False) as producer,
        Consumer(ring_name, subscribe=True),
        pytest.raises(ipc0cp.NoConsumers),
    ):
        producer.push(1)


def test_the_last_reader_of_either_kind_removes_the_ring(ring, ring_name, reader):
    producer, worker = ring
    worker.close()
    assert file_of(ring_name).exists()
    reader.close()
    assert not file_of(ring_name).exists()
    with pytest.raises(ipc0cp.NoConsumers):
        producer.push(1)


def test_a_damaged_message_is_missed_and_what_follows_arrives(ring, reader):
    producer, worker = ring
    producer.push_raw({"type": "ndarray", "version": "1.0", "dtype": "<f8", "shape": [7]}, b"x")
    producer.push("whole")
    for consumer in (reader, worker):
        with pytest.raises(ipc0cp.CorruptPayload):
            consumer.pop(PATIENCE)
        assert consumer.pop(PATIENCE) == "whole"
    assert reader.missed == 1
    assert producer.stats().dropped == 1


def test_redelivery_is_the_workers_business(ring_name):
    with (
        Producer(ring_name, MIB, redeliver=True) as producer,
        Consumer(ring_name) as worker,
        Consumer(ring_name, subscribe=True) as reader,
    ):
        producer.push("again")
        message = worker.pop_raw(PATIENCE)
        message.requeue()
        del message
        assert worker.pop(PATIENCE) == "again"
        worker.done()
        assert reader.pop(PATIENCE) == "again"
        with pytest.raises(ipc0cp.Timeout):
            reader.pop(0)
        assert producer.stats().used_bytes == 0


def test_a_queue_of_processes_is_none_the_worse():
    with ipc0cp.Queue() as queue, Consumer(queue.name, subscribe=True) as monitor:
        for value in ({"a": 1}, "text", np.arange(5000.0)):
            queue.put(value)
            assert same(queue.get(timeout=PATIENCE), value)
            assert same(monitor.pop(PATIENCE, copy=True), value)
        assert queue.empty()
