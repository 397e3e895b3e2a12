# SPDX-License-Identifier: Apache-2.0
"""One Python process: push and pop of a Pillow image of each mode, beside image.tobytes() and
numpy.asarray(image), as a Markdown table.

    python_images.py [SECONDS per mode and size]
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import PIL
from PIL import Image

import ipc0cp
from ipc0cp._codec import images

SIZES = ((640, 480), (4000, 3000))
RING_BYTES = 256 << 20
BATCH_SECONDS = 0.01


def random_image(mode: str, size: tuple[int, int]) -> Image.Image:
    """Not of one colour: memory that was never written costs nothing to read."""
    layout = images.MODES[mode]
    row_bytes = layout.packed_bytes * size[0] if layout.packed_bytes else -(-size[0] // 8)
    pixels = np.random.default_rng(1).integers(0, 256, row_bytes * size[1], np.uint8)
    return Image.frombytes(mode, size, pixels.tobytes())


class Stopwatch:
    """Batches of each call in turn, so that all see the same machine; CPU time, medians."""

    def __init__(self) -> None:
        self._batches: dict[str, list[float]] = {}

    def measure(self, name: str, call: Callable[[], object], calls: int) -> None:
        start = time.thread_time_ns()
        for _ in range(calls):
            call()
        microseconds = (time.thread_time_ns() - start) / calls / 1000
        self._batches.setdefault(name, []).append(microseconds)

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(values) for name, values in self._batches.items()}


def measure_mode(producer: ipc0cp.SharedRingBufferProducer,
                 consumer: ipc0cp.SharedRingBufferConsumer,
                 image: Image.Image, seconds: float) -> dict[str, float]:
    producer.push(image)
    if consumer.pop() != image:
        raise SystemExit(f"another image of mode {image.mode} than was pushed")
    once = time.perf_counter()
    image.tobytes()
    calls = max(1, int(BATCH_SECONDS / (time.perf_counter() - once)))
    calls = min(calls, RING_BYTES // (2 * 4 * image.width * image.height))
    watch = Stopwatch()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        popped: list[Image.Image] = []
        watch.measure("push", lambda: producer.push(image), calls)
        watch.measure("pop", lambda kept=popped: kept.append(consumer.pop()), calls)
        popped.clear()
        watch.measure("tobytes", image.tobytes, calls)
        watch.measure("asarray", lambda: np.asarray(image), calls)
    return watch.medians()


def copies_of_a_pop(consumer: ipc0cp.SharedRingBufferConsumer,
                    producer: ipc0cp.SharedRingBufferProducer, image: Image.Image) -> int:
    """0 if the popped image keeps its block of the ring."""
    producer.push(image)
    popped = consumer.pop()
    copies = int(consumer.stats().used_bytes == 0)
    del popped
    return copies


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    name = f"bench-images-{os.getpid()}"
    print(f"Pillow {PIL.__version__}, NumPy {np.__version__}; microseconds of CPU time\n")
    print("| mode | size | bytes per pixel | copies push / pop | push | pop | `tobytes()` |"
          " `asarray()` | push + pop : `tobytes()` |")
    print("|---|---|---|---|---|---|---|---|---|")
    with (
        ipc0cp.SharedRingBufferProducer(name, RING_BYTES) as producer,
        ipc0cp.SharedRingBufferConsumer(name, RING_BYTES) as consumer,
    ):
        for mode in images.MODES:
            for size in SIZES:
                image = random_image(mode, size)
                figures = measure_mode(producer, consumer, image, seconds)
                ratio = (figures["push"] + figures["pop"]) / figures["tobytes"]
                print(f"| `{mode}` | {size[0]}x{size[1]} | {images.MODES[mode].cell_bytes} |"
                      f" 1 / {copies_of_a_pop(consumer, producer, image)} |"
                      f" {figures['push']:,.0f} | {figures['pop']:,.0f} |"
                      f" {figures['tobytes']:,.0f} | {figures['asarray']:,.0f} | {ratio:.2f} |",
                      flush=True)


if __name__ == "__main__":
    main()
