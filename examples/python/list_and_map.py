# SPDX-License-Identifier: Apache-2.0
"""list_and_map: one message of several parts, a frame together with what was found in it."""

import sys

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 16 << 20


def produce(ring: str) -> None:
    frame = np.full((480, 640, 3), 64, np.uint8)
    boxes = [
        {"label": "cat", "score": 0.75, "mask": np.ones((20, 30), bool)},
        {"label": "dog", "score": 0.5, "mask": np.ones((10, 10), bool)},
    ]
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        producer.push({"camera": "front door", "frame": frame, "boxes": boxes})


def consume(ring: str) -> None:
    with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
        for message in consumer:
            # The frame and the masks are views of one block of the ring.
            frame = message["frame"]
            height, width, bands = frame.shape
            print(f"{message['camera']}: {height} x {width} x {bands}, first {frame.flat[0]}")
            for box in message["boxes"]:
                print(f"{box['label']} {box['score']}, {box['mask'].sum()} pixels")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
