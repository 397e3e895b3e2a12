# SPDX-License-Identifier: Apache-2.0
"""point_cloud: a type of one's own, a header and points behind it, that is used where it lies."""

import sys
from typing import Any, Self

import numpy as np

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer, register_type

RING_BYTES = 16 << 20
POINTS = 100_000
METADATA = {"type": "PointCloud", "version": "1.0"}
HEADER = np.dtype([("stamp", "<f8"), ("points", "<u8")])


class PointCloud:
    """Header and points in one piece of memory, as they travel."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory
        self.header = np.frombuffer(memory, HEADER, count=1)[0]
        self.points = np.frombuffer(memory, "<f4", offset=HEADER.itemsize).reshape(-1, 3)

    @classmethod
    def empty(cls, stamp: float, points: int) -> Self:
        memory = np.zeros(HEADER.itemsize + 12 * points, np.uint8)
        memory[: HEADER.itemsize].view(HEADER)[0] = (stamp, points)
        return cls(memory)


# With view=True the payload keeps its block of the ring, so the points stay where they are.
register_type(
    "PointCloud",
    lambda _, payload: PointCloud(payload),
    python_type=PointCloud,
    serialize=lambda cloud: (METADATA, cloud.memory),
    view=True,
)


def produce(ring: str) -> None:
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        for scan in range(3):
            cloud = PointCloud.empty(scan * 0.5, POINTS)
            cloud.points[:, 0] = np.arange(POINTS) % 100
            cloud.points[:, 1] = np.arange(POINTS) % 10
            producer.push(cloud)


def lift(ring: str) -> None:
    """Lifts each cloud by its time stamp, from one ring into the next."""
    with (
        SharedRingBufferConsumer(ring, RING_BYTES) as consumer,
        SharedRingBufferProducer(f"{ring}.lifted", RING_BYTES) as producer,
    ):
        for cloud in consumer:
            lifted = PointCloud.empty(cloud.header["stamp"], len(cloud.points))
            np.add(cloud.points, [0, 0, cloud.header["stamp"]], out=lifted.points, casting="unsafe")
            producer.push(lifted)


def consume(ring: str) -> None:
    with SharedRingBufferConsumer(f"{ring}.lifted", RING_BYTES) as consumer:
        for cloud in consumer:
            x, y, z = cloud.points.mean(axis=0, dtype=np.float64)
            print(f"{len(cloud.points)} points around {x:.1f} {y:.1f} {z:.1f}")


if __name__ == "__main__":
    {"produce": produce, "lift": lift, "consume": consume}[sys.argv[1]](sys.argv[2])
