# SPDX-License-Identifier: Apache-2.0
"""push_many, pop_many and pop_array: many messages at once, in order, none lost."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import MIB, PATIENCE, Background, same, start_python

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

MIXED = [b"one", "two", {"three": 3}, np.arange(4.0), [b"five", 5], np.zeros((300, 400)), 7]


def test_objects_of_any_type_in_order(ring):
    producer, consumer = ring
    assert producer.push_many(MIXED) == len(MIXED)
    assert producer.push_many(iter(MIXED)) == len(MIXED)
    popped = consumer.pop_many(100)
    popped += consumer.pop_many(100) if len(popped) < 2 * len(MIXED) else []
    assert same(popped, MIXED + MIXED)


def test_pop_many_takes_at_most_what_was_asked_for(ring):
    producer, consumer = ring
    producer.push_many(range(10))
    assert consumer.pop_many(3) == [0, 1, 2]
    assert consumer.pop_many(100) == list(range(3, 10))
    with pytest.raises(ipc0cp.Timeout):
        consumer.pop_many(5, timeout=0)
    producer.close()
    assert consumer.pop_many(5) == []
    assert consumer.pop_array(5) is None


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(6, 4),
        np.arange(5, dtype=">i2"),
        np.zeros((3, 2, 2), np.complex64),
        np.array([(1, 2.5), (3, 4.5)], [("id", "<u8"), ("value", "<f8")]),
        np.arange(24.0).reshape(6, 4)[:, ::2],
    ],
    ids=["rows", "scalars", "matrices", "records", "strided"],
)
def test_an_array_is_its_items_and_back(ring, array):
    producer, consumer = ring
    assert producer.push_many(array) == len(array)
    assert same([consumer.pop(copy=True) for _ in array], [item.copy() for item in array])
    producer.push_many(array)
    back = consumer.pop_array(100)
    # Scalars are in native byte order, whatever their array was.
    assert same(back, np.ascontiguousarray(np.stack(list(array))))
    assert back.flags.writeable and back.flags.owndata


def test_another_message_ends_an_array_and_stays_queued(ring):
    producer, consumer = ring
    producer.push_many(np.ones((3, 2)))
    producer.push_many(np.ones((2, 5)))
    producer.push(b"bytes")
    assert consumer.pop_array(100).shape == (3, 2)
    assert consumer.pop_array(1).shape == (1, 5)
    assert consumer.pop_array(100).shape == (1, 5)
    with pytest.raises(ipc0cp.UnsupportedType, match="bytes"):
        consumer.pop_array(100)
    assert consumer.pop() == b"bytes"


def test_an_object_that_cannot_be_pushed_keeps_those_before_it(ring):
    producer, consumer = ring
    with pytest.raises(ipc0cp.UnsupportedType) as caught:
        producer.push_many([1, 2, object(), 4])
    assert caught.value.pushed == 2
    assert consumer.pop_many(10) == [1, 2]
    for one in ("text", b"bytes", {"a": 1}):
        with pytest.raises(ipc0cp.UnsupportedType, match="push"):
            producer.push_many(one)


def few_messages(name: str) -> Producer:
    return Producer(name, MIB, max_messages=64)


def test_no_room_says_how_many_went_in(ring_name):
    with few_messages(ring_name) as producer, Consumer(ring_name, MIB) as consumer:
        count = producer.push_many(np.zeros((1000, 8)), timeout=0)
        assert 0 < count < 1000
        assert len(consumer.pop_array(2000)) == count
        assert len(consumer.pop_many(1000, 0) if consumer.stats().messages else []) == 0


def test_a_waiting_batch_goes_on_when_room_comes(ring_name):
    with few_messages(ring_name) as producer, Consumer(ring_name, MIB) as consumer:
        pushed = Background(producer.push_many, list(range(5000)))
        received: list[int] = []
        while len(received) < 5000:
            received += consumer.pop_many(100, PATIENCE)
        assert pushed.result() == 5000
        assert received == list(range(5000))


def test_a_message_that_cannot_be_decoded_is_raised_in_its_place(ring):
    producer, consumer = ring
    producer.push_many([1, 2])
    producer.push_raw({"type": "text"}, b"\xff\xfe")
    producer.push_many([4, 5])
    assert consumer.pop_many(10) == [1, 2]
    with pytest.raises(ipc0cp.CorruptPayload):
        consumer.pop_many(10)
    assert consumer.pop_many(10) == [4, 5]


@pytest.mark.parametrize("most", [0, -1])
def test_bad_numbers(ring, most):
    _, consumer = ring
    for pop in (consumer.pop_many, consumer.pop_array):
        with pytest.raises(ValueError, match="most"):
            pop(most)


TAKE_AND_DIE = """
import sys, ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1])
print(len(consumer.pop_many(5)))
sys.stdin.read()
"""


def test_a_batch_of_a_killed_consumer_comes_again(ring_name):
    with Producer(ring_name, 4 * MIB, redeliver=True) as producer:
        with start_python(TAKE_AND_DIE, ring_name) as process:
            producer.push_many(range(8))
            taken = int(process.stdout.readline())
            process.kill()
        assert 1 <= taken <= 5
        with Consumer(ring_name) as consumer:
            received: list[int] = []
            while len(received) < 8:
                received += consumer.pop_many(100, PATIENCE)
            assert received == list(range(8))


def test_pop_array_takes_messages_with_metadata_of_any_length(ring_name):
    """Longer than 64 KiB: those of lists of 1,200 arrays, and of records of 1,500 fields."""
    with (
        Consumer(ring_name, 8 << 20) as consumer,
        Producer(ring_name, 8 << 20) as producer,
    ):
        fields = [(f"a_field_with_a_name_{number:05d}", "<f4") for number in range(1500)]
        records = np.zeros((3, 2), np.dtype(fields))
        records["a_field_with_a_name_00007"] = np.arange(6).reshape(3, 2)
        producer.push_many(records)
        back = consumer.pop_array(8, timeout=PATIENCE)
        assert back.dtype == records.dtype
        assert np.array_equal(back, records)
        several = [np.zeros(4, np.float32)] * 1200
        producer.push(several)
        with pytest.raises(TypeError, match="pop"):
            consumer.pop_array(8, timeout=PATIENCE)
        assert len(consumer.pop(timeout=PATIENCE)) == 1200
        assert consumer.stats().dropped == 0
