# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers from Python through a C++ process and back: tests/flatbuffers/flatbuffer_worker."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from workers import BUILD

import ipc0cp

WORKER = BUILD / "tests" / "flatbuffers" / "flatbuffer_worker"
RING_BYTES = 4 << 20
SECONDS = 60


@pytest.fixture
def worker(ring_name):
    """A worker between two rings: a producer for what goes to it, a consumer of its answers."""
    assert WORKER.exists(), f"{WORKER} is missing: `make build`, or set IPC0CP_BUILD_DIR"
    source, target = f"{ring_name}-source", f"{ring_name}-target"
    with (
        subprocess.Popen([WORKER, source, target], stderr=subprocess.PIPE, text=True) as process,
        ipc0cp.SharedRingBufferConsumer(target, RING_BYTES) as consumer,
        ipc0cp.SharedRingBufferProducer(source, RING_BYTES) as producer,
    ):
        try:
            yield process, producer, consumer
        finally:
            process.kill()


@pytest.mark.parametrize("size_prefixed", [False, True])
def test_there_and_back(messages, worker, size_prefixed):
    process, producer, consumer = worker
    values = np.arange(10_000, dtype=np.float32)
    for number in range(20):
        labels = [f"label {i} of {number}" for i in range(number)]
        producer.push(
            messages.finished(
                number=number,
                labels=labels,
                tags=["tag"] * number,
                values=values,
                size_prefixed=size_prefixed,
            ),
            timeout=SECONDS,
        )
        answer = consumer.pop(SECONDS)
        assert answer.identifier == b"MESG"
        root = answer.root(messages.Message.Message)
        assert root.Number() == number
        assert root.Name() == b"answer"
        assert messages.tags_of(root) == labels
        assert messages.depth_of(root.Tree()) == number
    producer.close()
    assert consumer.pop(SECONDS) is None
    assert process.wait(SECONDS) == 0


def test_what_only_the_verifier_sees_is_refused_in_cpp(messages, worker):
    process, producer, consumer = worker
    content = bytearray(messages.finished(labels=["zebra"]).Output())
    at = content.index(b"zebra")
    content[at - 4 : at] = (2**30).to_bytes(4, "little")  # The length of the label.
    producer.push(ipc0cp.FlatBuffer(content))
    assert consumer.pop(SECONDS) is None
    assert process.wait(SECONDS) == 1
    assert "failed verification" in process.stderr.read()
