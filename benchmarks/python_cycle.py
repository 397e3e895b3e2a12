# SPDX-License-Identifier: Apache-2.0
"""One Python process: push + pop of 64 bytes, and of a 480x640x3 array beside one memcpy of it.

    python_cycle.py [SECONDS]
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import ipc0cp

RING_BYTES = 64 << 20
SHAPE = (480, 640, 3)
CALLS_PER_BATCH = 200


def batch_us(call: Callable[[], object]) -> float:
    # CPU time: these calls wait for nobody, so other work on the core does not count.
    start = time.thread_time_ns()
    for _ in range(CALLS_PER_BATCH):
        call()
    return (time.thread_time_ns() - start) / CALLS_PER_BATCH / 1000


def interleaved_us(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Medians over batches taken in turn, so that all see the same machine."""
    batches: dict[str, list[float]] = {name: [] for name in calls}
    end = time.monotonic() + seconds
    while time.monotonic() < end or not all(batches.values()):
        for name, call in calls.items():
            batches[name].append(batch_us(call))
    return {name: statistics.median(values) for name, values in batches.items()}


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    name = f"bench-cycle-{os.getpid()}"
    small = os.urandom(64)
    array = np.random.default_rng(1).integers(0, 256, SHAPE, np.uint8)
    target = np.empty_like(array)
    with (
        ipc0cp.SharedRingBufferProducer(name, RING_BYTES) as producer,
        ipc0cp.SharedRingBufferConsumer(name, RING_BYTES) as consumer,
    ):
        def cycle_small() -> None:
            producer.push(small)
            consumer.pop()

        def cycle_array() -> None:
            producer.push(array)
            consumer.pop()

        producer.push(small)
        producer.push(array)
        if consumer.pop() != small or not np.array_equal(consumer.pop(), array):
            raise SystemExit("other contents than were pushed")
        figures = interleaved_us(
            {
                "bytes_cycle_us": cycle_small,
                "array_cycle_us": cycle_array,
                "memcpy_us": lambda: np.copyto(target, array),
            },
            seconds,
        )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
