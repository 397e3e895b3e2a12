# SPDX-License-Identifier: Apache-2.0
"""stdio: the same messages through a shell pipe: produce | invert | consume."""

import sys

import numpy as np

from ipc0cp import StdioConsumer, StdioProducer


def produce() -> None:
    with StdioProducer() as producer:
        print("sending three frames")  # Standard output is the stream's, so this goes to errors.
        for brightness in (0, 55, 155):
            frame = np.full((480, 640), brightness, np.uint8)
            producer.push({"camera": "front door", "frame": frame})
        # Leaving ends the stream. If an exception leaves, the next program learns of that, too.


def invert() -> None:
    with StdioConsumer() as consumer, StdioProducer() as producer:
        for message in consumer:
            producer.push({**message, "frame": 255 - message["frame"]})


def consume() -> None:
    with StdioConsumer() as consumer:
        for message in consumer:
            print(f"{message['camera']}: {message['frame'].mean():.0f}")
    print("end of stream")


if __name__ == "__main__":
    {"produce": produce, "invert": invert, "consume": consume}[sys.argv[1]]()
