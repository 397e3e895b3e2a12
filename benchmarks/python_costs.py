# SPDX-License-Identifier: Apache-2.0
"""What Python pays besides messages: import, attach, create, an idle handle, hand-over by size.

    python_costs.py [SECONDS of idling]

`import ipc0cp` is measured in processes of its own and must not bring NumPy or Pillow with it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

import ipc0cp

GIB = 1 << 30
RUNS = 7
TRIPS = 300
IMPORT = """
import sys, time
start = time.perf_counter()
import ipc0cp
seconds = time.perf_counter() - start
if loaded := {"numpy", "PIL"} & set(sys.modules):
    raise SystemExit(f"import ipc0cp has loaded {loaded}")
print(seconds)
"""


def import_ms() -> float:
    def once() -> float:
        command = [sys.executable, "-c", IMPORT]
        return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) * 1000

    once()  # Its files are in the page cache from now on.
    return statistics.median(once() for _ in range(RUNS))


def open_timed(name: str) -> tuple[ipc0cp.SharedRingBufferConsumer, float]:
    start = time.perf_counter()
    handle = ipc0cp.SharedRingBufferConsumer(name, GIB)
    return handle, (time.perf_counter() - start) * 1000


def attach_and_create_ms(name: str) -> tuple[float, float]:
    creations, attachments = [], []
    for number in range(RUNS):
        first, created = open_timed(f"{name}-{number}")
        second, attached = open_timed(f"{name}-{number}")
        creations.append(created)
        attachments.append(attached)
        second.close()
        first.close()
    return statistics.median(attachments), statistics.median(creations)


def idle_percent(name: str, seconds: float) -> float:
    with ipc0cp.SharedRingBufferConsumer(name, 1 << 20) as consumer:
        cpu_start, start = time.process_time(), time.monotonic()
        try:
            consumer.pop(seconds)
            raise SystemExit("a message out of nowhere")
        except ipc0cp.Timeout:
            return 100 * (time.process_time() - cpu_start) / (time.monotonic() - start)


def hand_over_us(name: str) -> tuple[float, float]:
    """A loan, its publication and a view of it, where all memory has been reserved before."""
    sizes = (1 << 10, GIB)
    trips_us: dict[int, list[float]] = {size: [] for size in sizes}
    with (
        ipc0cp.SharedRingBufferProducer(name, GIB, reserve=True) as producer,
        ipc0cp.SharedRingBufferConsumer(name, GIB) as consumer,
    ):
        for _ in range(TRIPS):
            for size in sizes:
                start = time.perf_counter_ns()
                with producer.loan(size - 1024 if size == GIB else size) as target:
                    target[0] = 7
                view = consumer.pop()
                trips_us[size].append((time.perf_counter_ns() - start) / 1000)
                if view[0] != 7:
                    raise SystemExit("another message than was published")
                del view, target
    small, large = (statistics.median(trips_us[size]) for size in sizes)
    return small, large


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    name = f"bench-costs-{os.getpid()}"
    attach, create = attach_and_create_ms(name)
    small, large = hand_over_us(name)
    print(json.dumps({
        "import_ms": import_ms(), "attach_ms": attach, "create_1_gib_ms": create,
        "idle_core_percent": idle_percent(name, seconds),
        "hand_over_1_kib_us": small, "hand_over_1_gib_us": large,
    }))


if __name__ == "__main__":
    main()
