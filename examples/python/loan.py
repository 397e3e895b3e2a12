# SPDX-License-Identifier: Apache-2.0
"""loan: an array is written where the consumer will read it. Nothing is copied on the way."""

import sys

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 16 << 20
HEIGHT, WIDTH = 480, 640


def produce(ring: str) -> None:
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        for number in range(3):
            with producer.loan((HEIGHT, WIDTH), "uint16") as frame:
                frame[...] = np.arange(WIDTH)
                frame += number * 1000
        # A loan that is left by an exception is given back, nobody will see it.
        try:
            with producer.loan((HEIGHT, WIDTH), "uint16") as frame:
                raise RuntimeError("the camera was unplugged")
        except RuntimeError as error:
            print(f"abandoned: {error}")


def consume(ring: str) -> None:
    with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
        for frame in consumer:
            height, width = frame.shape
            print(f"{height} x {width}, {frame[0, 0]} to {frame[-1, -1]}")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
