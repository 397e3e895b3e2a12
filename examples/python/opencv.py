# SPDX-License-Identifier: Apache-2.0
"""opencv: OpenCV reads a frame where it lies in the ring. Needs opencv-python-headless."""

import sys

import cv2
import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 16 << 20


def produce(ring: str) -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    cv2.rectangle(frame, (100, 50), (299, 149), (0, 255, 255), cv2.FILLED)
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        producer.push(frame)


def consume(ring: str) -> None:
    with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
        for frame in consumer:
            # The frame is read-only; cv2 copies nothing as long as it only reads.
            grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            x, y, width, height = cv2.boundingRect(grey)
            print(f"{width} x {height} at {x}, {y}")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
