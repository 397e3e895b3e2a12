# SPDX-License-Identifier: Apache-2.0
"""One rule for all time-outs: what a blocking call takes, every other call takes."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from helpers import new_name

import ipc0cp
from ipc0cp.queues import Queue

#: Time-outs that do not wait, and such that are over at once.
GOOD = [0, 0.0, -0.0, Decimal(0), Fraction(0), np.float32(0), np.int8(0), 1e-9, Decimal("1e-400")]
#: They outlast any test: the calls have an answer at once.
ENDLESS = [None, math.inf, 10**400, Decimal("1e300"), Fraction(10**30), 1e300, np.float64(1e9)]
BAD = [
    (-1, ipc0cp.InvalidArgument),
    (-(10**400), ipc0cp.InvalidArgument),
    (Decimal(-1), ipc0cp.InvalidArgument),
    (math.nan, ipc0cp.InvalidArgument),
    (Decimal("nan"), ipc0cp.InvalidArgument),
    (True, TypeError),
    (False, TypeError),
    ("1", TypeError),
    (b"1", TypeError),
    ([1], TypeError),
    (1j, TypeError),
]


def names(value):
    return f"{type(value).__name__} {str(value)[:9]}" if not isinstance(value, type) else ""


@pytest.fixture
def ring():
    name = new_name()
    with (
        ipc0cp.SharedRingBufferProducer(name, 1 << 16) as producer,
        ipc0cp.SharedRingBufferConsumer(name, 1 << 16) as consumer,
    ):
        yield producer, consumer


def calls_of(ring):
    """Each takes a time-out; a push first, so that a pop finds something."""
    producer, consumer = ring
    big = np.zeros(8)

    def loan(timeout):
        with producer.loan(8, "u1", timeout) as array:
            array[...] = 1

    yield "push", lambda timeout: producer.push(big, timeout)
    yield "push_async", lambda timeout: asyncio.run(producer.push_async(big, timeout))
    yield "push_raw", lambda timeout: producer.push_raw({"type": "bytes"}, b"", timeout)
    yield "push_many", lambda timeout: producer.push_many([1, big], timeout)
    yield "push_many rows", lambda timeout: producer.push_many(np.zeros((2, 8)), timeout)
    yield "loan", loan
    yield "pop", consumer.pop
    yield "pop_async", lambda timeout: asyncio.run(consumer.pop_async(timeout))
    yield "pop_raw", consumer.pop_raw
    yield "pop_many", lambda timeout: consumer.pop_many(1, timeout)
    yield "pop_array", lambda timeout: consumer.pop_array(1, timeout)


def drain(consumer):
    with pytest.raises((ipc0cp.Timeout, ipc0cp.BufferEmpty)):
        while True:
            consumer.pop(0)


@pytest.mark.parametrize("timeout", ENDLESS, ids=names)
def test_long_time_outs_are_taken_by_all_calls(ring, timeout):
    for name, call in calls_of(ring):
        drain(ring[1])
        if name.startswith("pop"):
            ring[0].push(np.zeros(8))
        call(timeout)


@pytest.mark.parametrize("timeout", GOOD, ids=names)
def test_short_time_outs_are_taken_by_all_calls(ring, timeout):
    for name, call in calls_of(ring):
        drain(ring[1])
        if not name.startswith("pop"):
            call(timeout)
            continue
        with pytest.raises((ipc0cp.Timeout, ipc0cp.BufferEmpty)):
            call(timeout)


@pytest.mark.parametrize(("timeout", "error"), BAD, ids=names)
def test_bad_time_outs_are_refused_by_all_calls(ring, timeout, error):
    for _, call in calls_of(ring):
        with pytest.raises(error, match="time"):
            call(timeout)
        with pytest.raises(ipc0cp.Timeout):
            ring[1].pop(0)


@pytest.mark.parametrize(("timeout", "error"), BAD[3:], ids=names)
def test_bad_time_outs_of_a_queue(timeout, error):
    queue = Queue()
    try:
        with pytest.raises(error, match="time"):
            queue.put(1, True, timeout)
        with pytest.raises(error, match="time"):
            queue.get(True, timeout)
    finally:
        queue.close()


@pytest.mark.parametrize(("timeout", "error"), BAD, ids=names)
def test_consumer_wait_timeout_is_a_time_out(timeout, error):
    with pytest.raises(error, match="time"):
        ipc0cp.SharedRingBufferProducer(new_name(), 1 << 16, consumer_wait_timeout=timeout)


@pytest.mark.parametrize("timeout", ENDLESS[1:], ids=names)
def test_consumer_wait_timeout_may_be_endless(timeout):
    name = new_name()
    with (
        ipc0cp.SharedRingBufferProducer(name, 1 << 16, consumer_wait_timeout=timeout) as producer,
        ipc0cp.SharedRingBufferConsumer(name, 1 << 16) as consumer,
    ):
        assert asyncio.run(producer.push_async(1, timeout))
        assert consumer.pop(30) == 1
