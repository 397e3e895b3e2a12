# SPDX-License-Identifier: Apache-2.0
"""monitor: looks at the jobs of a worker pool, takes none of them and slows nobody.

The pool knows nothing of it: try it beside `worker_pool`, before its boss starts.
"""

import sys

from ipc0cp import SharedRingBufferConsumer

RING_BYTES = 16 << 20


def monitor(ring: str) -> None:
    numbers = []
    with SharedRingBufferConsumer(
        ring, RING_BYTES, subscribe=True, overflow="drop_oldest"
    ) as consumer:
        for job in consumer:
            numbers.append(job["number"])
    # What was given up for want of room counts as missed.
    print(f"{len(numbers) + consumer.missed} jobs went by, in order: {numbers == sorted(numbers)}")


if __name__ == "__main__":
    {"watch": monitor}[sys.argv[1]](sys.argv[2])
