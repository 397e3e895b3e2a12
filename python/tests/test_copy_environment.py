# SPDX-License-Identifier: Apache-2.0
"""IPC0CP_COPY, which forces one way of copying payloads, is read when the package is imported."""

import os
import subprocess
import sys

import pytest

_ROUND_TRIP = """
import ipc0cp, numpy as np
name, array = "copy-environment-%d", np.arange(3_000_001, dtype=np.int64)
with (
    ipc0cp.SharedRingBufferProducer(name, total_data_bytes=64 << 20) as producer,
    ipc0cp.SharedRingBufferConsumer(name, total_data_bytes=64 << 20) as consumer,
):
    for one in (array, array[1:], array[:700]):
        producer.push(one, timeout=20)
        assert np.array_equal(consumer.pop(timeout=20, copy=True).data, one)
print("the same")
"""


def _run(way: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _ROUND_TRIP % os.getpid()],
        env={**os.environ, "IPC0CP_COPY": way},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("way", ["", "auto", "memcpy", "stream", "rep_movsb"])
def test_each_way_copies_the_same_bytes(way: str) -> None:
    run = _run(way)
    assert run.stdout == "the same\n", run.stderr


def test_an_unknown_way_is_named_and_ignored() -> None:
    run = _run("fastest")
    assert run.stdout == "the same\n", run.stderr
    assert "IPC0CP_COPY=fastest is unknown" in run.stderr
    assert "possible are auto, memcpy" in run.stderr
