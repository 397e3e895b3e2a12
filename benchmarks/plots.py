# SPDX-License-Identifier: Apache-2.0
"""The figures of a run as plots.

    plots.py DIR RESULTS.json [MORE.json...]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from measures import NAMES, Round, medians
from scenarios import KIB, MIB, PONGS, SIZES, STREAM_SIZES, TRANSPORTS, WORK_QUEUES

OWN_COLOUR = "#d1495b"
COLOURS = {
    "ring": OWN_COLOUR, "ring_objects": "#e8a0ab", "ring_batch": "#e8a0ab", "floor": "#222222",
    "pipe": "#8d99ae", "connection": "#5fa8d3", "queue": "#1b6ca8", "slots": "#66a182",
    "faster_fifo": "#edae49", "zeromq": "#9d6bb5", "iceoryx2": "#00798c", "iceoryx": "#00a6a6",
    "socket": "#5fa8d3", "boost": "#edae49", "cloudtoid": "#6b705c",
    "stdio_raw": "#bcbcbc", "stdio_api": "#b07d62",
}
STYLE: Any = {
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#e6e6e6", "axes.axisbelow": True, "legend.frameon": False,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "figure.dpi": 110,
    "savefig.bbox": "tight", "savefig.facecolor": "white",
}
SHAPES = ("1x1", "2x2", "4x4", "8x8")
PLAIN_NUMBERS = FuncFormatter(lambda value, _: f"{value:g}")


def label_of(transport: str) -> str:
    return NAMES.get(transport, transport)


def draw_line(axes: Axes, points: list[tuple[float, float]], transport: str) -> None:
    is_own = transport == "ring"
    axes.plot(*zip(*points, strict=True), marker="o", markersize=6 if is_own else 4,
              color=COLOURS[transport], linewidth=2.8 if is_own else 1.4,
              zorder=5 if is_own else 3, linestyle="--" if transport == "floor" else "-",
              label=label_of(transport))


def middle_bytes(size: str, results: dict[str, Any]) -> float:
    options = results["options"]
    return SIZES[size] or (options["min_size"] + options["max_size"]) / 2


def bytes_label(value: float, _: object = None) -> str:
    if value >= MIB:
        return f"{value / MIB:g} MiB"
    return f"{value / KIB:g} KiB" if value >= KIB else f"{value:g} B"


def throughput(results: dict[str, Any], rounds: list[Round]) -> Figure:
    """GB/s over the size of messages."""
    figure, panels = pyplot.subplots(1, 2, figsize=(12, 4.8), sharey=True)
    for axes, (language, transports) in zip(panels, TRANSPORTS.items(), strict=True):
        for transport in transports:
            points = [(middle_bytes(size, results), rate) for size in STREAM_SIZES
                      if (rate := medians(
                          rounds, f"{language}.{transport}.{size}.1x1:consumer_mb_per_s"))]
            if len(points) > 1:
                draw_line(axes, points, transport)
        axes.set(title=f"{NAMES[language]}: one producer, one consumer", xscale="log",
                 yscale="log", xlabel="bytes per message")
        axes.xaxis.set_major_formatter(FuncFormatter(bytes_label))
        axes.set_xticks([SIZES[size] for size in ("64B", "4KiB", "64KiB", "1MiB", "64MiB")])
        axes.xaxis.set_minor_locator(NullLocator())
        if axes.lines:
            axes.legend(fontsize=8, ncols=2)
    panels[0].set_ylabel("GB/s at the consumer")
    panels[0].yaxis.set_major_formatter(PLAIN_NUMBERS)
    return figure


def round_trips(_: dict[str, Any], rounds: list[Round]) -> Figure:
    """p50, p99 and p99.9 of ping-pongs."""
    figure, panels = pyplot.subplots(2, 2, figsize=(12, 6.4), sharex="row")
    for row, size in zip(panels, ("64B", "1MiB"), strict=True):
        for axes, (language, transports) in zip(row, PONGS.items(), strict=True):
            bars = [(transport, found) for transport in transports
                    if all(found := [medians(rounds, f"{language}.{transport}.{size}.ping:{key}")
                                     for key in ("p50_us", "p99_us", "p999_us")])]
            bars.sort(key=lambda bar: bar[1][0] or 0, reverse=True)
            for position, (transport, values) in enumerate(bars):
                colour = COLOURS[transport]
                axes.barh(position, values[0] or 0, color=colour, height=0.62, zorder=3)
                for value, marker in zip(values[1:], ("|", "x"), strict=True):
                    axes.plot([value], [position], marker=marker, color="#444444",
                              markersize=9 if marker == "|" else 6, zorder=4)
                axes.plot(values, [position] * 3, color="#444444", linewidth=0.8, zorder=4)
            axes.set_yticks(range(len(bars)), [label_of(transport) for transport, _ in bars])
            axes.set(title=f"{NAMES[language]}: {bytes_label(SIZES[size])} there and back",
                     xscale="log")
            axes.xaxis.set_major_formatter(PLAIN_NUMBERS)
            axes.set_xlabel("microseconds: bar p50, | p99, x p99.9")
            axes.grid(visible=False, axis="y")
            axes.set_visible(bool(bars))
    return figure


def cpu_time(_: dict[str, Any], rounds: list[Round]) -> Figure:
    """Processor time of all processes per GB."""
    figure, panels = pyplot.subplots(1, 2, figsize=(12, 3.8), sharex=True)
    for axes, (language, transports) in zip(panels, TRANSPORTS.items(), strict=True):
        bars = [(transport, seconds) for transport in transports
                if (seconds := medians(
                    rounds, f"{language}.{transport}.large.1x1:cpu_seconds_per_gb"))]
        bars.sort(key=lambda bar: bar[1], reverse=True)
        axes.barh([label_of(transport) for transport, _ in bars], [value for _, value in bars],
                  color=[COLOURS[transport] for transport, _ in bars], zorder=3)
        for position, (_, value) in enumerate(bars):
            axes.annotate(f" {value:.3f}", (value, position), va="center", fontsize=8)
        axes.set(title=f"{NAMES[language]}: CPU seconds per GB, 0.5-5 MiB", xscale="log")
        axes.xaxis.set_major_formatter(PLAIN_NUMBERS)
        axes.grid(visible=False, axis="y")
    return figure


def scaling(_: dict[str, Any], rounds: list[Round]) -> Figure:
    """GB/s over producers x consumers."""
    figure, panels = pyplot.subplots(1, 2, figsize=(12, 4.2), sharey=True)
    for axes, (language, transports) in zip(panels, WORK_QUEUES.items(), strict=True):
        for transport in transports:
            points = [(float(position), rate) for position, shape in enumerate(SHAPES)
                      if (rate := medians(
                          rounds, f"{language}.{transport}.large.{shape}:consumer_mb_per_s"))]
            if len(points) > 1:
                draw_line(axes, points, transport)
        axes.set_xticks(range(len(SHAPES)), SHAPES)
        axes.set(title=f"{NAMES[language]}: 0.5-5 MiB messages", yscale="log",
                 xlabel="producers x consumers")
        if axes.lines:
            axes.legend(fontsize=8, ncols=2, loc="lower left")
    # Room for the legends below the slowest.
    panels[0].set_ylim(bottom=panels[0].get_ylim()[0] / 3)
    panels[0].set_ylabel("GB/s, all consumers together")
    panels[0].yaxis.set_major_formatter(PLAIN_NUMBERS)
    return figure


#: What a reader of the README compares with, in Python.
FIVE_RIVALS = ("iceoryx2", "zeromq", "faster_fifo", "pipe", "queue")
#: How the two processes share the machine, and the ending of the names of the settings.
SHARINGS = {"a core each": "", "beside a busy program": ".job", "both on one core": ".one_core"}


def overview_of_throughput(results: dict[str, Any], rounds: list[Round]) -> Figure:
    """GB/s over the size of messages in Python: ours and five rivals, named at their lines."""
    figure, axes = pyplot.subplots(figsize=(9, 4.6))
    ends = []
    for transport in ("ring", *FIVE_RIVALS):
        points = [(middle_bytes(size, results), rate) for size in STREAM_SIZES
                  if (rate := medians(rounds, f"python.{transport}.{size}.1x1:consumer_mb_per_s"))]
        if len(points) > 1:
            draw_line(axes, points, transport)
            ends.append((points[-1], transport))
    axes.set(title="Python, one producer, one consumer that reads every byte", xscale="log",
             yscale="log", xlabel="bytes per message", ylabel="GB/s")
    # Names stand where their lines end, but not on one another.
    lowest = 0.0
    for (right, rate), transport in sorted(ends, key=lambda end: end[0][1]):
        lowest = max(rate, lowest * 1.5)
        axes.annotate(label_of(transport), (right, lowest), xytext=(10, 0), fontsize=10,
                      textcoords="offset points", va="center", color=COLOURS[transport],
                      fontweight="bold" if transport == "ring" else "normal")
    axes.xaxis.set_major_formatter(FuncFormatter(bytes_label))
    axes.set_xticks([SIZES[size] for size in ("64B", "4KiB", "64KiB", "1MiB", "64MiB")])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(PLAIN_NUMBERS)
    return figure


def overview_of_round_trips(_: dict[str, Any], rounds: list[Round]) -> Figure:
    """p50 of 64 B there and back in Python, where the two processes share the machine or not."""
    figure, panels = pyplot.subplots(1, len(SHARINGS), figsize=(11, 2.8), sharex=True, sharey=True)
    transports = [transport for transport in ("queue", "cloudtoid", "zeromq", "pipe", "ring")
                  if medians(rounds, f"python.{transport}.64B.ping:p50_us")]
    for axes, (title, ending) in zip(panels, SHARINGS.items(), strict=True):
        for position, transport in enumerate(transports):
            value = medians(rounds, f"python.{transport}.64B.ping{ending}:p50_us")
            if value is None:
                continue
            axes.barh(position, value, color=COLOURS[transport], height=0.62, zorder=3)
            axes.annotate(f" {value:,.3g} us", (value, position), va="center", fontsize=9)
        axes.set(title=title, xscale="log")
        axes.set_yticks(range(len(transports)), [label_of(name) for name in transports])
        axes.xaxis.set_major_formatter(PLAIN_NUMBERS)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0.1, axes.get_xlim()[1] * 3)
    figure.supxlabel("microseconds for 64 B there and back in Python, median", fontsize=10)
    return figure


PLOTS = {"throughput": throughput, "round_trips": round_trips, "cpu_time": cpu_time,
         "scaling": scaling, "overview_throughput": overview_of_throughput,
         "overview_round_trips": overview_of_round_trips}


def draw_all(results: dict[str, Any], directory: Path,
             names: Iterable[str] = PLOTS) -> Iterator[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    mpl.use("agg")
    with mpl.rc_context(STYLE):
        for name in names:
            figure = PLOTS[name](results, results["rounds"])
            figure.tight_layout()
            path = directory / f"{name}.png"
            figure.savefig(path)
            pyplot.close(figure)
            yield path


def main() -> None:
    from report import load

    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    for path in draw_all(load(sys.argv[2:]), Path(sys.argv[1])):
        print(path)


if __name__ == "__main__":
    main()
