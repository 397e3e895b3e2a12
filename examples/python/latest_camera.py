# SPDX-License-Identifier: Apache-2.0
"""latest_camera: a slow consumer always gets the newest frame, and the camera never waits."""

import sys
import time
from pathlib import Path

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

HEIGHT, WIDTH = 480, 640
# The newest frame, the one that is being written, and what the consumer still looks at.
RING_BYTES = 6 * HEIGHT * WIDTH * 3
FRAMES = 150
FRAME_SECONDS = 0.01


def time_of(frame: np.ndarray) -> np.ndarray:
    """When it was taken, in nanoseconds: the first eight bytes of its pixels."""
    return frame.reshape(-1)[:8].view(np.int64)


def produce(ring: str) -> None:
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with SharedRingBufferProducer(ring, RING_BYTES, overflow="drop_oldest", depth=1) as producer:
        for _ in range(FRAMES):
            time_of(frame)[0] = time.monotonic_ns()
            producer.push(frame)
            time.sleep(FRAME_SECONDS)


def consume(ring: str, ages_file: str = "") -> None:
    taken: list[int] = []
    ages_ms: list[float] = []
    with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
        for frame in consumer:
            taken.append(int(time_of(frame)[0]))
            ages_ms.append((time.monotonic_ns() - taken[-1]) / 1e6)
            time.sleep(5 * FRAME_SECONDS)
        given_up = consumer.stats().overflowed
    print("in order:", taken == sorted(set(taken)))
    print("all accounted for:", len(taken) + given_up == FRAMES)
    if ages_file:
        Path(ages_file).write_text("".join(f"{age:.3f}\n" for age in ages_ms))


if __name__ == "__main__":
    (produce if sys.argv[1] == "produce" else consume)(*sys.argv[2:])
