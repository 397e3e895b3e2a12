# SPDX-License-Identifier: Apache-2.0
"""Loans: written in place, published once, and harmless afterwards."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from helpers import MIB, same

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

SHAPE = (480, 640, 3)


def assert_harmless(array: np.ndarray) -> None:
    """Nothing can be written through an array whose loan is over."""
    assert array.size == 0
    with pytest.raises((ValueError, IndexError)):
        array[0] = 1
    with pytest.raises(ValueError, match=r"read-only|broadcast"):
        array[...] = 1


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        (SHAPE, "uint8"),
        (7, "<f4"),
        ((), ">i8"),
        ((3, 0), "f4"),
        ((5,), np.dtype([("a", "<i2"), ("b", "S3")])),
        ([2, 3], "<M8[ns]"),
    ],
    ids=str,
)
def test_with_block_publishes(ring, shape, dtype):
    producer, consumer = ring
    for _ in range(2):
        with producer.loan(shape, dtype) as array:
            array[...] = np.zeros((), dtype)
            expected = array.copy()
        assert same(consumer.pop(), expected)
        assert_harmless(array)
    assert consumer.stats().used_bytes == 0


def test_without_with(ring):
    producer, consumer = ring
    loan = producer.loan((10, 10), "f4")
    assert loan.active
    assert "10, 10" in repr(loan)
    loan.array[...] = 3
    assert consumer.stats().messages == 0
    loan.publish()
    assert not loan.active
    assert consumer.pop().sum() == 300
    for call in (loan.publish, lambda: loan.array, lambda: loan.__enter__()):
        with pytest.raises(ValueError, match="over"):
            call()
    loan.abandon()


def test_an_exception_abandons(ring):
    producer, consumer = ring
    with pytest.raises(ZeroDivisionError), producer.loan(SHAPE) as array:
        array[...] = 1 / 0
    assert consumer.stats().messages == 0
    assert_harmless(array)
    assert consumer.stats().used_bytes == 0


def test_abandon_and_garbage(ring):
    producer, consumer = ring
    loan = producer.loan(SHAPE)
    loan.abandon()
    loan.abandon()
    assert consumer.stats().used_bytes == 0
    loan = producer.loan(SHAPE)
    del loan
    gc.collect()
    assert consumer.stats().used_bytes == 0


def test_a_loan_counts_when_it_is_published(ring):
    producer, consumer = ring
    loan = producer.loan(1)
    loan.array[0] = 1
    producer.push(b"first")
    loan.publish()
    assert consumer.pop() == b"first"
    assert consumer.pop().tolist() == [1]


def copies_of(caplog) -> list[str]:
    """The log lines that say a copy was made."""
    return [record.message for record in caplog.records if "a copy of" in record.message]


def test_variables_of_callers_are_no_aliases(ring):
    producer, consumer = ring

    def publish(loan, array):
        same_array = array
        assert same_array is array
        loan.publish()

    def outer(loan):
        array = loan.array
        array[...] = 1
        publish(loan, array)
        return array

    locals()  # A snapshot of variables holds references too.
    for _ in range(2):
        assert_harmless(outer(producer.loan(SHAPE)))
        assert consumer.pop().min() == 1


def publish_in_a_nested_function(loan):
    array = loan.array
    keep = memoryview(array)

    def nested():
        array[0] = 1
        loan.publish()

    nested()
    return keep


def publish_in_a_comprehension(loan):
    array = loan.array
    keep = memoryview(array)
    [loan.publish() for _ in range(1) if array is not None]
    return keep


def publish_twice_nested(loan):
    array = loan.array
    keep = memoryview(array)

    def outer():
        def inner():
            assert array is not None
            loan.publish()

        assert array is not None
        inner()

    outer()
    return keep


def publish_in_exec(loan):
    source = "array = loan.array; keep = memoryview(array); exec('exec(\\'loan.publish()\\')')"
    exec(source, {"loan": loan})


def publish_in_a_class_body(loan):
    class _Body:
        array = loan.array
        keep = memoryview(array)
        loan.publish()


COUNTED_TWICE = [
    publish_in_a_nested_function,
    publish_in_a_comprehension,
    publish_twice_nested,
    publish_in_exec,
    publish_in_a_class_body,
]


@pytest.mark.parametrize("publish", COUNTED_TWICE)
def test_a_variable_seen_by_two_functions_is_one_reference(ring, publish, caplog):
    caplog.set_level("DEBUG", "ipc0cp")
    loan = ring[0].loan(SHAPE)
    publish(loan)
    assert ring[1].stats().messages == 1
    assert len(copies_of(caplog)) == 1


def publish_from_a_closure(loan):
    def make():
        array = loan.array

        def finish():
            array[...] = 1
            loan.publish()

        return finish

    make()()


def publish_from_a_nested_function_alone(loan):
    array = loan.array

    def nested():
        array[...] = 1
        loan.publish()

    nested()


def publish_in_exec_alone(loan):
    exec("array = loan.array; array[...] = 1; exec('loan.publish()')", {"loan": loan})


@pytest.mark.parametrize(
    "publish",
    [publish_from_a_closure, publish_from_a_nested_function_alone, publish_in_exec_alone],
)
def test_cells_and_dicts_of_variables_are_no_aliases(ring, publish, caplog):
    caplog.set_level("DEBUG", "ipc0cp")
    publish(ring[0].loan(SHAPE))
    assert ring[1].pop().min() == 1
    assert copies_of(caplog) == []


def test_parameters_that_may_borrow_are_not_counted(ring, monkeypatch, caplog):
    """What Python 3.14 does, tried on any: the count may only be too low."""
    from ipc0cp import loan as loan_module

    monkeypatch.setattr(loan_module, "_PARAMETERS_MAY_BORROW", True)

    def publish(loan, array):
        assert array is not None
        loan.publish()

    loan = ring[0].loan(SHAPE)
    array = loan.array
    keep = memoryview(array)
    array[...] = 1
    caplog.set_level("DEBUG", "ipc0cp")
    publish(loan, array)
    assert len(copies_of(caplog)) == 1
    assert ring[1].pop().min() == 1
    del keep


def test_published_bytes_do_not_change(ring):
    producer, consumer = ring
    with producer.loan(SHAPE) as array:
        array[...] = 5
    popped = consumer.pop()
    with pytest.raises(ValueError, match=r"read-only|broadcast"):
        array[...] = 6
    assert popped.min() == popped.max() == 5


def test_a_loan_outlives_its_producer(ring_name):
    with Consumer(ring_name, 4 * MIB) as consumer:
        producer = Producer(ring_name, 4 * MIB)
        loan = producer.loan(SHAPE)
        producer.close()
        loan.array[...] = 1
        with pytest.raises(ipc0cp.Closed):
            loan.publish()
        assert consumer.stats().messages == 0


@pytest.mark.parametrize("shape", [-1, (2, -3), (1 << 62, 1 << 62)])
def test_bad_shapes(ring, shape):
    with pytest.raises(ValueError, match=r"shape|larger"):
        ring[0].loan(shape)


def test_unsupported_dtypes(ring):
    for dtype in (object, np.dtype("<f4", metadata={"a": 1})):
        with pytest.raises(ipc0cp.UnsupportedType):
            ring[0].loan(3, dtype)
    assert ring[1].stats().used_bytes == 0


def test_nothing_is_kept_alive(ring):
    loan = ring[0].loan(SHAPE)
    loan_died, array_died = weakref.ref(loan), weakref.ref(loan.array)
    loan.publish()
    del loan
    assert loan_died() is None
    assert array_died() is None
