# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp record` and `ipc0cp replay`."""

from __future__ import annotations

import re
import signal
import time

import numpy as np
import pytest
from helpers import MIB, PATIENCE, Background, file_of
from program import DONE, FAILED, TIMED_OUT, WRONG_USAGE, finish, output, shell, start

import ipc0cp

GAPS = [0.0, 0.05, 0.1, 0.15]


def wait_for_subscriber(producer, count=1) -> None:
    deadline = time.monotonic() + PATIENCE
    while producer.stats().active_subscribers < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def take_all(name: str) -> list:
    with ipc0cp.SharedRingBufferConsumer(name) as consumer:
        return list(consumer)


@pytest.fixture
def recording(ring_name, tmp_path):
    """A recording of four arrays, with the gaps above between them."""
    path = tmp_path / "frames.ipc0cp"
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        recording = Background(finish, "record", ring_name, path)
        wait_for_subscriber(producer)
        working = Background(take_all, ring_name)
        for index, gap in enumerate(GAPS):
            time.sleep(gap)
            producer.push(np.full(3, index))
    finished = recording.result()
    assert finished.returncode == DONE
    assert "recorded 4 messages" in finished.stderr
    assert len(working.result()) == 4
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


@pytest.mark.parametrize("broadcast", [False, True], ids=["beside a worker", "broadcast"])
def test_record_takes_nothing_from_others(ring_name, tmp_path, broadcast):
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, MIB, broadcast=broadcast) as producer,
        ipc0cp.SharedRingBufferConsumer(ring_name, subscribe=broadcast) as consumer,
    ):
        recording = Background(finish, "record", ring_name, tmp_path / "file")
        wait_for_subscriber(producer, 1 + broadcast)
        sent = [{"number": number} for number in range(50)]
        for value in sent:
            producer.push(value)
        producer.close()
        assert list(consumer) == sent
        finished = recording.result()
        assert finished.returncode == DONE, finished.stderr
        assert "recorded 50 messages" in finished.stderr
        assert "missed" not in finished.stderr and "worker" not in finished.stderr
        assert file_of(ring_name).exists(), "the other one is still there"
    with (tmp_path / "file").open("rb") as file:
        assert list(ipc0cp.StdioConsumer(file))[2::2] == sent


def test_a_stopped_recording_slows_nobody_and_says_what_it_missed(ring_name, tmp_path):
    with (
        ipc0cp.SharedRingBufferProducer(
            ring_name, MIB, broadcast=True, max_messages=16
        ) as producer,
        ipc0cp.SharedRingBufferConsumer(ring_name, subscribe=True) as consumer,
    ):
        recording = start("record", ring_name, tmp_path / "file", text=True)
        wait_for_subscriber(producer, 2)
        recording.send_signal(signal.SIGSTOP)
        for number in range(100):
            assert producer.push(number, PATIENCE)
            assert consumer.pop(PATIENCE) == number
        recording.send_signal(signal.SIGCONT)
        producer.close()
        _, errors = recording.communicate(timeout=PATIENCE)
    assert recording.returncode == DONE
    recorded, missed = map(int, re.search(r"recorded (\d+) message.*missed (\d+)", errors).groups())
    assert missed >= 100 - 16 - 1 and recorded + missed == 100
    assert "this subscriber has missed" in errors


def test_record_says_that_producers_wait_for_a_worker(ring_name, tmp_path):
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        recording = start("record", ring_name, tmp_path / "file", text=True)
        wait_for_subscriber(producer)
        with pytest.raises(ipc0cp.NoConsumers):
            ipc0cp.SharedRingBufferProducer(ring_name, MIB, blocking=False).push(1)
        line = recording.stderr.readline()
        assert "has no worker yet" in line
        working = Background(shell, re.search(r"ipc0cp recv .*", line)[0])
        assert producer.push(1, PATIENCE)
        producer.close()
        assert working.result().returncode == DONE
        _, errors = recording.communicate(timeout=PATIENCE)
    assert "recorded 1 message," in errors
    assert not file_of(ring_name).exists()


def test_what_workers_have_still_to_read_outlives_a_recording(ring_name, tmp_path):
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        with ipc0cp.SharedRingBufferConsumer(ring_name, auto_unlink=False):
            recording = Background(finish, "record", ring_name, tmp_path / "file")
            wait_for_subscriber(producer)
            producer.push("for a worker")
    assert recording.result().returncode == DONE
    with ipc0cp.SharedRingBufferConsumer(ring_name) as worker:
        assert list(worker) == ["for a worker"]


def test_for_a_time_or_until_nothing_comes(ring_name, tmp_path):
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer,
        ipc0cp.SharedRingBufferConsumer(ring_name) as worker,
    ):
        recording = Background(finish, "record", ring_name, tmp_path / "file", "--for", "2s")
        wait_for_subscriber(producer)
        for index in range(3):
            producer.push(np.full(1, index))
        finished = recording.result()
        assert finished.returncode == DONE
        assert "recorded 3 messages" in finished.stderr
        finished = finish("record", ring_name, tmp_path / "other", "-t", "100ms")
        assert finished.returncode == TIMED_OUT
        assert len(worker.pop_many(10, PATIENCE)) == 3


def test_a_file_that_is_full_is_named_and_nothing_is_lost(ring, ring_name):
    producer, consumer = ring
    producer.push("kept", timeout=PATIENCE)
    recorded = finish("record", ring_name, "/dev/full")
    assert recorded.returncode == FAILED
    assert "/dev/full: " in recorded.stderr
    assert consumer.pop(timeout=PATIENCE) == "kept"
