#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ipc0cp.Queue beside multiprocessing.Queue: time per item, payload by payload.

    python_queue.py [--seconds S] [--runs N] [--only GLOB] [--markdown]

Each measurement is a pair of processes of its own: one puts the same object again and again, the
other gets it, and both run the same lines for either queue, which holds 100 items at most. Rivals
take turns; figures are medians over the runs, the gain is the median of the ratios within a run.
Time is the receiver's, from the first item to the last. A wrong, lost or missing item fails the
program. Prints one line of JSON, or the table of docs/migrate_from_multiprocessing_queue.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import json
import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

import ipc0cp

SPAWN = multiprocessing.get_context("spawn")
MOST_ITEMS = 100
END = "end of the measurement"


@dataclasses.dataclass
class Sample:
    """A class of a program's own, as a data loader has them."""

    label: str
    image: np.ndarray[Any, Any]
    mask: np.ndarray[Any, Any]

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, Sample) and self.label == other.label
                and np.array_equal(self.image, other.image)
                and np.array_equal(self.mask, other.mask))


def random_array(shape: int | tuple[int, ...], dtype: type = np.uint8) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


def nested_dict() -> dict[str, Any]:
    """About 1 MB of JSON."""
    return {f"key {i}": {"name": f"item {i}", "values": [i, i / 7, None, True, "text" * 4],
                         "inner": {"a": i, "b": [float(i), str(i)]}} for i in range(8_000)}


def small_dict() -> dict[str, Any]:
    return {"id": 7, "name": "worker", "score": 0.5}


PAYLOADS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "small dict": small_dict,
    "small dict, pickle=True": small_dict,
    "tuple (7, 'a', 0.5)": lambda: (7, "a", 0.5),
    "1 KB bytes": lambda: bytes(1000),
    "64 KB array": lambda: random_array(16_384, np.float32),
    "480x640x3 frame": lambda: random_array((480, 640, 3)),
    "(number, frame)": lambda: (7, random_array((480, 640, 3))),
    "5 MiB array": lambda: random_array(5 << 20),
    "1 MB nested dict": nested_dict,
    "1 MB nested dict, pickle=True": nested_dict,
    "own class with arrays, pickle=True": lambda: Sample(
        "cat", random_array((480, 640, 3)), random_array((480, 640))),
}
QUEUES: dict[str, Callable[[str], Any]] = {
    "multiprocessing": lambda _: SPAWN.Queue(MOST_ITEMS),
    "ipc0cp": lambda payload: ipc0cp.Queue(MOST_ITEMS, pickle="pickle=True" in payload),
}


def pin_to_core(core: int) -> None:
    if core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})


def is_same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, tuple):
        return all(map(is_same, left, right))
    return bool(np.array_equal(left, right) if isinstance(left, np.ndarray) else left == right)


def receive(queue: Any, payload: str, connection: Connection) -> None:
    pin_to_core(1)
    expected = PAYLOADS[payload]()
    connection.send("ready")
    # The first item ends the set-up of both processes; it is not counted.
    if not is_same(queue.get(), expected):
        raise SystemExit(f"{payload}: another object than was put")
    items = 0
    start = time.monotonic()
    while type(item := queue.get()) is not str:
        items += 1
    seconds = time.monotonic() - start
    if item != END:
        raise SystemExit(f"{payload}: another object than was put")
    connection.send((items, seconds))


def microseconds_per_item(kind: str, payload: str, seconds: float) -> float:
    queue = QUEUES[kind](payload)
    here, there = SPAWN.Pipe()
    receiver = SPAWN.Process(target=receive, args=(queue, payload, there))
    receiver.start()
    there.close()
    obj = PAYLOADS[payload]()
    here.recv()
    queue.put(obj)
    items = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        queue.put(obj)
        items += 1
    queue.put(END)
    received, took = here.recv()
    receiver.join()
    queue.close()
    if receiver.exitcode != 0 or received != items or items < 2:
        raise SystemExit(f"{payload}: {items} items were put and {received} received")
    return float(took) / items * 1e6


@dataclasses.dataclass(frozen=True)
class Row:
    payload: str
    multiprocessing_us: float
    ipc0cp_us: float
    gain: float

    def figures(self) -> dict[str, float]:
        key = re.sub(r"\W+", "_", self.payload.lower()).strip("_")
        return {f"{key}_multiprocessing_us": self.multiprocessing_us,
                f"{key}_ipc0cp_us": self.ipc0cp_us, f"{key}_gain": self.gain}


def measure(payload: str, seconds: float, runs: int) -> Row:
    rounds = [{kind: microseconds_per_item(kind, payload, seconds) for kind in QUEUES}
              for _ in range(runs)]
    medians = {kind: statistics.median(one[kind] for one in rounds) for kind in QUEUES}
    gain = statistics.median(one["multiprocessing"] / one["ipc0cp"] for one in rounds)
    return Row(payload, medians["multiprocessing"], medians["ipc0cp"], gain)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def markdown_table(rows: list[Row]) -> str:
    lines = ["| item | `multiprocessing.Queue` | `ipc0cp.Queue` | gain |", "|---|---:|---:|---:|"]
    lines += [f"| {row.payload} | {number(row.multiprocessing_us)} us |"
              f" {number(row.ipc0cp_us)} us | {number(row.gain)}x |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="per measurement")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="*", metavar="GLOB", help="only these payloads")
    parser.add_argument("--markdown", action="store_true", help="a table instead of JSON")
    options = parser.parse_args()
    pin_to_core(0)
    rows = [measure(payload, options.seconds, options.runs) for payload in PAYLOADS
            if fnmatch.fnmatch(payload, options.only)]
    if options.markdown:
        print(markdown_table(rows))
    else:
        print(json.dumps({key: value for row in rows for key, value in row.figures().items()}))


if __name__ == "__main__":
    main()
