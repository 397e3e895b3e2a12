# SPDX-License-Identifier: Apache-2.0
"""tensors: frames become torch tensors that may be changed. Needs torch.

A view of the ring is read-only memory: writing through `torch.from_numpy(view)` ends the process.
"""

import sys

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 16 << 20


def produce(ring: str) -> None:
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        for _ in range(3):
            producer.push(np.full((480, 640), 255, np.float32))


def consume(ring: str) -> None:
    import torch

    with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
        # Changed in place: let the array own its memory.
        owned = torch.from_numpy(consumer.pop(copy=True))
        owned.div_(255)
        print(f"owned: {float(owned.mean()):.1f}")

        # The same with torch making the copy.
        copied = torch.tensor(consumer.pop())
        copied.div_(255)
        print(f"copied: {float(copied.mean()):.1f}")

        # Only read: what torch makes of it is a new tensor.
        frame = consumer.pop()
        scaled = torch.tensor(float(frame.mean())) / 255
        print(f"read: {float(scaled):.1f}, writeable: {frame.flags.writeable}")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
