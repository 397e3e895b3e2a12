# SPDX-License-Identifier: Apache-2.0
"""StdioProducer and StdioConsumer over descriptors: objects, ends, time-outs, threads."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers import PATIENCE, Background, same

import ipc0cp

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "stdio_format.md"
CLOSING = bytes.fromhex("89304350 01000100 00000000 0000000000000000")


@pytest.fixture(params=["pipe", "socket"])
def ends(request):
    """Two descriptors: to read from, to write to."""
    if request.param == "pipe":
        reader, writer = os.pipe()
    else:
        left, right = socket.socketpair()
        reader, writer = left.detach(), right.detach()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):  # The test may have closed it.
            os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def test_the_worked_example_of_the_document():
    text = DOCUMENT.read_text()
    (block,) = re.findall(r"^```hex\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    numbers = [re.match(r"(?:[0-9a-f]{2} ?)+", line)[0] for line in block.splitlines()]
    expected = bytes.fromhex("".join(numbers))
    reader, writer = os.pipe()
    with ipc0cp.StdioProducer(writer) as producer:
        producer.push("hi")
        producer._handle.push_raw(b"", b"\x00\x01\x02", None)
    os.close(writer)
    found = read_all(reader)
    os.close(reader)
    assert found.hex(" ") == expected.hex(" ")
    assert len(expected) == 53 + 23 + 20


VALUES = [
    b"bytes",
    b"",
    "text é",
    {"k": "v", "nested": [1, 2.5, None]},
    7,
    True,
    [1, "two", b"three", np.arange(4)],
    {"frame": np.zeros((3, 4), np.uint8), "label": 3},
    np.arange(100_000, dtype="<f4").reshape(100, 1000),
    np.asfortranarray(np.arange(12).reshape(3, 4)),
    np.arange(200_000, dtype="<i4").reshape(400, 500)[::2, ::-3],
    np.float32(1.5),
    np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", "<f8")]),
    np.zeros((0, 3)),
]


def test_what_comes_out_equals_what_went_in(ends):
    reader, writer = ends

    def send():
        with ipc0cp.StdioProducer(writer) as producer:
            for value in VALUES * 2:  # Twice: layouts that have been seen take another path.
                assert producer.push(value) is True

    sender = Background(send)
    with ipc0cp.StdioConsumer(reader) as consumer:
        for value in VALUES * 2:
            found = consumer.pop(PATIENCE)
            expected = np.ascontiguousarray(value) if _is_strided(value) else value
            assert same(found, expected), f"{found!r} is not {expected!r}"
        assert consumer.pop(PATIENCE) is None
        assert consumer.pop(0) is None
    sender.result()


def _is_strided(value) -> bool:
    return isinstance(value, np.ndarray) and not value.flags.forc


def test_images(ends):
    image_module = pytest.importorskip("PIL.Image")
    reader, writer = ends
    image = image_module.linear_gradient("L").convert("RGB")
    sender = Background(lambda: ipc0cp.StdioProducer(writer).push(image))
    assert ipc0cp.StdioConsumer(reader).pop(PATIENCE) == image
    sender.result()


def test_arrays_are_read_only_and_aligned(ends):
    reader, writer = ends
    producer, consumer = ipc0cp.StdioProducer(writer), ipc0cp.StdioConsumer(reader)
    kept = []
    for number in range(5):
        producer.push(np.full(1001, number, np.uint8))
        array = consumer.pop(PATIENCE)
        assert not array.flags.writeable
        assert array.ctypes.data % 64 == 0
        kept.append(array[1:])
    producer.close()
    consumer.close()
    del consumer
    gc.collect()
    assert [int(array.max()) for array in kept] == [0, 1, 2, 3, 4]
    assert [int(array.min()) for array in kept] == [0, 1, 2, 3, 4]


def test_raw_messages(ends):
    reader, writer = ends
    with ipc0cp.StdioProducer(writer) as producer:
        producer.push_raw({"type": "own", "n": 1}, memoryview(b"payload"))
        producer.push_raw('{"type":"own"}', np.arange(3, dtype=np.uint8))
        with pytest.raises(ipc0cp.InvalidArgument):
            producer.push_raw("no JSON", b"")
        with pytest.raises((TypeError, BufferError)):
            producer.push_raw({"type": "own"}, "text")
    consumer = ipc0cp.StdioConsumer(reader)
    first = consumer.pop_raw(PATIENCE)
    assert first.metadata == {"type": "own", "n": 1}
    assert bytes(first.payload) == b"payload"
    assert (first.id, first.deliveries, first.is_view()) == (0, 1, False)
    assert bytes(consumer.pop_raw(PATIENCE).payload) == bytes([0, 1, 2])
    assert consumer.pop_raw(PATIENCE) is None


def test_refused_objects_leave_no_trace(ends):
    reader, writer = ends
    with ipc0cp.StdioProducer(writer) as producer:
        for value in (None, object(), {1.5: 2}, {3}, "\ud800"):
            with pytest.raises(ipc0cp.UnsupportedType):
                producer.push(value)
        with pytest.raises(ValueError, match="time-out"):
            producer.push(b"x", timeout=-1)
    assert list(ipc0cp.StdioConsumer(reader)) == []


# ---- ends ---------------------------------------------------------------------------------------


def test_iteration_ends_at_the_closing_frame(ends):
    reader, writer = ends
    with ipc0cp.StdioProducer(writer) as producer:
        for number in range(3):
            producer.push(number)
    os.write(writer, b"something else")
    assert list(ipc0cp.StdioConsumer(reader)) == [0, 1, 2]
    assert os.read(reader, 100) == b"something else"


def test_two_streams_one_after_the_other(ends):
    reader, writer = ends
    for number in range(2):
        ipc0cp.StdioProducer(writer).push(number)  # Garbage collection ends it.
    for number in range(2):
        assert list(ipc0cp.StdioConsumer(reader)) == [number]


@pytest.mark.parametrize("failure", [ValueError("of the program"), SystemExit(3)])
def test_an_exception_leaves_the_stream_cut_off(ends, failure):
    reader, writer = ends
    with pytest.raises(type(failure)):
        with ipc0cp.StdioProducer(writer) as producer:
            producer.push("half of it")
            raise failure
    os.close(writer)
    consumer = ipc0cp.StdioConsumer(reader)
    assert consumer.pop(PATIENCE) == "half of it"
    for _ in range(2):
        with pytest.raises(ipc0cp.CorruptPayload, match="cut off after 0 of 20 bytes"):
            consumer.pop(PATIENCE)


def test_leaving_by_sys_exit_is_a_normal_end(ends):
    reader, writer = ends
    with pytest.raises(SystemExit):
        with ipc0cp.StdioProducer(writer) as producer:
            producer.push("all of it")
            raise SystemExit
    assert list(ipc0cp.StdioConsumer(reader)) == ["all of it"]


def test_abandoned(ends):
    reader, writer = ends
    producer = ipc0cp.StdioProducer(writer)
    producer.abandon()
    producer.close()
    assert producer.closed
    os.close(writer)
    with pytest.raises(ipc0cp.CorruptPayload, match="cut off"):
        ipc0cp.StdioConsumer(reader).pop(PATIENCE)


def test_a_reader_that_leaves(ends):
    reader, writer = ends
    producer = ipc0cp.StdioProducer(writer)
    ipc0cp.StdioConsumer(reader).close()
    os.close(reader)
    for _ in range(2):
        with pytest.raises(ipc0cp.NoConsumers, match="the reader has left"):
            producer.push(np.zeros(1000))
    producer.close()


def test_closed_handles(ends):
    reader, writer = ends
    producer, consumer = ipc0cp.StdioProducer(writer), ipc0cp.StdioConsumer(reader)
    producer.push("x")
    assert "1 messages, 52 bytes" in repr(producer)
    assert not producer.closed
    for handle in (producer, consumer):
        handle.close()
        handle.close()
        assert handle.closed
        assert "closed" in repr(handle)
    with pytest.raises(ipc0cp.Closed):
        producer.push("y")
    with pytest.raises(ipc0cp.Closed):
        consumer.pop()
    os.fstat(reader)  # Descriptors stay open.
    os.fstat(writer)


# ---- waiting ------------------------------------------------------------------------------------


def test_what_has_arrived_survives_a_time_out(ends):
    reader, writer = ends
    pipe = os.pipe()
    with ipc0cp.StdioProducer(pipe[1]) as producer:
        producer.push("whole")
    stream = os.read(pipe[0], 1000)
    for descriptor in pipe:
        os.close(descriptor)
    consumer = ipc0cp.StdioConsumer(reader)
    with pytest.raises(ipc0cp.Timeout, match="0 of 20 bytes"):
        consumer.pop(0)
    os.write(writer, stream[:30])
    with pytest.raises(ipc0cp.Timeout, match="30 of 56 bytes"):
        consumer.pop(0.02)
    os.write(writer, stream[30:])
    assert consumer.pop(0) == "whole"
    assert consumer.pop(0) is None


def test_close_ends_calls_of_other_threads(ends):
    reader, writer = ends
    consumer = ipc0cp.StdioConsumer(reader)
    waiting = Background(consumer.pop)
    producer = ipc0cp.StdioProducer(writer)
    stuck = Background(producer.push, np.zeros(1 << 20))
    consumer.close()
    with pytest.raises(ipc0cp.Closed):
        waiting.result()
    producer.close()
    with pytest.raises(ipc0cp.Closed):
        stuck.result()


def test_threads_share_a_handle(ends):
    reader, writer = ends
    producer, consumer = ipc0cp.StdioProducer(writer), ipc0cp.StdioConsumer(reader)
    seen: list[int] = []
    lock = threading.Lock()

    def send(thread: int) -> None:
        for number in range(50):
            producer.push(np.full(number * 100 + 1, thread * 50 + number))

    def receive() -> None:
        for array in consumer:
            assert (array == array[0]).all()
            with lock:
                seen.append(int(array[0]))

    senders = [Background(send, thread) for thread in range(3)]
    receivers = [Background(receive) for _ in range(2)]
    for sender in senders:
        sender.result()
    producer.close()
    for receiver in receivers:
        receiver.result()
    assert sorted(seen) == list(range(150))


def test_a_forked_child_has_no_part_in_it(ends):
    reader, writer = ends
    producer = ipc0cp.StdioProducer(writer)
    child = os.fork()
    if child == 0:
        try:
            producer.push("of the child")
        except ipc0cp.ForkedHandle:
            producer.close()
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    producer.push("of the parent")
    producer.close()
    assert list(ipc0cp.StdioConsumer(reader)) == ["of the parent"]


def test_garbage_is_named_with_its_place(ends):
    reader, writer = ends
    ipc0cp.StdioProducer(writer).abandon()
    os.write(writer, b"Traceback (most recent call last):\n")
    consumer = ipc0cp.StdioConsumer(reader)
    with pytest.raises(ipc0cp.CorruptPayload, match="offset 0 of the stream: \"Traceback"):
        consumer.pop(PATIENCE)
    with pytest.raises(ipc0cp.CorruptPayload, match="for good"):
        consumer.pop_raw(0)
