# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp record` and `ipc0cp replay`."""

from __future__ import annotations

import time

import numpy as np
import pytest
from helpers import MIB, PATIENCE, Background, file_of
from program import DONE, FAILED, TIMED_OUT, WRONG_USAGE, finish, output, shell, start

import ipc0cp

GAPS = [0.0, 0.05, 0.1, 0.15]


def wait_for_consumer(producer) -> None:
    deadline = time.monotonic() + PATIENCE
    while producer.stats().active_consumers == 0:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def recording(ring_name, tmp_path):
    """A recording of four arrays, with the gaps above between them."""
    path = tmp_path / "frames.ipc0cp"
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        recording = Background(finish, "record", ring_name, path)
        wait_for_consumer(producer)
        for index, gap in enumerate(GAPS):
            time.sleep(gap)
            producer.push(np.full(3, index))
    finished = recording.result()
    assert finished.returncode == DONE
    assert "recorded 4 messages" in finished.stderr
    assert not file_of(ring_name).exists()
    return path


def arrivals(name: str) -> tuple[list[int], list[float]]:
    with ipc0cp.SharedRingBufferConsumer(name) as consumer:
        values, times = [], []
        for array in consumer:
            values.append(int(array[0]))
            times.append(time.monotonic())
        return values, times


def test_replay_keeps_order_and_gaps(recording, ring_name):
    replaying = Background(output, "replay", recording, ring_name)
    values, times = arrivals(ring_name)
    replaying.result()
    assert values == [0, 1, 2, 3]
    # Never early; how late a busy machine makes it is no matter of this test.
    assert times[-1] - times[0] > sum(GAPS) - 0.02


def test_replay_at_full_speed_and_from_a_pipe(recording, ring_name):
    replaying = Background(shell, f"ipc0cp replay --speed max - {ring_name} < {recording}")
    assert arrivals(ring_name)[0] == [0, 1, 2, 3]
    assert replaying.result().returncode == DONE


def test_a_recording_is_a_stream_whose_messages_are_unchanged(recording):
    with recording.open("rb") as file:
        stream = ipc0cp.StdioConsumer(file)
        objects = list(stream)
    assert len(objects) == 1 + 2 * len(GAPS)
    assert [int(array[0]) for array in objects[2::2]] == [0, 1, 2, 3]


def test_send_tells_what_a_recording_is_for(recording, ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB) as consumer:
        finished = finish("send", ring_name, recording)
        assert finished.returncode == FAILED
        command = finished.stderr.splitlines()[-1].strip()
        done = shell(command)
        assert done.returncode == DONE, done.stderr
        assert [int(array[0]) for array in consumer] == [0, 1, 2, 3]


def test_what_is_no_recording(ring_name, tmp_path):
    with (tmp_path / "stream").open("wb") as file:
        producer = ipc0cp.StdioProducer(file)
        producer.push("text")
        producer.close()
    finished = finish("replay", tmp_path / "stream", ring_name)
    assert finished.returncode == FAILED
    assert f"ipc0cp send {ring_name} {tmp_path / 'stream'}" in finished.stderr
    assert not file_of(ring_name).exists()


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "inf", "nan", "2y"])
def test_speeds_that_are_none(recording, ring_name, speed):
    assert finish("replay", recording, ring_name, "--speed", speed).returncode == WRONG_USAGE


def test_record_takes_nothing_from_workers(ring, ring_name, tmp_path):
    producer, consumer = ring
    producer.push("for the worker")
    finished = finish("record", ring_name, tmp_path / "file")
    assert finished.returncode == FAILED
    assert "would take messages from" in finished.stderr
    assert not (tmp_path / "file").exists()
    assert consumer.pop(timeout=PATIENCE) == "for the worker"


def test_record_ends_when_a_worker_comes(ring_name, tmp_path):
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        recording = start("record", ring_name, tmp_path / "file")
        wait_for_consumer(producer)
        with ipc0cp.SharedRingBufferConsumer(ring_name) as consumer:
            errors = recording.stderr.read().decode()
            assert recording.wait(PATIENCE) == FAILED
            assert "recording has ended" in errors
            producer.push("still there")
            assert consumer.pop(timeout=PATIENCE) == "still there"
    recording.communicate()
    output("replay", tmp_path / "file", ring_name, "-t", "30")  # Whole, though it has no message.
    output("rm", ring_name)


def test_for_a_time_or_until_nothing_comes(ring_name, tmp_path):
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        recording = Background(finish, "record", ring_name, tmp_path / "file", "--for", "1s")
        for index in range(3):
            producer.push(np.full(1, index))
        finished = recording.result()
        assert finished.returncode == DONE
        assert "recorded 3 messages" in finished.stderr
        assert file_of(ring_name).exists()
        finished = finish("record", ring_name, tmp_path / "other", "-t", "100ms")
        assert finished.returncode == TIMED_OUT
    assert finish("rm", ring_name).returncode == DONE


def test_a_file_that_is_full_is_named_and_nothing_is_lost(ring_name):
    with ipc0cp.SharedRingBufferProducer(ring_name, 1 << 20, redeliver=True) as producer:
        recording = start("record", ring_name, "/dev/full")
        producer.push("kept", timeout=PATIENCE)
        assert recording.wait(PATIENCE) == FAILED
        assert b"/dev/full: " in recording.communicate()[1]
        with ipc0cp.SharedRingBufferConsumer(ring_name) as consumer:
            assert consumer.pop(timeout=PATIENCE) == "kept"
