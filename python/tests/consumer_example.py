#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows what arrives until the end of stream: python consumer_example.py -s example_buffer."""

from __future__ import annotations

import argparse

import numpy as np

from ipc0cp import SharedRingBufferConsumer


def describe(obj: object) -> str:
    if isinstance(obj, np.ndarray):
        return f"ndarray {obj.shape} {obj.dtype}, mean {obj.mean():.1f}"
    return f"{type(obj).__name__} {obj!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-s", "--shm-name", default="example_buffer", help="name of the ring")
    parser.add_argument("-n", "--count", type=int, help="stop after so many messages")
    parser.add_argument("--buffer-size", type=int, default=100, help="capacity in MB")
    arguments = parser.parse_args()
    capacity_bytes = arguments.buffer_size * 1024 * 1024
    received = 0
    with SharedRingBufferConsumer(arguments.shm_name, capacity_bytes) as consumer:
        for obj in consumer:
            received += 1
            print(f"{received}: {describe(obj)}")
            del obj  # A view keeps its block of the ring until it is gone.
            if received == arguments.count:
                break
    print(f"received {received} messages")


if __name__ == "__main__":
    main()
