#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Photographs through shared memory: a Python producer, two C++ workers, a Python sink.

    producer (Python) --frames--> workers A, B (C++) --results--> sink (this process)

At half time one worker is killed with SIGKILL and replaced. Every frame is accounted for: it was
processed, or it is the one that the killed worker held. The exit code says whether that is so.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import resource
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from contact_sheet import draw_contact_sheet
from crew import Crew, Member
from display import Display, Snapshot, make_display
from photographs import load_photographs
from rich.console import Console
from rich.table import Table
from sink import DemoFailed, Sink, account

from ipc0cp import Error, RingStats, SharedRingBufferConsumer, Timeout

ROOT = Path(__file__).resolve().parents[2]
RING_BYTES = 64 << 20
WORKERS = ["A", "B"]
SECONDS_PER_UPDATE = 0.1
SECONDS_WITHOUT_RESULT = 30.0
SECONDS_BEFORE_KILL = 0.002
MIN_FRAMES = 100


@dataclasses.dataclass
class Outcome:
    """What the closing table needs."""

    frames_stats: RingStats
    missing: list[int]
    killed: list[Member]
    seconds: float
    cpu_seconds: float


class Run:
    """One run of the demo, from the first frame to the end of the stream."""

    def __init__(self, options: argparse.Namespace, sink: Sink, display: Display) -> None:
        self._options = options
        self._sink = sink
        self._display = display
        self._frames_name = f"demo-frames-{os.getpid()}"
        self._results_name = f"demo-results-{os.getpid()}"

    def execute(self) -> Outcome:
        # The replacement is a producer of its own of the results: the stream must not end
        # before it, too, has joined and left.
        producers_of_results = len(WORKERS) + int(self._options.chaos)
        start = time.monotonic()
        cpu_start = cpu_seconds()
        with (
            # This consumer of the frames takes none. It is there to watch the ring, and keeps it
            # until the counters have been read at the end.
            SharedRingBufferConsumer(self._frames_name, RING_BYTES) as frames,
            SharedRingBufferConsumer(
                self._results_name, RING_BYTES, expected_producers=producers_of_results
            ) as results,
            Crew(self._options.worker, self._frames_name, self._results_name) as crew,
        ):
            crew.start_producer(RING_BYTES, self._options.frames)
            for name in WORKERS:
                crew.start_worker(name)
            self._collect(crew, {"frames": frames, "results": results})
            seconds = time.monotonic() - start
            crew.wait()
            killed = [worker for worker in crew.workers if worker.killed]
            stats = frames.stats()
            missing = account(
                self._sink, stats, self._options.frames, [worker.name for worker in killed])
            return Outcome(stats, missing, killed, seconds, cpu_seconds() - cpu_start)

    def _collect(self, crew: Crew, rings: dict[str, SharedRingBufferConsumer]) -> None:
        kill_at = self._options.frames // 2 if self._options.chaos else None
        last_result = next_update = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= next_update:
                next_update = now + SECONDS_PER_UPDATE
                self._display.update(self._snapshot(crew, rings))
                crew.check()
            if now - last_result > SECONDS_WITHOUT_RESULT:
                raise DemoFailed(f"no result for {SECONDS_WITHOUT_RESULT:.0f} s")
            try:
                message = rings["results"].pop_raw(timeout=SECONDS_PER_UPDATE)
            except Timeout:
                continue
            if message is None:
                self._display.update(self._snapshot(crew, rings))
                return
            last_result = now
            deliverer = self._sink.take(message)
            if self._sink.frames == kill_at:
                # The other one, and a moment later: in the middle of a photograph.
                time.sleep(SECONDS_BEFORE_KILL)
                self._kill_and_replace(
                    crew, next(worker for worker in crew.workers if worker.name != deliverer))

    def _kill_and_replace(self, crew: Crew, victim: Member) -> None:
        if crew.kill(victim):
            self._display.announce(
                f"worker {victim.name} (process {victim.process.pid}) killed with SIGKILL"
                f" at frame {self._sink.frames:,}", "bold red")
        else:
            self._display.announce(f"worker {victim.name} had finished before it could be killed")
        replacement = crew.start_worker(f"{victim.name}2")
        self._display.announce(
            f"worker {replacement.name} (process {replacement.process.pid}) takes its place",
            "bold green")

    def _snapshot(self, crew: Crew, rings: dict[str, SharedRingBufferConsumer]) -> Snapshot:
        sink = self._sink
        return Snapshot(
            sink.frames, self._options.frames, sink.input_bytes + sink.output_bytes,
            {name: ring.stats() for name, ring in rings.items()}, crew.workers,
            dict(sink.frames_of_worker))


def cpu_seconds() -> float:
    """Of this process and all its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def header_figures(sink: Sink, outcome: Outcome) -> dict[str, str]:
    gigabytes = (sink.input_bytes + sink.output_bytes) / 1e9
    return {
        "frames/s": f"{sink.frames / outcome.seconds:,.0f}",
        "GB/s": f"{gigabytes / outcome.seconds:.2f}",
        "CPU seconds per GB": f"{outcome.cpu_seconds / gigabytes:.2f}",
        "workers killed": f"{len(outcome.killed)}",
        "frames lost": f"{len(outcome.missing)}",
    }


def summary_rows(sink: Sink, outcome: Outcome, titles: list[str]) -> list[tuple[str, str]]:
    gigabytes = (sink.input_bytes + sink.output_bytes) / 1e9
    figures = header_figures(sink, outcome)
    lost = ", ".join(f"number {frame:,} ({titles[frame % len(titles)]})"
                     for frame in outcome.missing)
    shares = ", ".join(f"{name} {count:,}"
                       for name, count in sorted(sink.frames_of_worker.items()))
    rows = [
        ("frames sent", f"{outcome.frames_stats.pushed:,}"),
        ("frames processed", f"{sink.frames:,} ({shares})"),
        ("through both rings", f"{gigabytes:.2f} GB in {outcome.seconds:.1f} s"),
        ("frames/s", figures["frames/s"]),
        ("GB/s", figures["GB/s"]),
        ("CPU seconds per GB", f"{figures['CPU seconds per GB']}, all processes"),
    ]
    if outcome.killed:
        names = ", ".join(worker.name for worker in outcome.killed)
        count = len(outcome.missing)
        rows.append((f"lost with worker {names}", f"{count}: {lost}" if lost else str(count)))
        rows.append(("the ring's own count", f"{outcome.frames_stats.lost}"))
    return rows


def print_summary(console: Console, rows: list[tuple[str, str]]) -> None:
    if not console.is_terminal:
        for name, value in rows:
            print(f"{name:22} {value}")
        return
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(style="bold")
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)


def find_worker(given: Path | None) -> Path:
    build = Path(os.environ.get("IPC0CP_BUILD_DIR", ROOT / "build"))
    program = given or build / "examples" / "demo_worker"
    if not program.is_file():
        raise SystemExit(f"no {program}: run `make demo`, or name the program with --worker")
    return program


def stop(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise SystemExit(128 + signal_number)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=8000, help="how many to stream")
    parser.add_argument("--chaos", action=argparse.BooleanOptionalAction, default=True,
                        help="kill a worker at half time")
    parser.add_argument("--output", type=Path, default=Path("demo_contact_sheet.png"),
                        help="where the contact sheet goes")
    parser.add_argument("--worker", type=Path, help="the C++ program, if not in build/examples")
    options = parser.parse_args()
    if options.frames < MIN_FRAMES:
        parser.error(f"--frames must be at least {MIN_FRAMES}")
    options.worker = find_worker(options.worker)
    return options


def main() -> int:
    options = parse_arguments()
    console = Console()
    photographs = load_photographs()
    sink = Sink(photographs, options.frames)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, stop)
    try:
        with make_display(console) as display:
            titles = [photograph.title for photograph in photographs]
            display.announce(f"{options.frames:,} frames of {len(titles)} photographs: "
                             + ", ".join(titles))
            outcome = Run(options, sink, display).execute()
        sink.verify_pixels()
    except (DemoFailed, Error) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    rows = summary_rows(sink, outcome, titles)
    print_summary(console, rows)
    results = [sink.results[title] for title in titles]
    draw_contact_sheet(results, header_figures(sink, outcome), options.output)
    print(f"contact sheet: {options.output.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
