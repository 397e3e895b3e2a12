# SPDX-License-Identifier: Apache-2.0
"""poll: asks for messages between other work, without ever waiting for one.

usage: python poll.py produce|consume RING
"""

import queue
import sys
import time

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 1 << 20
NUMBERS = 10


def produce(ring: str) -> None:
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        for number in range(NUMBERS):
            if not producer.push(number, timeout=10):
                print("timeout: no room", file=sys.stderr)
            time.sleep(0.005)


def consume(ring: str) -> None:
    received = 0
    with SharedRingBufferConsumer(ring, RING_BYTES, blocking=False) as consumer:
        while True:
            try:
                if consumer.pop() is None:
                    break
                received += 1
            except queue.Empty:
                time.sleep(0.001)  # A program would draw a picture, or move a robot.
    print(received, "numbers, then end_of_stream")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
