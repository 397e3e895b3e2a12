# SPDX-License-Identifier: Apache-2.0
"""torch_loader: a DataLoader whose worker processes are fed by a producer, in C++ if you like.

Each worker is one consumer of the ring, so each sample is loaded exactly once. Needs torch.
"""

import sys
from collections.abc import Iterator

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 16 << 20
SAMPLES = 64
BATCH = 8


def produce(ring: str) -> None:
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        for number in range(SAMPLES):
            image = np.full((3, 32, 32), number, np.float32)
            producer.push({"image": image, "label": number % 10})


def consume(ring: str) -> None:
    import torch
    from torch.utils.data import DataLoader, IterableDataset

    class Samples(IterableDataset):
        def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
            with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
                while (sample := consumer.pop(copy=True)) is not None:
                    yield torch.from_numpy(sample["image"]), sample["label"]

    images, total = 0, 0.0
    # This consumer pops nothing: it keeps the ring until the last worker has seen the end.
    with SharedRingBufferConsumer(ring, RING_BYTES):
        for batch, labels in DataLoader(Samples(), batch_size=BATCH, num_workers=2):
            assert len(batch) == len(labels)
            images += len(batch)
            total += float(batch.mean(dim=(1, 2, 3)).sum())
    print(f"{images} samples, the images add up to {total:.0f}")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
