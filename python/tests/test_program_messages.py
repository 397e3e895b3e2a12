# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp send` and `ipc0cp recv`: every message unchanged, files of each type, every end."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers import MIB, PATIENCE, ROOT, Background, file_of, new_name, run_python, same
from PIL import Image
from program import FAILED, TIMED_OUT, WRONG_USAGE, finish, output, shell, start
from test_program_rm import DIE
from test_vectors import GOOD, message_of

import ipc0cp
from ipc0cp import inspect

BYTES = b'{"type":"bytes","version":"1.0"}'


@pytest.fixture
def other_name():
    """A second ring."""
    name = new_name()
    yield name
    left = file_of(name).exists()
    file_of(name).unlink(missing_ok=True)
    assert not left


def take_raw(name: str) -> list[tuple[bytes, bytes]]:
    with ipc0cp.SharedRingBufferConsumer(name) as consumer:
        messages = []
        while (message := consumer.pop_raw(timeout=PATIENCE)) is not None:
            messages.append((bytes(message.metadata_json) or BYTES, bytes(message.payload)))
        return messages


def vectors() -> list[tuple[bytes, bytes]]:
    """Each message that the object format has an example of."""
    found = []
    for group in GOOD:
        for vector in json.loads((ROOT / "tests" / "vectors" / f"{group}.json").read_text()):
            found.append(message_of(vector))
    assert len(found) > 200
    return found


def test_recv_and_send_copy_every_type_unchanged(ring_name, other_name):
    messages = vectors()
    taking = Background(take_raw, other_name)
    copying = Background(shell, f"ipc0cp recv {ring_name} | ipc0cp send {other_name}")
    with ipc0cp.SharedRingBufferProducer(ring_name, 4 * MIB) as producer:
        for metadata, payload in messages:
            producer.push_raw(metadata, payload, timeout=PATIENCE)
    copied = copying.result()
    assert copied.returncode == 0, copied.stderr
    assert taking.result() == [(metadata or BYTES, payload) for metadata, payload in messages]


def receive(name: str, count: int) -> list:
    with ipc0cp.SharedRingBufferConsumer(name) as consumer:
        objects = [consumer.pop(timeout=PATIENCE, copy=True) for _ in range(count)]
        assert consumer.pop(timeout=PATIENCE) is None
        return objects


def jpeg(mode: str) -> bytes:
    file = io.BytesIO()
    image = Image.new(mode, (32, 20), 0)
    image.save(file, format="jpeg", exif=b"Exif\0\0" + bytes(60_000))
    return file.getvalue()


def test_files_are_sent_as_what_they_are(ring_name, tmp_path):
    arrays = [np.arange(6, dtype="<f4").reshape(2, 3), np.asfortranarray(np.ones((4, 5), ">i2")),
              np.array(7.5), np.zeros((0, 3)), np.array(["a", "bcd"]), np.arange(3).astype("M8[s]")]
    for index, array in enumerate(arrays):
        np.save(tmp_path / f"{index}.npy", array)
    pictures = [Image.new(mode, (7, 3), 1) for mode in ("1", "L", "P", "RGB", "RGBA", "LA")]
    for index, picture in enumerate(pictures):
        picture.save(tmp_path / f"{index}.png")
    for mode in ("L", "RGB", "CMYK"):
        (tmp_path / f"{mode}.jpg").write_bytes(jpeg(mode))
    (tmp_path / "value.json").write_text('{"a": [1, 2.5, null], "b": "ä"}\n')
    (tmp_path / "other.dat").write_bytes(b"\x00\x01")
    (tmp_path / "empty").touch()
    files = [*sorted(tmp_path.glob("*.npy")), *sorted(tmp_path.glob("*.png")),
             *sorted(tmp_path.glob("*.jpg")), tmp_path / "value.json", tmp_path / "other.dat",
             tmp_path / "empty"]
    sending = Background(output, "send", ring_name, *files)
    objects = receive(ring_name, len(files))
    sending.result()
    for array, came in zip(arrays, objects, strict=False):
        assert came.dtype == array.dtype and np.array_equal(came, array)
    images = objects[len(arrays):-3]
    assert [image.mode for image in images] == ["1", "L", "P", "RGB", "RGBA", "LA",
                                                "CMYK", "L", "RGB"]
    assert [image.size for image in images[:6]] == [(7, 3)] * 6
    assert [image.size for image in images[6:]] == [(32, 20)] * 3
    assert objects[-3:] == [{"a": [1, 2.5, None], "b": "ä"}, b"\x00\x01", b""]


def npy(dtype: bytes, shape: bytes) -> bytes:
    header = b"{'descr': %s, 'fortran_order': False, 'shape': (%s), }\n" % (dtype, shape)
    return b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.npy", b"nothing", "begin with"),
        ("a.npy", b"\x93NUMPY\x01\x00\xff\x0f{}", "ends in its header"),
        ("a.npy", npy(b"'<f4" + b"A" * 400_000 + b"'", b"3,"), "more than 10000"),
        ("a.npy", npy(b"'<f4'" + b" " * 9000, b"3,"), "says 12 bytes of elements"),
        ("a.npy", npy(b"'<f4'", b"9" * 30), "beyond all memory"),
        ("a.npy", npy(b"'<f4\xff'", b"3,"), "for Python to send"),
        ("a.png", b"GIF89a", "no PNG file"),
        ("a.jpg", b"\xff\xd8\xff\xe0\x00\x10", "without a frame header"),
        ("a.json", b'{"a": 1, "a": 2}', "twice"),
        ("a.json", b" null\n", "end of the stream"),
    ],
)
def test_files_that_are_not_what_they_say(ring_name, tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB, auto_unlink=True) as consumer:
        finished = finish("send", ring_name, tmp_path / name)
        assert finished.returncode == FAILED
        assert says in finished.stderr and "--bytes" in finished.stderr
        # The way out works as it is written.
        output("send", ring_name, tmp_path / name, "--bytes")
        assert consumer.pop(timeout=PATIENCE) == content


def test_an_array_whose_file_is_cut_off(ring_name, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(100))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-1])
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB):
        finished = finish("send", ring_name, tmp_path / "a.npy")
    assert "says 800 bytes of elements, it has 799" in finished.stderr


def test_messages_become_files_and_come_back(ring_name, other_name, tmp_path):
    objects = [b"raw", "text", {"a": 1}, np.arange(5, dtype="<f8"), np.float32(2),
               Image.new("RGB", (3, 2), 7), [np.zeros(2), "x"], {"f": np.ones(3)},
               np.zeros(2, [("a", "<i4")]), float("nan")]
    receiving = Background(output, "recv", ring_name, "-o", tmp_path / "out", "--size", "4M")
    with ipc0cp.SharedRingBufferProducer(ring_name, 4 * MIB) as producer:
        for obj in objects:
            producer.push(obj)
    receiving.result()
    files = sorted((tmp_path / "out").iterdir())
    assert len(files) == len(objects)
    assert files[0].read_bytes() == b"raw"
    assert files[1].read_text() == "text"
    assert json.loads(files[2].read_text()) == {"a": 1}
    assert np.array_equal(np.load(files[3]), objects[3])
    assert [file.suffix for file in files[4:]] == [".ipc0cp"] * 6
    sending = Background(output, "send", other_name, *files)
    came = receive(other_name, len(objects))
    sending.result()
    assert came[1] == b"text"  # What has no ending of its own comes back as bytes.
    for index in (0, 2, 3, 4, 6, 7, 8, 9):
        assert same(came[index], objects[index]), objects[index]
    assert came[5].tobytes() == objects[5].tobytes()


def test_files_of_an_earlier_run_stay(ring_name, tmp_path):
    for content in (b"first", b"second", b"third"):
        # Each ring counts from 1.
        receiving = start("recv", ring_name, "--size", "1M", "--output", tmp_path)
        with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
            producer.push(content, timeout=PATIENCE)
        assert receiving.wait(PATIENCE) == 0
        receiving.communicate()
    files = {file.name.removeprefix(ring_name): file.read_bytes() for file in tmp_path.iterdir()}
    assert files == {"-000001.bin": b"first", "-000001-2.bin": b"second",
                     "-000001-3.bin": b"third"}


def test_lines(ring_name):
    text = "one\n\nzwölf\nno end"
    sending = Background(output, "send", ring_name, "--lines", input=text)
    assert output("recv", ring_name, "--lines", "--timeout", "30") == text + "\n"
    sending.result()


def test_lines_that_are_no_text(ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB) as consumer:
        finished = finish("send", ring_name, "-l", input=b"good\n\xff\n", text=False)
        assert finished.returncode == FAILED
        assert b"line 2: not UTF-8" in finished.stderr
        assert consumer.pop(timeout=PATIENCE) == "good"


def test_input_that_cannot_be_read_is_no_end_of_it(ring_name, tmp_path):
    directory = os.open(tmp_path, os.O_RDONLY)
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB):
        for how in ("--lines", "--bytes"):
            finished = finish("send", ring_name, how, stdin=directory)
            assert finished.returncode == FAILED
            assert "standard input: Is a directory" in finished.stderr
    os.close(directory)


@pytest.mark.parametrize("how", ["--lines", "--bytes"])
def test_input_without_an_end_is_refused_in_time(ring_name, how):
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB), Path("/dev/zero").open("rb") as endless:
        finished = finish("send", ring_name, how, stdin=endless)
        assert finished.returncode == FAILED
        assert "more than 1048576 bytes" in finished.stderr and "--size" in finished.stderr


def test_lines_come_out_as_they_went_in(ring_name):
    lines = ["", "a" * 200_000, "", "b\0c", "x" * 65_536, "last, without an end"]
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB) as consumer:
        sending = Background(output, "send", ring_name, "--lines", input="\n".join(lines))
        assert [consumer.pop(timeout=PATIENCE) for _ in lines] == lines
        sending.result()


def test_a_file_that_has_more_than_it_says(ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB) as consumer:
        output("send", ring_name, "/proc/version")
        assert consumer.pop(timeout=PATIENCE) == Path("/proc/version").read_bytes()


def test_any_bytes_of_standard_input_are_one_message(ring_name):
    content = bytes(range(256)) * 1000
    sending = Background(output, "send", ring_name, input=content, text=False)
    assert receive(ring_name, 1) == [content]
    sending.result()


def push_texts(name: str, count: int) -> None:
    with ipc0cp.SharedRingBufferProducer(name, MIB) as producer:
        for index in range(count):
            assert producer.push(str(index), timeout=PATIENCE)


def test_taking_a_few_leaves_the_ring_to_the_next(ring_name):
    pushing = Background(push_texts, ring_name, 5)
    assert output("recv", ring_name, "-n", "2", "-l") == "0\n1\n"
    assert output("recv", ring_name, "-n", "2", "-l") == "2\n3\n"
    assert output("recv", ring_name, "-n", "9", "-l") == "4\n"
    pushing.result()
    assert not file_of(ring_name).exists()


def test_time_is_up(ring_name, ring):
    producer, _ = ring
    assert finish("recv", ring_name, "-n", "1", "-t", "20ms").returncode == TIMED_OUT
    while producer.push(bytes(100_000), timeout=0):
        pass
    finished = finish("send", ring_name, "-t", "20ms", input="x" * 200_000)
    assert finished.returncode == TIMED_OUT
    assert "room" in finished.stderr


def test_nobody_reads(ring_name):
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB):
        finished = finish("send", ring_name, "-t", "20ms", input="x")
    assert finished.returncode == TIMED_OUT
    assert "no consumer" in finished.stderr
    output("rm", ring_name)


def test_a_reader_that_leaves_is_named(ring_name):
    with ipc0cp.SharedRingBufferProducer(ring_name, 4 * MIB) as producer:
        receiving = start("recv", ring_name)
        receiving.stdout.close()
        with pytest.raises(ipc0cp.NoConsumers):
            while True:
                producer.push(b"x", timeout=PATIENCE)
        errors = receiving.stderr.read().decode()
        assert receiving.wait(PATIENCE) == FAILED
    assert "the reader of standard output has left after 0 messages" in errors
    receiving.stderr.close()


def test_a_stream_that_is_cut_off(ring_name, tmp_path):
    with (tmp_path / "stream").open("wb") as file:
        producer = ipc0cp.StdioProducer(file)
        producer.push(b"whole")
        producer.push(bytes(1000))
        producer.close()
    content = (tmp_path / "stream").read_bytes()[:500]
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB) as consumer:
        finished = finish("send", ring_name, input=content, text=False)
        assert finished.returncode == FAILED
        assert b"cut off" in finished.stderr
        assert consumer.pop(timeout=PATIENCE) == b"whole"


def test_two_wishes_at_once(ring_name):
    assert finish("send", ring_name, "-l", "-b").returncode == WRONG_USAGE
    assert finish("recv", ring_name, "-l", "-o", "x").returncode == WRONG_USAGE
    assert not file_of(ring_name).exists()


def test_interrupting_leaves_no_ring(ring_name):
    receiving = start("recv", ring_name, "--size", "1M")
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        producer.push(b"x", timeout=PATIENCE)
        receiving.send_signal(signal.SIGINT)
        assert receiving.wait(PATIENCE) == 130
        receiving.communicate()
    assert not file_of(ring_name).exists()


def test_a_terminal_shows_what_comes(ring_name):
    master, slave = os.openpty()
    receiving = start("recv", ring_name, "--size", "1M", stdout=slave, stderr=subprocess.STDOUT)
    os.close(slave)
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        producer.push(np.arange(4, dtype="<i4"))
        producer.push("a\nb")
    assert receiving.wait(PATIENCE) == 0
    shown = os.read(master, 10_000).decode()
    os.close(master)
    assert "ndarray" in shown and "<i4 [4] 0 1 2 3" in shown
    assert "a\\nb" in shown


def test_a_terminal_is_shown_no_control_characters(ring_name):
    master, slave = os.openpty()
    receiving = start("recv", ring_name, "--size", "1M", stdout=slave, stderr=subprocess.STDOUT)
    os.close(slave)
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        producer.push_raw({"type": "evil\x1b[31mred"}, b"\x1b[2J")
    assert receiving.wait(PATIENCE) == 0
    shown = os.read(master, 10_000).decode()
    os.close(master)
    assert "evil" in shown and "\x1b" not in shown


def test_lines_that_cannot_be_written_are_told(ring_name):
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB, redeliver=True) as producer:
        with Path("/dev/full").open("wb") as full:
            receiving = start("recv", ring_name, "--lines", "--count", "5", stdout=full)
        producer.push("first", timeout=PATIENCE)
        assert receiving.wait(PATIENCE) == FAILED
        assert b"No space left" in receiving.communicate()[1]
        with ipc0cp.SharedRingBufferConsumer(ring_name) as consumer:
            assert consumer.pop(timeout=PATIENCE) == "first"


def test_a_reader_of_lines_that_leaves_is_named(ring_name):
    receiving = start("recv", ring_name, "--lines", "--size", "1M")
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        producer.push("first", timeout=PATIENCE)
        assert receiving.stdout.readline() == b"first\n"
        receiving.stdout.close()
        producer.push("second")
        assert receiving.wait(PATIENCE) == FAILED
        assert b"has left after 1 message;" in receiving.stderr.read()
        receiving.stderr.close()
        # It was the last consumer and has left in order: a producer is told at once.
        with pytest.raises(ipc0cp.NoConsumers):
            producer.push("third", timeout=PATIENCE)


def test_closed_standard_streams_do_no_harm(ring_name, tmp_path):
    """What is said on standard error must not go into a file that has got its number."""
    run_python(DIE, ring_name, "3")
    (tmp_path / "file").write_bytes(b"after")
    # This producer warns that it discards what the dead one has left.
    words = f"send {ring_name} --bytes --timeout 0.1 {tmp_path / 'file'}"
    assert shell(f"ipc0cp {words} <&- >&- 2>&-").returncode == TIMED_OUT
    assert inspect.ring(ring_name).state == inspect.RingState.ORPHAN
    output("rm", ring_name)
