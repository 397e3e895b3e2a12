# SPDX-License-Identifier: Apache-2.0
"""File objects as ends of a stream: by their descriptor, or by write() and readinto()."""

from __future__ import annotations

import bz2
import gc
import gzip
import io
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from helpers import PATIENCE, Background

import ipc0cp

FRAMES = [np.full((100, 100), number, np.uint8) for number in range(3)]


def send(output, values=FRAMES) -> None:
    with ipc0cp.StdioProducer(output) as producer:
        for value in values:
            assert producer.push(value)


def check(source) -> None:
    found = list(ipc0cp.StdioConsumer(source))
    assert len(found) == 3
    for number, frame in enumerate(found):
        assert frame.shape == (100, 100)
        assert (frame == number).all()
        assert not frame.flags.writeable


def a_stream(values) -> bytes:
    memory = io.BytesIO()
    send(memory, values)
    return memory.getvalue()


# ---- objects without a descriptor of their own --------------------------------------------------


def test_memory():
    memory = io.BytesIO()
    send(memory)
    memory.write(b"behind")
    memory.seek(0)
    check(memory)
    assert memory.read() == b"behind"


@pytest.mark.parametrize("module", [gzip, bz2])
def test_compressed_files(tmp_path, module):
    path = tmp_path / "frames"
    with module.open(path, "wb") as file:
        send(file)
    assert path.stat().st_size < 5000, "the descriptor behind the file was written to"
    with module.open(path, "rb") as file:
        check(file)


def test_a_temporary_file_that_is_read_and_written():
    with tempfile.TemporaryFile() as file:
        send(file)
        file.seek(0)
        check(file)


def test_both_directions_of_a_socket():
    left, right = socket.socketpair()
    with left, right, left.makefile("rwb") as one, right.makefile("rwb") as other:
        sender = Background(send, one)
        check(other)
        sender.result()


class Odd:
    """Says nothing about what it has written, and has nothing but read() and write()."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.flushes = 0

    def write(self, view) -> None:
        self.data += view

    def flush(self) -> None:
        self.flushes += 1

    def read(self, count: int) -> bytes:
        piece = bytes(self.data[: min(count, 7)])
        del self.data[: len(piece)]
        return piece


class Raw(io.RawIOBase):
    """Moves little at once, and is not ready every other time."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self._is_ready = True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def _take_turns(self) -> bool:
        self._is_ready = not self._is_ready
        return self._is_ready

    def write(self, view) -> int | None:
        if self._take_turns():
            return None
        self.data += view[:1001]
        return min(len(view), 1001)

    def readinto(self, view) -> int | None:
        if self._take_turns():
            return None
        count = min(len(view), 1001, len(self.data))
        view[:count] = self.data[:count]
        del self.data[:count]
        return count


@pytest.mark.parametrize("kind", [Odd, Raw])
def test_objects_of_the_user(kind):
    output = kind()
    send(output)
    assert bytes(output.data) == a_stream(FRAMES)
    assert getattr(output, "flushes", 4) == 4, "once for each frame"
    check(kind(a_stream(FRAMES)))


def test_a_stream_that_is_cut_off_in_memory():
    stream = a_stream(["whole"])
    consumer = ipc0cp.StdioConsumer(io.BytesIO(stream[:-1]))
    assert consumer.pop() == "whole"
    with pytest.raises(ipc0cp.CorruptPayload, match="cut off after 19 of 20 bytes of frame 1"):
        consumer.pop()


def test_what_a_file_object_raises_passes_through():
    class Broken(Odd):
        error: Exception

        def write(self, _):
            raise self.error

        read = write

    file = Broken()
    for error, expected in (
        (ZeroDivisionError("of the file"), ZeroDivisionError),
        (BrokenPipeError(), ipc0cp.NoConsumers),
    ):
        file.error = error
        producer = ipc0cp.StdioProducer(file)
        with pytest.raises(expected):
            producer.push(b"x")
        producer.close()
    file.error = ZeroDivisionError("of the file")
    with pytest.raises(ZeroDivisionError):
        ipc0cp.StdioConsumer(file).pop()


@pytest.mark.parametrize("answer", [10**6, -1, "text"])
def test_a_file_object_that_lies(answer):
    class Liar(Odd):
        def write(self, _):
            return answer

        readinto = write

    with pytest.raises((ValueError, TypeError, RuntimeError)):
        ipc0cp.StdioProducer(Liar()).push(b"x")
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        ipc0cp.StdioConsumer(Liar()).pop()


def test_a_file_object_may_keep_what_it_gets():
    class Keeper(Odd):
        kept: list[memoryview]

        def write(self, view):
            self.kept.append(memoryview(view))

        def readinto(self, view):
            self.kept.append(memoryview(view))
            piece = self.read(len(view))
            view[: len(piece)] = piece
            return len(piece)

    stream = a_stream(FRAMES)
    keeper = Keeper(stream)
    keeper.kept = []
    send(keeper)
    check(keeper)
    gc.collect()
    for view in keeper.kept:
        assert view.nbytes == len(bytes(view))


# ---- objects that are no more than a descriptor -------------------------------------------------


def goes_by_descriptor(handle) -> bool:
    return "descriptor" in repr(handle)


def test_files(tmp_path):
    path = tmp_path / "frames"
    for buffering in (0, -1):
        with path.open("wb", buffering=buffering) as file:
            file.write(b"before")
            with ipc0cp.StdioProducer(file) as producer:
                assert goes_by_descriptor(producer)
                for frame in FRAMES:
                    producer.push(frame)
            file.write(b"after")
        with path.open("rb", buffering=buffering) as file:
            assert file.read(6) == b"before"
            consumer = ipc0cp.StdioConsumer(file)
            assert goes_by_descriptor(consumer)
            assert [int(frame[0, 0]) for frame in consumer] == [0, 1, 2]
            assert file.read() == b"after"


@pytest.mark.parametrize("bound", ["socket", "file"])
def test_sockets(bound):
    left, right = socket.socketpair()
    with left, right, left.makefile("wb") as writer, right.makefile("rb") as reader:
        output, source = (left, right) if bound == "socket" else (writer, reader)
        sender = Background(send, output)
        assert goes_by_descriptor(ipc0cp.StdioConsumer(source))
        check(source)
        sender.result()


def test_a_socket_with_a_time_out_of_its_own():
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(0.01)
        right.settimeout(0.01)
        consumer = ipc0cp.StdioConsumer(right)
        waiting = Background(consumer.pop)
        waiting.join(0.1)
        assert waiting.is_alive()
        send(left, [b"late"])
        assert waiting.result() == b"late"


def test_connections():
    reader, writer = multiprocessing.Pipe(duplex=False)
    with reader, writer:
        sender = Background(send, writer)
        check(reader)
        sender.result()


def test_the_pipe_of_a_subprocess_has_time_outs():
    program = "import sys, ipc0cp\nsys.stdin.read()\nipc0cp.StdioProducer().push('done')"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        consumer = ipc0cp.StdioConsumer(process.stdout)
        with pytest.raises(ipc0cp.Timeout):
            consumer.pop(0.01)
        process.stdin.close()
        assert consumer.pop(PATIENCE) == "done"
        assert consumer.pop(PATIENCE) is None


def socket_file(descriptor: int, mode: str):
    with socket.socket(fileno=descriptor) as connection:
        return connection.makefile(mode)


@pytest.mark.parametrize("wrap", [os.fdopen, socket_file])
def test_what_a_buffered_reader_holds_is_not_lost(wrap):
    left, right = socket.socketpair()
    line = b"a line in front\n"
    left.sendall(line + a_stream(FRAMES[:1]) + a_stream(["second"]) + b"behind")
    with left, wrap(right.detach(), "rb") as reader:
        assert reader.readline() == line  # Which has read far ahead.
        first = ipc0cp.StdioConsumer(reader)
        with pytest.raises(ipc0cp.Closed):
            first.close()
            first.pop()
        assert [int(frame[0, 0]) for frame in ipc0cp.StdioConsumer(reader)] == [0]
        left.sendall(b", the rest of it")
        assert list(ipc0cp.StdioConsumer(reader)) == ["second"]
        left.close()
        assert reader.read() == b"behind, the rest of it"


def test_a_time_out_inside_what_a_reader_holds():
    reader, writer = os.pipe()
    stream = a_stream(["first"])
    os.write(writer, b"\n" + stream[:25])
    with os.fdopen(reader, "rb") as file:
        assert file.readline() == b"\n"
        consumer = ipc0cp.StdioConsumer(file)
        with pytest.raises(ipc0cp.Timeout, match="25 of 56 bytes"):
            consumer.pop(0)
        os.write(writer, stream[25:])
        os.close(writer)
        assert list(consumer) == ["first"]


# ---- refusals -----------------------------------------------------------------------------------


def closed_file():
    file = io.BytesIO()
    file.close()
    return file


@pytest.mark.parametrize(
    ("end", "way_out"),
    [
        (io.StringIO(), "io.BytesIO"),
        (sys.__stdin__, r"\.buffer"),
        ("frames.bin", r"pass open\(\.\.\., '[rw]b'\)"),
        (closed_file(), "is closed"),
        (-1, "-1 is not a descriptor"),
        (1 << 40, "is not a descriptor"),
        (True, "neither None, a descriptor"),
        ([], "neither None, a descriptor, nor a file object"),
    ],
)
def test_refusals_name_the_way_out(end, way_out):
    for kind in (ipc0cp.StdioProducer, ipc0cp.StdioConsumer):
        with pytest.raises((ipc0cp.UnsupportedType, ipc0cp.InvalidArgument), match=way_out):
            kind(end)


def test_files_of_the_other_direction(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    with path.open("rb") as readable, path.open("ab") as writable:
        with pytest.raises(ipc0cp.InvalidArgument, match="not open for writing; open it with 'wb'"):
            ipc0cp.StdioProducer(readable)
        with pytest.raises(ipc0cp.InvalidArgument, match="not open for reading; open it with 'rb'"):
            ipc0cp.StdioConsumer(writable)
        with pytest.raises(ipc0cp.InvalidArgument, match="not open for writing"):
            ipc0cp.StdioProducer(readable.fileno())


def test_a_text_file(tmp_path):
    with (tmp_path / "file").open("w") as file:
        with pytest.raises(ipc0cp.UnsupportedType, match="open it with 'wb'"):
            ipc0cp.StdioProducer(file)
