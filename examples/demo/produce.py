# SPDX-License-Identifier: Apache-2.0
"""The producer of the demo: streams the photographs, one after the other, over and over."""

from __future__ import annotations

import sys

from photographs import load_photographs

from ipc0cp import SharedRingBufferProducer


def main(ring: str, total_data_bytes: int, frames: int) -> None:
    photographs = load_photographs()
    with SharedRingBufferProducer(ring, total_data_bytes) as producer:
        for frame in range(frames):
            photograph = photographs[frame % len(photographs)]
            # An ordinary array message with two keys more; readers ignore what they do not know.
            metadata = {
                "type": "ndarray",
                "version": "1.0",
                "dtype": "|u1",
                "shape": list(photograph.pixels.shape),
                "frame": frame,
                "photo": photograph.title,
            }
            producer.push_raw(metadata, photograph.pixels)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
