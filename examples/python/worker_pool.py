# SPDX-License-Identifier: Apache-2.0
"""worker_pool: jobs go to whoever is free, results come back through a ring of their own.

The jobs' ring redelivers: a worker that is killed at a job loses nothing, another one gets it.
"""

import sys

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 16 << 20
JOBS = 40
WORKERS = 2


def boss(ring: str) -> None:
    sums: dict[int, float] = {}
    with (
        SharedRingBufferProducer(ring, RING_BYTES, redeliver=True) as jobs,
        SharedRingBufferConsumer(f"{ring}.results", RING_BYTES) as results,
    ):
        for _ in range(WORKERS):
            assert results.pop() == "ready"
        for number in range(JOBS):
            jobs.push({"number": number, "values": np.arange(number + 1.0)})
        while len(sums) < JOBS:
            result = results.pop()
            sums[result["number"]] = result["sum"]
    print(f"{len(sums)} results, the sums add up to {sum(sums.values()):.0f}")


def work(ring: str) -> None:
    with (
        SharedRingBufferConsumer(ring, RING_BYTES) as jobs,
        SharedRingBufferProducer(f"{ring}.results", RING_BYTES) as results,
    ):
        results.push("ready")
        for job in jobs:
            results.push({"number": job["number"], "sum": float(job["values"].sum())})
            # The next pop says that this job is finished.


if __name__ == "__main__":
    {"boss": boss, "work": work}[sys.argv[1]](sys.argv[2])
