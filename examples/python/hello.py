# SPDX-License-Identifier: Apache-2.0
"""hello: objects go in on one side and come out on the other, until the end of the stream."""

import json
import sys

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 1 << 20


def produce(ring: str) -> None:
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        producer.push("hello")
        producer.push({"from": "a producer", "to": ["a", "consumer"]})
        producer.push(np.array([[1, 2, 3], [4, 5, 6]], np.float32))
        # Leaving ends the stream: nothing has to be sent for it.


def consume(ring: str) -> None:
    with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
        for obj in consumer:
            if isinstance(obj, str):
                print("text", obj)
            elif isinstance(obj, np.ndarray):
                print(f"ndarray {obj.flat[0]:.0f} to {obj.flat[-1]:.0f}")
            else:
                print("json", json.dumps(obj, separators=(",", ":")))
    print("end of stream")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
