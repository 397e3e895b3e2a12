# SPDX-License-Identifier: Apache-2.0
"""One Python process: push and pop of lists, maps and JSON, beside pickle, as a Markdown table.

    python_objects.py [SECONDS per kind of object]
"""

from __future__ import annotations

import os
import pickle
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import ipc0cp

RING_BYTES = 256 << 20
BATCH_SECONDS = 0.005


def api_document(users: int) -> dict[str, object]:
    """What a web service might answer: many small objects."""
    return {"users": [
        {"id": number, "name": f"user {number}", "mail": f"user.{number}@example.com",
         "tags": ["a", "b", "c"], "score": number * 0.37, "active": number % 2 == 0,
         "address": {"street": None, "number": number}}
        for number in range(users)
    ]}


def objects() -> dict[str, object]:
    frame = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    return {
        "10,000 integers": list(range(10_000)),
        "10,000 integers of 41 bits": [2**40 + number for number in range(10_000)],
        "10,000 floats": [number * 0.1 for number in range(10_000)],
        "10,000 strings": [f"item {number}" for number in range(10_000)],
        "10,000 of mixed types": [1, "two", 3.5, None, True] * 2_000,
        "a document of 1 MB": api_document(7_000),
        "a small dict": {"a": 1, "b": [1, 2]},
        '`{"frame": array, "label": 3}`': {"frame": frame, "label": 3},
        "the same with 8 x 8 pixels": {"frame": frame[:8, :8, 0].copy(), "label": 3},
        "the frame alone": frame,
        "a list of 100 small arrays": [np.arange(4.0) for _ in range(100)],
        "64 levels": nested(64),
    }


def nested(levels: int) -> object:
    value: object = b"innermost"
    for _ in range(levels):
        value = [value]
    return value


def batch(call: Callable[[], object], calls: int) -> float:
    """Microseconds of CPU time: these calls wait for nobody."""
    start = time.thread_time_ns()
    for _ in range(calls):
        call()
    return (time.thread_time_ns() - start) / calls / 1000


def measure(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Medians over batches taken in turn, so that all see the same machine."""
    counts = {name: max(1, int(BATCH_SECONDS * 1e6 / (batch(call, 1) + 1)))
              for name, call in calls.items()}
    batches: dict[str, list[float]] = {name: [] for name in calls}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, call in calls.items():
            batches[name].append(batch(call, counts[name]))
    return {name: statistics.median(values) for name, values in batches.items()}


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    name = f"bench-objects-{os.getpid()}"
    print("| object | push + pop, us | pickle there and back, us |\n|---|---|---|")
    with (
        ipc0cp.SharedRingBufferProducer(name, RING_BYTES) as producer,
        ipc0cp.SharedRingBufferConsumer(name, RING_BYTES) as consumer,
    ):
        for kind, value in objects().items():
            def cycle(value: object = value) -> object:
                producer.push(value)
                return consumer.pop()

            def pickled(value: object = value) -> object:
                return pickle.loads(pickle.dumps(value, protocol=5))

            if repr(cycle()) != repr(pickled()):
                raise SystemExit(f"{kind}: another object than was pushed")
            figures = measure({"cycle": cycle, "pickle": pickled}, seconds)
            print(f"| {kind} | {figures['cycle']:,.0f} | {figures['pickle']:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
