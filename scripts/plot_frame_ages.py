#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the example latest_camera and draws how old the frames are that its slow consumer gets.

    plot_frame_ages.py [PICTURE]        docs/pictures/frame_ages.png if none is given

Each language has a run with the newest frame only (`overflow="drop_oldest", depth=1`), Python one
with an ordinary queue of the same size besides. Prints the ages of each run. Exit status 1: a frame
was older than two frame times. Needs the C++ examples in build/examples and Matplotlib.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib import pyplot

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(os.environ.get("IPC0CP_BUILD_DIR", ROOT / "build")) / "examples"
PICTURE = ROOT / "docs" / "pictures" / "frame_ages.png"
SECONDS = 60
FRAME_MS = 10.0

PYTHON = [sys.executable, str(ROOT / "examples/python/latest_camera.py")]
CPP = [str(PROGRAMS / "latest_camera")]
QUEUE = """
import sys
sys.path.append(sys.argv[1])
import latest_camera
producer = latest_camera.SharedRingBufferProducer
latest_camera.SharedRingBufferProducer = lambda ring, size, **_: producer(ring, size)
latest_camera.produce(sys.argv[2])
"""


def ages_of(producer: list[str], consumer: list[str]) -> list[float]:
    """Of the frames of one run, in milliseconds; without the first, for which a Python consumer
    imports NumPy, and the last, which no newer one replaces while the consumer is busy."""
    ring = f"frame-ages-{os.getpid()}"
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "ages"
        with subprocess.Popen([*producer, ring]) as source:
            subprocess.run([*consumer, "consume", ring, file], check=True, timeout=SECONDS)
            if source.wait(SECONDS) != 0:
                raise SystemExit(f"the producer ended with {source.returncode}")
        return [float(line) for line in file.read_text().splitlines()][1:-1]


def draw(runs: dict[str, list[float]], picture: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(7.5, 3.6))
    for (label, ages), colour in zip(runs.items(), ("#8d99ae", "#d1495b", "#1b6ca8"), strict=True):
        seconds = [5 * FRAME_MS * index / 1000 for index in range(len(ages))]
        axes.plot(seconds, ages, marker="o", markersize=3, linewidth=1.4, color=colour, label=label)
    axes.axhline(2 * FRAME_MS, color="#222222", linestyle="--", linewidth=1)
    axes.text(0, 2 * FRAME_MS * 1.08, "two frame times", color="#222222", fontsize=9)
    axes.set_yscale("log")
    axes.set_xlim(-0.02, 1.6)
    axes.set_ylim(0.01, 1000)
    axes.set_yticks([0.1, 1, 10, 100, 1000], ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s"])
    axes.set_xlabel("seconds; a frame every 10 ms, a consumer that takes 50 ms for each")
    axes.set_title("Age of a frame when its consumer gets it", loc="left", fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6")
    axes.legend(frameon=False, loc="lower left", fontsize=9)
    figure.savefig(picture, dpi=110, bbox_inches="tight", facecolor="white")


def main() -> None:
    picture = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    queue = [sys.executable, "-c", QUEUE, str(ROOT / "examples/python")]
    runs = {
        "ordinary queue, and the camera waits": ages_of(queue, PYTHON),
        "latest value, Python": ages_of([*PYTHON, "produce"], PYTHON),
        "latest value, C++": ages_of([*CPP, "produce"], CPP),
    }
    draw(runs, picture)
    is_late = False
    for label, ages in runs.items():
        print(f"{label}: {len(ages)} frames, {statistics.median(ages):.1f} ms in the middle,"
              f" {max(ages):.1f} ms at most")
        is_late |= label.startswith("latest") and max(ages) > 2 * FRAME_MS
    sys.exit(1 if is_late else 0)


if __name__ == "__main__":
    main()
