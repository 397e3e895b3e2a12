# SPDX-License-Identifier: Apache-2.0
"""Popped arrays are views of the ring; they stay valid and unwritable whatever happens to it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import MIB, SHM, new_name, run_python, same

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

SHAPE = (480, 640, 3)


def frame(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, np.uint8)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def lies_in_ring(where: int, name: str) -> bool:
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, path = line.split(maxsplit=5)
        start, end = (int(number, 16) for number in span.split("-"))
        # The file is made without a name, so the kernel may show it as deleted.
        if start <= where < end:
            return f"{SHM}/" in path or f"ipc0cp.{name}" in path
    return False


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_popped_array_lies_in_the_mapping(ring, order):
    producer, consumer = ring
    array = np.asarray(frame(), order=order)
    for _ in range(3):  # Decoded in Python first, in the extension later.
        producer.push(array)
        popped = consumer.pop()
        assert lies_in_ring(address(popped), consumer.name)
        assert address(popped) % 64 == 0
        assert popped.flags.aligned
        assert same(popped, array)
        assert popped.flags.f_contiguous == array.flags.f_contiguous


def arrays_of_many_layouts() -> Iterator[np.ndarray]:
    """More of them than a handle remembers, some known by nothing but their dtype or order."""
    for dtype in ("u1", "<f4", ">f4", "M8[s]", "c16"):
        for rows in range(1, 200):
            array = np.arange(3 * rows).astype(dtype).reshape(rows, 3)
            yield array
            yield np.asfortranarray(array)
    yield from (np.zeros((0, 3)), np.zeros((3, 0), order="F"), np.array(7), np.zeros((1, 1, 1)))


@pytest.mark.parametrize("copy", [False, True])
def test_streams_of_ever_other_layouts(ring, copy):
    producer, consumer = ring
    for array in arrays_of_many_layouts():
        for _ in range(3):
            producer.push(array)
            popped = consumer.pop(copy=copy)
            assert same(popped, array)
            assert popped.strides == array.strides or array.size == 0
            assert popped.flags.f_contiguous == array.flags.f_contiguous
            assert popped.flags.writeable == popped.flags.owndata == copy


def test_the_check_of_addresses_can_fail(ring):
    assert not lies_in_ring(address(np.zeros(10)), ring[1].name)


def test_small_arrays_are_read_only_too(ring):
    producer, consumer = ring
    for array in (np.arange(3.0), np.zeros((2, 0)), np.array(1)):
        for _ in range(2):
            producer.push(array)
            popped = consumer.pop()
            assert same(popped, array)
            with pytest.raises(ValueError, match="read-only"):
                popped[...] = 1


def test_views_cannot_be_made_writable(ring):
    producer, consumer = ring
    for _ in range(2):
        producer.push(frame())
        popped = consumer.pop()
        with pytest.raises(ValueError, match="WRITEABLE"):
            popped.flags.writeable = True
        assert memoryview(popped).readonly
        with pytest.raises(TypeError):
            memoryview(popped.base).cast("B")[0] = 1


@pytest.mark.parametrize("shape", [SHAPE, (3,), ()])
def test_copies_are_owned_and_writable(ring, shape):
    producer, consumer = ring
    array = np.ones(shape, "<f4")
    for _ in range(3):
        producer.push(array)
        popped = consumer.pop(copy=True)
        assert popped.flags.owndata
        assert popped.flags.writeable
        popped[...] = 2
        assert consumer.stats().used_bytes == 0


def test_the_block_goes_back_with_the_last_slice(ring):
    producer, consumer = ring
    producer.push(frame())
    popped = consumer.pop()
    rows, view = popped[10:20], memoryview(popped)[1:]
    assert consumer.stats().used_bytes >= popped.nbytes
    del popped
    assert consumer.stats().used_bytes > 0
    del view
    assert rows[0, 0].tolist() == frame()[10, 0].tolist()
    assert consumer.stats().used_bytes > 0
    del rows
    assert consumer.stats().used_bytes == 0


def test_dlpack_keeps_the_block(ring):
    producer, consumer = ring
    array = np.arange(100_000.0)
    producer.push(array)
    popped = consumer.pop()
    try:
        shared = np.from_dlpack(popped)
    except BufferError:
        pytest.skip("this NumPy does not share read-only arrays through DLPack")
    del popped
    assert consumer.stats().used_bytes > 0
    assert same(shared.copy(), array)
    del shared
    assert consumer.stats().used_bytes == 0


def test_references_are_not_leaked(ring):
    producer, consumer = ring
    array = frame()
    dtype = array.dtype
    producer.push(array)
    consumer.pop()
    before = sys.getrefcount(array), sys.getrefcount(dtype)
    for _ in range(100):
        producer.push(array)
        popped = consumer.pop()
        assert sys.getrefcount(popped) == 2
        assert sys.getrefcount(popped.base) == 2 or popped.base is not None
        del popped
    after = sys.getrefcount(array), sys.getrefcount(dtype)
    assert after == before
    assert consumer.stats().used_bytes == 0


def test_views_outlive_close_and_consumer(ring_name):
    producer, consumer = Producer(ring_name, 4 * MIB), None
    consumer = Consumer(ring_name, 4 * MIB)
    producer.push(frame(1))
    producer.push([frame(2), {"deep": frame(3)}])
    first, second = consumer.pop(), consumer.pop()
    producer.close()
    consumer.close()
    del producer, consumer
    gc.collect()
    assert same(first, frame(1))
    assert same(second, [frame(2), {"deep": frame(3)}])


def test_views_are_not_overwritten_by_later_messages(ring):
    producer, consumer = ring
    producer.push(frame(1))
    kept = consumer.pop()
    for seed in range(20):
        producer.push(frame(seed))
        consumer.pop()
    assert same(kept, frame(1))


def test_a_consumer_that_keeps_every_view(ring):
    producer, consumer = ring
    kept = []
    for seed in range(50):
        assert producer.push(frame(seed), timeout=20)
        kept.append(consumer.pop(20))
    assert all(same(array, frame(seed)) for seed, array in enumerate(kept))
    assert sum(lies_in_ring(address(array), consumer.name) for array in kept) >= 2
    kept.clear()
    assert consumer.stats().used_bytes == 0


def test_large_bytes_and_text_are_owned(ring):
    producer, consumer = ring
    for value in (os.urandom(MIB), "é" * 300_000):
        producer.push(value)
        popped = consumer.pop()
        assert same(popped, value)
        assert consumer.stats().used_bytes == 0


def test_same_shape_with_other_dtype_or_order(ring):
    producer, consumer = ring
    base = np.arange(12)
    arrays = [
        base.reshape(3, 4).astype(dtype, order=order)
        for dtype in ("<i4", ">i4", "<f4", "<u4", "<M8[s]", "<M8[ms]")
        for order in ("C", "F")
    ]
    for _ in range(3):
        for array in arrays:
            producer.push(array)
            assert same(consumer.pop(), array)


def test_a_structured_dtype_that_is_renamed_in_place(ring):
    producer, consumer = ring
    array = np.zeros(3, [("a", "<i4")])
    producer.push(array)
    assert consumer.pop().dtype.names == ("a",)
    array.dtype.names = ("b",)
    producer.push(array)
    assert consumer.pop().dtype.names == ("b",)


FORK = """
import os, sys, traceback
import numpy as np
import ipc0cp

name = sys.argv[1]
consumer = ipc0cp.SharedRingBufferConsumer(name, 4 << 20)
producer = ipc0cp.SharedRingBufferProducer(name, 4 << 20)
array = np.random.default_rng(7).integers(0, 256, 1_000_000, np.uint8)
producer.push(array)
view = consumer.pop()
child = os.fork()
if child == 0:
    status = 1
    try:
        assert (view == array).all()
        for call in (consumer.pop, lambda: producer.push(b"x"), lambda: producer.loan(1)):
            try:
                call()
            except ipc0cp.ForkedHandle as error:
                assert isinstance(error, RuntimeError)
            else:
                raise AssertionError("a forked handle works")
        del view
        producer.close()
        del producer, consumer
        # Handles of its own work in the child.
        own = ipc0cp.SharedRingBufferProducer(name, 4 << 20)
        assert own.push(b"from the child")
        own.close()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status) if len(sys.argv) > 2 else sys.exit(status)
assert os.waitpid(child, 0)[1] == 0
assert (view == array).all()
assert consumer.pop(10) == b"from the child"
producer.push(b"still there")       # The child has not ended the parent's stream.
assert consumer.pop(10) == b"still there"
del view
assert consumer.stats().used_bytes == 0
producer.close()
assert consumer.pop(10) is None
print("good")
"""


@pytest.mark.parametrize("exit_arguments", [(), ("hard",)], ids=["exit", "_exit"])
def test_fork_with_a_live_view(ring_name, exit_arguments):
    result = run_python(FORK, ring_name, *exit_arguments)
    assert result.stdout == "good\n", result.stderr
    assert result.returncode == 0


def test_a_view_at_the_end_of_the_interpreter():
    program = (
        "import sys, numpy as np, ipc0cp, atexit\n"
        "c = ipc0cp.SharedRingBufferConsumer(sys.argv[1], 4 << 20)\n"
        "p = ipc0cp.SharedRingBufferProducer(sys.argv[1], 4 << 20)\n"
        "p.push(np.ones(100_000)); view = c.pop(); p.push([view]); nested = c.pop()\n"
        "class Late:\n"
        "    def __del__(self): print('late', view.sum(), nested[0].sum())\n"
        "late = Late()\n"
        "atexit.register(lambda: print('exit', view.sum()))\n"
    )
    result = run_python(program, new_name())
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.startswith("exit 100000.0\n")


def test_raw_messages(ring):
    producer, consumer = ring
    metadata = {"type": "mine", "version": "2.1", "n": [1, None]}
    payload = os.urandom(100_000)
    for given in (metadata, '{"type":"mine","version":"2.1","n":[1,null]}'):
        assert producer.push_raw(given, payload)
        message = consumer.pop_raw(10)
        assert isinstance(message, ipc0cp.Message)
        assert message.metadata == metadata
        assert message.payload == payload
        assert message.payload.readonly
        assert len(message) == len(payload)
        assert message.deliveries == 1
        assert message.is_view()
        message.metadata["type"] = "changed"
        assert message.metadata == metadata
        message.done()
        kept = message.payload[10:]
        del message
        assert kept == payload[10:]
        del kept
        assert consumer.stats().used_bytes == 0


def test_message_ids_count_up(ring):
    producer, consumer = ring
    for _ in range(3):
        producer.push(b"x")
    ids = [consumer.pop_raw().id for _ in range(3)]
    assert ids == sorted(set(ids))


def test_message_in_a_with_block(ring):
    producer, consumer = ring
    producer.push_raw(b'{"type":"mine"}', bytearray(50_000))
    with consumer.pop_raw() as message:
        payload = message.payload
        assert "mine" in repr(message)
    with pytest.raises(ValueError, match="released"):
        _ = message.payload
    assert "released" in repr(message)
    assert payload.nbytes == 50_000
    del payload
    assert consumer.stats().used_bytes == 0


@pytest.mark.parametrize("metadata", [b"{", b"[]", "{}", b'{"type":1}', '{"type":"a","type":"b"}'])
def test_bad_raw_metadata(ring, metadata):
    with pytest.raises(ValueError, match="metadata"):
        ring[0].push_raw(metadata, b"")


def test_bad_raw_payload(ring):
    with pytest.raises(TypeError):
        ring[0].push_raw({"type": "x"}, None)
    with pytest.raises(BufferError):
        ring[0].push_raw({"type": "x"}, memoryview(b"abcdef")[::2])


def test_a_bytearray_is_pinned_only_during_the_push(ring):
    data = bytearray(b"x" * 100)
    ring[0].push(data)
    data.extend(b"more")
    assert ring[1].pop() == b"x" * 100


def test_a_damaged_message_is_dropped(ring):
    producer, consumer = ring
    producer.push_raw({"type": "ndarray", "dtype": "<f4", "shape": [100]}, b"short")
    producer.push_raw({"type": "text"}, b"\xff")
    producer.push(b"good")
    for _ in range(2):
        with pytest.raises(ipc0cp.CorruptPayload):
            consumer.pop()
    assert consumer.pop() == b"good"
    assert consumer.stats().used_bytes == 0
