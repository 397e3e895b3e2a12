# SPDX-License-Identifier: Apache-2.0
"""Streams whose ends are killed or stopped, or that are larger than most things."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import threading

import pytest
from stdio_pipeline import Pipeline, worker_command
from workers import PATIENCE

import ipc0cp

LANGUAGES = ("cpp", "python")
LARGE = 5 << 20  # No pipe holds it, so the producer is inside a frame most of the time.


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reader", LANGUAGES)
def test_numbered_messages_arrive_whole_and_in_order(language, reader):
    with Pipeline(
        worker_command(language, "flood", bytes=100_000, count=300),
        worker_command(reader, "relay"),
        worker_command(language, "drain"),
    ) as pipeline:
        assert pipeline.output() == "300\n"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_producer_is_no_end_of_stream(language, number):
    with Pipeline(worker_command(language, "flood", bytes=LARGE)) as pipeline:
        producer = pipeline.processes[0]
        consumer = ipc0cp.StdioConsumer(producer.stdout)
        for _ in range(3):
            assert len(consumer.pop_raw(PATIENCE)) == LARGE
        producer.send_signal(number)
        assert producer.wait(PATIENCE) == -number
        with pytest.raises(ipc0cp.CorruptPayload, match=r"cut off after \d+ of \d+ bytes"):
            while consumer.pop_raw(PATIENCE) is not None:
                pass
        with pytest.raises(ipc0cp.CorruptPayload, match="for good"):
            consumer.pop(PATIENCE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_producer_in_a_pipeline_that_is_killed_fails_the_pipeline(language):
    with Pipeline(
        worker_command(language, "flood", bytes=LARGE), worker_command(language, "drain")
    ) as pipeline:
        producer, consumer = pipeline.processes
        producer.kill()
        assert consumer.wait(PATIENCE) == 1
        assert "cut off after" in pipeline.errors(1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_killed_consumer_is_no_consumer(language):
    with Pipeline(
        worker_command(language, "flood", bytes=LARGE), worker_command(language, "drain")
    ) as pipeline:
        producer, consumer = pipeline.processes
        consumer.kill()
        assert producer.wait(PATIENCE) == 1, "an error, not SIGPIPE"
        assert "the reader has left" in pipeline.errors(0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_consumer_that_has_enough_leaves(language):
    with Pipeline(
        worker_command(language, "flood", bytes=LARGE), worker_command(language, "drain", count=3)
    ) as pipeline:
        producer, consumer = pipeline.processes
        assert consumer.wait(PATIENCE) == 0
        assert producer.wait(PATIENCE) == 1
        assert "the reader has left" in pipeline.errors(0)


@pytest.mark.parametrize("stopped", [0, 1])
def test_a_stopped_process_only_delays(stopped):
    with Pipeline(
        worker_command("cpp", "flood", bytes=LARGE, count=40), worker_command("python", "drain")
    ) as pipeline:
        victim = pipeline.processes[stopped]
        for _ in range(5):
            victim.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, victim.pid, os.WSTOPPED | os.WNOWAIT)
            victim.send_signal(signal.SIGCONT)
        assert pipeline.output() == "40\n"


def test_a_writer_of_single_bytes():
    with Pipeline(worker_command("cpp", "flood", bytes=300, count=3)) as source:
        stream = source.processes[0].stdout.read()
    reader, writer = os.pipe()

    def drip() -> None:
        for index in range(len(stream)):
            os.write(writer, stream[index : index + 1])
        os.close(writer)

    dripping = threading.Thread(target=drip)
    dripping.start()
    consumer = ipc0cp.StdioConsumer(reader)
    assert sum(1 for _ in consumer) == 3
    dripping.join()
    os.close(reader)


def test_more_than_four_gibibytes_go_out():
    """Pages that were never touched cost the writer nothing, and moving pages costs the reader
    little; reading the payload is tested without its bytes, in stdio_reader_test.cpp."""
    size = (4 << 30) + (100 << 20)
    metadata = b'{"type":"bytes"}'
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    reader, writer = os.pipe()
    with mmap.mmap(-1, size, flags, mmap.PROT_READ) as payload:
        received = [0]

        def drain() -> None:
            nothing = os.open("/dev/null", os.O_WRONLY)
            with contextlib.closing(os.fdopen(reader, "rb", buffering=0)) as file:
                received.append(file.read(20 + len(metadata)))
                while moved := os.splice(reader, nothing, 1 << 20):
                    received[0] += moved
            os.close(nothing)

        draining = threading.Thread(target=drain)
        draining.start()
        with ipc0cp.StdioProducer(writer) as producer:
            assert producer.push_raw(metadata, payload)
        os.close(writer)
        draining.join()
    assert int.from_bytes(received[1][12:20], "little") == size
    assert received[0] == size + 20, "the payload and the closing frame"
