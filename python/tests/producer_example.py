#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends messages of several types: python producer_example.py -s example_buffer -n 100."""

from __future__ import annotations

import argparse

import numpy as np

from ipc0cp import SharedRingBufferProducer


def message(number: int) -> object:
    kinds = (
        lambda: np.full((480, 640, 3), number % 256, dtype=np.uint8),
        lambda: {"msg": "hello", "id": number},
        lambda: f"text {number}",
        lambda: b"raw bytes",
        lambda: [number, "mixed", np.arange(number % 10)],
    )
    return kinds[number % len(kinds)]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-s", "--shm-name", default="example_buffer", help="name of the ring")
    parser.add_argument("-n", "--count", type=int, default=100, help="how many messages to send")
    parser.add_argument("--buffer-size", type=int, default=100, help="capacity in MB")
    arguments = parser.parse_args()
    capacity_bytes = arguments.buffer_size * 1024 * 1024
    with SharedRingBufferProducer(arguments.shm_name, capacity_bytes) as producer:
        for number in range(arguments.count):
            producer.push(message(number))
    print(f"sent {arguments.count} messages")


if __name__ == "__main__":
    main()
