# SPDX-License-Identifier: Apache-2.0
"""What people see while the demo runs: a live picture in a terminal, plain lines elsewhere."""

from __future__ import annotations

import collections
import dataclasses
import time
from types import TracebackType
from typing import Protocol

from crew import Member
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ipc0cp import RingStats

MIB = 1 << 20
SECONDS_OF_AVERAGE = 2.0
SECONDS_BETWEEN_LINES = 1.0
STATE_STYLES = {"alive": "bold green", "killed": "bold red", "finished": "dim"}


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The state of the run at one moment."""

    frames: int
    total_frames: int
    moved_bytes: int
    rings: dict[str, RingStats]
    workers: list[Member]
    frames_of_worker: dict[str, int]


class Display(Protocol):
    """`update` is called about ten times a second, `announce` when something happens."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def update(self, snapshot: Snapshot) -> None: ...
    def announce(self, text: str, style: str = "") -> None: ...


class Rate:
    """Frames and bytes per second over the last moments."""

    def __init__(self) -> None:
        self._points: collections.deque[tuple[float, int, int]] = collections.deque()

    def add(self, snapshot: Snapshot) -> tuple[float, float]:
        now = time.monotonic()
        self._points.append((now, snapshot.frames, snapshot.moved_bytes))
        while now - self._points[0][0] > SECONDS_OF_AVERAGE:
            self._points.popleft()
        start, frames, moved_bytes = self._points[0]
        seconds = max(now - start, 1e-9)
        return (snapshot.frames - frames) / seconds, (snapshot.moved_bytes - moved_bytes) / seconds


class PlainDisplay:
    """One line a second, for logs."""

    def __init__(self) -> None:
        self._rate = Rate()
        self._next_line = 0.0

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def update(self, snapshot: Snapshot) -> None:
        frames_per_second, bytes_per_second = self._rate.add(snapshot)
        if time.monotonic() < self._next_line:
            return
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        rings = "  ".join(
            f"{name} {stats.messages} queued {stats.used_bytes / MIB:.1f} MiB"
            for name, stats in snapshot.rings.items())
        workers = " ".join(f"{worker.name}:{worker.state}" for worker in snapshot.workers)
        print(f"{snapshot.frames:6,} of {snapshot.total_frames:,}  {frames_per_second:6,.0f}"
              f" frames/s  {bytes_per_second / 1e9:5.2f} GB/s  {rings}  {workers}", flush=True)

    def announce(self, text: str, style: str = "") -> None:  # noqa: ARG002 - lines have no style.
        print(f"--- {text}", flush=True)


class LiveDisplay:
    """Progress, rings and workers, redrawn in place; announcements scroll by above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rate = Rate()
        self._live = Live(console=console, refresh_per_second=10, transient=True)

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def announce(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style))

    def update(self, snapshot: Snapshot) -> None:
        frames_per_second, bytes_per_second = self._rate.add(snapshot)
        head = Table.grid(padding=(0, 2), expand=True)
        head.add_column(ratio=1)
        head.add_column(justify="right", width=17)
        head.add_column(justify="right", width=14)
        head.add_column(justify="right", width=10)
        head.add_row(
            ProgressBar(snapshot.total_frames, snapshot.frames),
            f"{snapshot.frames:,} of {snapshot.total_frames:,}",
            Text(f"{frames_per_second:,.0f} frames/s", "bold cyan"),
            Text(f"{bytes_per_second / 1e9:.2f} GB/s", "bold cyan"),
        )
        body = Group(head, Text(), _ring_table(snapshot), Text(), _worker_table(snapshot))
        self._live.update(Panel(body, title="photographs through shared memory", padding=(1, 2)))


def _ring_table(snapshot: Snapshot) -> Table:
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("ring", width=10)
    table.add_column("depth", ratio=1)
    table.add_column("queued", justify="right", width=10)
    table.add_column("in use", justify="right", width=20)
    for name, stats in snapshot.rings.items():
        table.add_row(
            name,
            ProgressBar(stats.total_data_bytes, stats.used_bytes, complete_style="yellow"),
            f"{stats.messages:,}",
            f"{stats.used_bytes / MIB:.1f} of {stats.total_data_bytes / MIB:.0f} MiB",
        )
    return table


def _worker_table(snapshot: Snapshot) -> Table:
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("worker", width=10)
    table.add_column("share", ratio=1)
    table.add_column("frames", justify="right", width=10)
    table.add_column("process", justify="right", width=20)
    for worker in snapshot.workers:
        frames = snapshot.frames_of_worker.get(worker.name, 0)
        style = STATE_STYLES[worker.state]
        table.add_row(
            Text(worker.name, style),
            ProgressBar(max(snapshot.frames, 1), frames, complete_style="green",
                        finished_style="green"),
            f"{frames:,}",
            Text(f"{worker.state} ({worker.process.pid})", style),
        )
    return table


def make_display(console: Console) -> Display:
    return LiveDisplay(console) if console.is_terminal else PlainDisplay()
