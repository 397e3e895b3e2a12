#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `ipc0cp top` costs the rings it looks at, and itself.

Messages go through a ring from one process to another, in turns with and without a `top` that looks
once a second; then `top` looks at 20 rings with something going on, and its CPU time is told.
Medians of so many turns; the two kinds alternate, so that a busy neighbour disturbs both.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("IPC0CP_BUILD_DIR", ROOT / "build")) / "cli" / "ipc0cp"
PRODUCER = """
import sys, ipc0cp
name, size = sys.argv[1], int(sys.argv[2])
with ipc0cp.SharedRingBufferProducer(name, 64 << 20) as producer:
    while True:
        if size < 4096:
            producer.push_many([bytes(size)] * 256)
        else:
            producer.push(bytes(size))
"""
CONSUMER = """
import sys, time, ipc0cp
name, size, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with ipc0cp.SharedRingBufferConsumer(name, 64 << 20) as consumer:
    many = lambda: len(consumer.pop_many(256))
    one = lambda: bool(consumer.pop_raw())
    take = many if size < 4096 else one
    take()
    start, count = time.monotonic(), 0
    while time.monotonic() < start + seconds:
        count += take()
    print(count / (time.monotonic() - start))
"""
SLOW = """
import sys, time, ipc0cp
names = sys.argv[1:]
consumers = [ipc0cp.SharedRingBufferConsumer(name, 4 << 20) for name in names]
producers = [ipc0cp.SharedRingBufferProducer(name, 4 << 20) for name in names]
print("here", flush=True)
while True:
    for producer, consumer in zip(producers, consumers):
        producer.push(bytes(10_000))
        consumer.pop()
    time.sleep(0.001)
"""


def start(source: str, *arguments: object) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", source, *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def start_top() -> subprocess.Popen[str]:
    return subprocess.Popen([PROGRAM, "top", "--json"], stdout=subprocess.DEVNULL, text=True)


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def rate(size: int, seconds: float, looked_at: bool) -> float:
    """Messages per second that a consumer gets."""
    name = f"looking-{uuid.uuid4().hex[:8]}"
    top = start_top() if looked_at else None
    consumer = start(CONSUMER, name, size, seconds)
    producer = start(PRODUCER, name, size)
    try:
        told, _ = consumer.communicate(timeout=60 + seconds)
        return float(told)
    finally:
        end(producer)
        if top is not None:
            end(top)


def cpu_of_top(rings: int, seconds: float) -> float:
    """The part of a core that `top` takes once a second with so many rings."""
    part = uuid.uuid4().hex[:8]
    busy = start(SLOW, *(f"looking-{part}-{number}" for number in range(rings)))
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        top = start_top()
        time.sleep(seconds)
        end(top)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return used / seconds
    finally:
        busy.terminate()
        busy.communicate()


def measure(turns: int, seconds: float) -> None:
    for size in (64, 1 << 20):
        rates: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(turns):
            for looked_at in (False, True):
                rates[looked_at].append(rate(size, seconds, looked_at))
        alone, beside = (statistics.median(rates[kind]) for kind in (False, True))
        ranges = [f"{min(rates[kind]):,.0f}-{max(rates[kind]):,.0f}" for kind in (False, True)]
        print(f"{size} bytes: {alone:,.0f} messages/s alone ({ranges[0]}), {beside:,.0f} beside "
              f"top ({ranges[1]}): {beside / alone - 1:+.1%}", flush=True)
    used = statistics.median(cpu_of_top(20, 10) for _ in range(3))
    print(f"top with 20 rings in use: {used:.2%} of a core")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    # A directory of their own: no ring of others is looked at, and none is left.
    with tempfile.TemporaryDirectory(prefix="ipc0cp-looking-", dir="/dev/shm") as directory:
        os.environ["IPC0CP_DIRECTORY"] = directory
        measure(arguments.turns, arguments.seconds)


if __name__ == "__main__":
    main()
