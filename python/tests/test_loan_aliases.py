# SPDX-License-Identifier: Apache-2.0
"""Loans whose array something else still refers to: a copy is published, and nothing is lost."""

from __future__ import annotations

import contextlib
import functools
import gc

import numpy as np
import pytest
from helpers import MIB

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

SHAPE = (480, 640, 3)

ALIASES = {
    "slice": lambda array: array[10:],
    "transposed": lambda array: array.T,
    "view_of_view": lambda array: array[1:][1:],
    "other_dtype": lambda array: array.view("|i1"),
    "base": lambda array: array.base,
    "memoryview": memoryview,
    "frombuffer": lambda array: np.frombuffer(array, np.uint8),
    "list": lambda array: [array],
    "matrix": lambda array: array[0].view(np.matrix),
    "record": lambda array: array.view(np.recarray),
    "iterator": lambda array: array.flat,
    "nditer": np.nditer,
    "dlpack": np.from_dlpack,
    "closure": lambda array: lambda: array,
}


def assert_copied(ring, loan) -> None:
    """A copy went out: the array is still there, and its block is not given back."""
    consumer = ring[1]
    assert not loan.active
    assert consumer.stats().messages == 1
    assert consumer.stats().used_bytes > 2 * np.prod(SHAPE)


@pytest.mark.parametrize("make", ALIASES.values(), ids=ALIASES)
def test_where_an_alias_lives_a_copy_is_published(ring, make, caplog):
    producer, consumer = ring
    caplog.set_level("DEBUG", "ipc0cp")
    loan = producer.loan(SHAPE)
    array = loan.array
    array[...] = 5
    alias = make(array)
    loan.publish()
    assert_copied(ring, loan)
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert "still alive" in caplog.text
    popped = consumer.pop()
    array[...] = 6
    assert (popped.min(), popped.max()) == (5, 5)
    del popped
    # Never given to others as long as somebody could write to it.
    producer.push(b"other")
    assert consumer.pop() == b"other"
    assert array.min() == array.max() == 6
    del alias, array, loan
    gc.collect()
    assert consumer.stats().used_bytes == 0


@pytest.mark.parametrize("make", ALIASES.values(), ids=ALIASES)
def test_an_alias_alone_is_found_too(ring, make):
    loan = ring[0].loan(SHAPE)
    alias = make(loan.array)
    loan.publish()
    assert_copied(ring, loan)
    del alias


@pytest.mark.parametrize("make", ALIASES.values(), ids=ALIASES)
def test_a_with_block_publishes_whatever_refers_to_its_array(ring, make):
    producer, consumer = ring
    with producer.loan(SHAPE) as array:
        array[...] = 1
        alias = make(array)
    array[...] = 2
    assert consumer.pop().max() == 1
    del alias, array
    gc.collect()
    assert consumer.stats().used_bytes == 0


def into_an_attribute(producer):
    class Camera:
        pass

    camera = Camera()
    with producer.loan(SHAPE) as camera.frame:
        camera.frame[...] = 1
    return 1


def on_an_exit_stack(producer):
    with contextlib.ExitStack() as stack:
        frames = [stack.enter_context(producer.loan(SHAPE)) for _ in range(2)]
        for frame in frames:
            frame[...] = 1
    return 2


def in_a_slice(producer):
    with producer.loan(SHAPE) as frame:
        top, bottom = frame[:240], frame[240:]
        top[...] = bottom[...] = 1
    return 1


def in_frames_that_nobody_sees(producer):
    """Compiled code holds arrays in variables of functions that have no frame."""
    loan = producer.loan(SHAPE)
    array = loan.array
    array[...] = 1
    partial = functools.partial(lambda _: loan.publish(), array)
    del array
    partial()
    return 1


@pytest.mark.parametrize(
    "use", [into_an_attribute, on_an_exit_stack, in_a_slice, in_frames_that_nobody_sees]
)
def test_no_frame_is_lost_by_how_somebody_named_things(ring, use):
    producer, consumer = ring
    for _ in range(8):  # What aliases of one round hold must not starve the next ones.
        count = use(producer)
        assert [consumer.pop(0).min() for _ in range(count)] == [1] * count
        with pytest.raises(ipc0cp.Timeout):
            consumer.pop(0)
        gc.collect()
    assert consumer.stats().used_bytes == 0


def test_a_copy_of_the_largest_message_finds_room(ring_name):
    """The block of the alias takes all of the ring but for the relief block."""
    with Consumer(ring_name, MIB) as consumer, Producer(ring_name, MIB) as producer:
        for value in range(3):
            with producer.loan(MIB - 200) as array:
                alias = array[:1]
                array[...] = value
            assert consumer.pop(0).max() == value
            del alias, array


@pytest.mark.parametrize(
    ("options", "error"), [({}, ipc0cp.Timeout), ({"blocking": False}, ipc0cp.BufferFull)]
)
def test_without_room_for_the_copy_the_loan_stays(ring_name, options, error):
    with Consumer(ring_name, MIB) as consumer, Producer(ring_name, MIB, **options) as producer:
        loan = producer.loan(MIB // 2, timeout=0.01 if not options else None)
        loan.array[...] = 3
        alias = loan.array[:1]
        while producer.push(bytes(MIB // 8), 0):
            pass
        with pytest.raises(error, match="publish again"):
            loan.publish()
        assert loan.active
        del alias
        loan.publish()
        objects = consumer.pop_many(100)
        assert objects[-1].max() == 3


def test_an_exception_leaves_the_block_to_its_aliases(ring):
    producer, consumer = ring
    with pytest.raises(ZeroDivisionError), producer.loan(SHAPE) as array:
        alias = array[1:]
        array[...] = 1 / 0
    assert consumer.stats().messages == 0
    assert consumer.stats().used_bytes > 0
    array[...] = 1
    del alias, array
    gc.collect()
    assert consumer.stats().used_bytes == 0


def test_a_tensor_is_an_alias(ring):
    torch = pytest.importorskip("torch")
    loan = ring[0].loan(SHAPE)
    tensor = torch.from_numpy(loan.array)
    loan.publish()
    assert_copied(ring, loan)
    del tensor
