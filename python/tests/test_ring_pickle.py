# SPDX-License-Identifier: Apache-2.0
"""Rings carry pickled objects if both ends ask for it, and nothing is unpickled otherwise."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import pickle

import numpy as np
import pytest
from helpers import new_name

import ipc0cp
from ipc0cp._queue import codec as queue_codec

SIZE = 1 << 20


@dataclasses.dataclass
class Sample:
    label: str
    when: datetime.date
    data: object = None


@dataclasses.dataclass
class Bomb:
    """Tells when it is unpickled."""

    exploded = False

    def __reduce__(self):
        return _explode, ()


def _explode() -> str:
    Bomb.exploded = True
    return "boom"


def ring(producer_pickles: bool, consumer_pickles: bool):
    name = new_name()
    consumer = ipc0cp.SharedRingBufferConsumer(name, SIZE, pickle=consumer_pickles)
    return consumer, ipc0cp.SharedRingBufferProducer(name, SIZE, pickle=producer_pickles)


VALUES = [
    Sample("a", datetime.date(2026, 2, 3)), {1, 2}, {(1, 2): 3}, 1 + 2j, "\ud800",
    [Sample("b", datetime.date(2026, 2, 3)), 1], range(3),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:30])
def test_comes_back(value):
    consumer, producer = ring(True, True)
    with consumer, producer:
        assert producer.push(value, timeout=10)
        back = consumer.pop(timeout=10)
        assert back == value
        assert type(back) is type(value)


def test_many_at_once():
    consumer, producer = ring(True, True)
    with consumer, producer:
        assert producer.push_many([{1}, b"x", {2}], timeout=10) == 3
        assert consumer.pop_many(3, timeout=10) == [{1}, b"x", {2}]


def test_waiting_for_room_in_an_event_loop():
    async def push_more_than_fits():
        consumer, producer = ring(True, True)
        with consumer, producer:
            assert producer.push(bytes(SIZE * 3 // 4), timeout=10)
            waiting = asyncio.ensure_future(producer.push_async({b"x" * (SIZE // 2)}, timeout=10))
            await asyncio.sleep(0)
            consumer.pop(timeout=10)
            assert await waiting
            return await consumer.pop_async(timeout=10)

    assert asyncio.run(push_more_than_fits()) == {b"x" * (SIZE // 2)}


def test_what_a_ring_carries_goes_as_without():
    for value in (b"x", "text", 1.5, {"a": [1]}, np.arange(5), [1, np.arange(3)], {1: 2}):
        assert b"pickle" not in queue_codec.encode_or_pickle(value).metadata
    with pytest.raises(ipc0cp.UnsupportedType, match="None"):
        queue_codec.encode_or_pickle(None)


def test_large_buffers_go_into_the_ring_and_come_out_as_views():
    consumer, producer = ring(True, True)
    with consumer, producer:
        producer.push(Sample("c", datetime.date(2026, 2, 3), np.arange(10_000)), timeout=10)
        producer.push(Sample("d", datetime.date(2026, 2, 3), np.arange(10_000)), timeout=10)
        view = consumer.pop(timeout=10).data
        assert not view.flags.owndata
        assert not view.flags.writeable
        assert view.tolist() == list(range(10_000))
        owned = consumer.pop(timeout=10, copy=True).data
        assert owned.flags.writeable


def test_off_by_default_at_the_producer():
    consumer, producer = ring(False, True)
    with consumer, producer, pytest.raises(ipc0cp.UnsupportedType, match="Sample"):
        producer.push(VALUES[0], timeout=10)


def test_nothing_is_unpickled_unasked():
    consumer, producer = ring(True, False)
    with consumer, producer:
        producer.push(Bomb(), timeout=10)
        metadata = {"type": "pickle", "version": "1.0", "value": {"type": "bytes"}}
        producer.push_raw(metadata, pickle.dumps(Bomb()), timeout=10)
        for _ in range(2):
            back = consumer.pop(timeout=10)
            assert type(back) is ipc0cp.BytesData
            assert back.metadata["type"] == "pickle"
    assert not Bomb.exploded


def test_the_choice_travels_with_a_handle():
    consumer, producer = ring(True, True)
    with consumer, producer:
        with pickle.loads(pickle.dumps(producer)) as other:
            other.push({1, 2}, timeout=10)
        assert consumer.pop(timeout=10) == {1, 2}
        with pickle.loads(pickle.dumps(consumer)) as other:
            producer.push({3}, timeout=10)
            assert other.pop(timeout=10) == {3}


@pytest.mark.parametrize("wrong", [1, None, "yes"])
def test_the_choice_is_a_bool(wrong):
    for end in (ipc0cp.SharedRingBufferConsumer, ipc0cp.SharedRingBufferProducer):
        with pytest.raises((ipc0cp.InvalidArgument, TypeError), match="pickle"):
            end(new_name(), SIZE, pickle=wrong)


def test_a_pickled_none_is_refused():
    consumer, producer = ring(True, True)
    with consumer, producer:
        metadata = {"type": "pickle", "version": "1.0", "value": {"type": "bytes"}}
        producer.push_raw(metadata, pickle.dumps(None), timeout=10)
        with pytest.raises(ipc0cp.UnsupportedType, match="None"):
            consumer.pop(timeout=10)
