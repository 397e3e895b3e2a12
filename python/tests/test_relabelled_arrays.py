# SPDX-License-Identifier: Apache-2.0
"""Arrays that get another dtype, shape or order while a message made of them waits for room."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import PATIENCE

import ipc0cp


def relabel(array):
    array.shape = (2, 3)
    array.dtype = "i4"


def make():
    return np.arange(6, dtype="f4")


def same(got, wanted):
    return got.dtype == wanted.dtype and got.shape == wanted.shape and np.array_equal(got, wanted)


WAYS = {
    "push": lambda producer, array: producer.push(array),
    "push_many": lambda producer, array: producer.push_many([array]),
    "rows": lambda producer, array: producer.push_many(array),
    "list": lambda producer, array: producer.push([array, "text"]),
    "map": lambda producer, array: producer.push({"array": array}),
}


@pytest.mark.parametrize("warm", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("way", WAYS)
def test_a_push_that_waits_keeps_what_it_has_read(ring_name, way, warm):
    """Dtype and shape are not read again after the push, and stored beside its metadata."""
    array = make()
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, 1 << 16, max_messages=1) as producer,
        ipc0cp.SharedRingBufferConsumer(ring_name) as consumer,
        ThreadPoolExecutor(1) as pool,
    ):
        if warm:
            producer.push(make())
            consumer.pop(0)
        producer.push(b"fills the only place")
        waits_before = producer.stats().producer_waits
        pushed = pool.submit(WAYS[way], producer, array)
        while producer.stats().producer_waits == waits_before:
            assert not pushed.done()
        relabel(array)
        consumer.pop(0)
        got = consumer.pop(PATIENCE, copy=True)
        if way == "rows":
            for number in range(1, 6):
                assert consumer.pop(PATIENCE) == number
            assert got == 0.0
        else:
            got = got["array"] if way == "map" else got[0] if way == "list" else got
            assert same(got, make())
        pushed.result(PATIENCE)

        # What is remembered of it belongs together.
        for other in (np.arange(6, dtype="i4").reshape(2, 3), make()):
            producer.push(other)
            assert same(consumer.pop(PATIENCE, copy=True), other)


def test_a_stream_that_waits_keeps_what_it_has_read():
    """STDIO: the pipe is full while the array is relabelled."""
    array = np.arange(1 << 18, dtype="f4")
    wanted = array.copy()
    source, target = os.pipe()
    with os.fdopen(source, "rb") as reading, os.fdopen(target, "wb") as writing:
        producer = ipc0cp.StdioProducer(writing)
        consumer = ipc0cp.StdioConsumer(reading)
        thread = threading.Thread(target=producer.push, args=(array,), daemon=True)
        thread.start()
        while producer._handle.stream_bytes == 0:
            assert thread.is_alive()
        array.shape = (1 << 9, 1 << 9)
        array.dtype = "i4"
        assert same(consumer.pop(PATIENCE), wanted)
        thread.join(PATIENCE)
        other = np.arange(1 << 18, dtype="i4").reshape(1 << 9, 1 << 9)
        thread = threading.Thread(target=producer.push, args=(other,), daemon=True)
        thread.start()
        assert same(consumer.pop(PATIENCE), other)
        thread.join(PATIENCE)
        closing = threading.Thread(target=producer.close, daemon=True)
        closing.start()
        assert consumer.pop(PATIENCE) is None
        closing.join(PATIENCE)
        consumer.close()


def test_a_loan_is_published_as_it_was_asked_for(ring):
    """Its metadata are those of the loan, whatever its array is called meanwhile."""
    producer, consumer = ring
    with producer.loan((2, 3), "f4") as frame:
        frame[...] = make().reshape(2, 3)
        frame.shape = (6,)
        frame.dtype = "i4"
    assert same(consumer.pop(0), make().reshape(2, 3))
