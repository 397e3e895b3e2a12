# SPDX-License-Identifier: Apache-2.0
"""camera: a live source does not wait for a slow consumer; it drops frames and counts them."""

import sys
import time

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

HEIGHT, WIDTH = 480, 640
# Room for four frames: what the consumer gets is never older than that.
RING_BYTES = 4 * HEIGHT * WIDTH * 3
FRAMES = 200


def produce(ring: str) -> None:
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    dropped = 0
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        for number in range(FRAMES):
            frame[...] = number
            # No room, no frame: the camera goes on. The first one waits for somebody to watch.
            if not producer.push(frame, timeout=None if number == 0 else 0):
                dropped += 1
            time.sleep(0.001)
        producer.push({"frames": FRAMES, "dropped": dropped})


def consume(ring: str) -> None:
    seen: list[int] = []
    with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
        for obj in consumer:
            if isinstance(obj, dict):
                print("all accounted for:", len(seen) + obj["dropped"] == obj["frames"])
                break
            seen.append(int(obj[0, 0, 0]))
            time.sleep(0.005)
    print("in order:", seen == sorted(set(seen)))


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
