# SPDX-License-Identifier: Apache-2.0
"""The two example scripts, started the way the README says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_consumer_and_producer_example(ring_name):
    common = ["-s", ring_name, "--buffer-size", "100"]
    with subprocess.Popen(
        [sys.executable, HERE / "consumer_example.py", *common], stdout=subprocess.PIPE, text=True
    ) as consumer:
        producer = subprocess.run(
            [sys.executable, HERE / "producer_example.py", "-n", "100", *common],
            capture_output=True,
            text=True,
            timeout=60,
        )
        received, _ = consumer.communicate(timeout=60)
    assert producer.returncode == 0, producer.stderr
    assert producer.stdout == "sent 100 messages\n"
    lines = received.splitlines()
    assert len(lines) == 101
    assert lines[0] == "1: ndarray (480, 640, 3) uint8, mean 0.0"
    assert lines[6] == "7: dict {'msg': 'hello', 'id': 6}"
    assert lines[-1] == "received 100 messages"
