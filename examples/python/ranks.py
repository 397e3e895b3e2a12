# SPDX-License-Identifier: Apache-2.0
"""ranks: one producer, and every rank sees every batch, as in a tensor-parallel step.

Each rank multiplies the same batch, where it lies, by its own columns of a matrix.
"""

import sys

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 16 << 20
RANKS = 2
BATCHES = 20
ROWS, WIDTH = 64, 128


def produce(ring: str) -> None:
    with SharedRingBufferProducer(
        ring, RING_BYTES, broadcast=True, expected_consumers=RANKS
    ) as producer:
        for number in range(BATCHES):
            producer.push(np.full((ROWS, WIDTH), float(number)))


def rank(ring: str) -> None:
    columns = np.ones((WIDTH, WIDTH // RANKS))
    batches, total = 0, 0.0
    with SharedRingBufferConsumer(ring, subscribe=True) as consumer:
        for batch in consumer:
            total += float((batch @ columns).sum())
            batches += 1
    print(f"{batches} batches, the products add up to {total:.0f}")


if __name__ == "__main__":
    {"produce": produce, "rank": rank}[sys.argv[1]](sys.argv[2])
