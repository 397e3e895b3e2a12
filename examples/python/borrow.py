# SPDX-License-Identifier: Apache-2.0
"""borrow: what comes out is a view of the ring, and stays valid as long as somebody keeps it."""

import sys

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 16 << 20


def produce(ring: str) -> None:
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        for brightness in (40, 90, 200, 60, 10):
            producer.push(np.full((480, 640), brightness, np.uint8))


def consume(ring: str) -> None:
    brightest = np.zeros((1, 1), np.uint8)
    with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
        for frame in consumer:
            if frame[0, 0] > brightest[0, 0]:
                # Even a slice keeps the memory of the ring; the pixels stay where they are.
                brightest = frame[:, :]
    # The consumer has left and the ring has no name any more. The view is still good.
    writable = "yes" if brightest.flags.writeable else "no"
    print(f"brightest {brightest.mean():.0f}, writable {writable}")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
