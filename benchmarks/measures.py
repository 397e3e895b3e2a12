# SPDX-License-Identifier: Apache-2.0
"""What is measured, against what, and what it should reach: the rows of the table.

A figure is `program.key` of one round, as the programs print them. A row is the median over rounds;
ratios are taken within a round first, because the machine is never the same twice.
"""

from __future__ import annotations

import dataclasses
import operator
import statistics
from collections.abc import Callable

Round = dict[str, dict[str, float]]

# A cache line goes to the other core and back in about 110 ns, or in 530 ns when the two are far
# apart; that changes by itself, and small messages between processes follow it.
NEAR_NS = 250.0


def figure(name: str, a_round: Round) -> float:
    program, key = name.split(".")
    return a_round[program][key]


@dataclasses.dataclass(frozen=True)
class Target:
    """`of` says what is held against the limit: the figure, or its ratio or difference to the
    rival's."""

    limit: float
    at_least: bool = False
    of: str = "ratio"

    def value(self, own: float, rival: float) -> float:
        combine: dict[str, Callable[[float, float], float]] = {
            "figure": lambda own, _: own,
            "ratio": operator.truediv,
            "difference": operator.sub,
        }
        return combine[self.of](own, rival)

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclasses.dataclass(frozen=True)
class Measure:
    name: str
    figure: str
    unit: str
    target: Target | None = None
    rival: str | None = None
    rival_name: str = ""
    near_only: bool = False  #: Counts only in rounds in which the cores were near.


@dataclasses.dataclass(frozen=True)
class Row:
    """A measure with what came out; the table and the JSON file are made of these."""

    measure: str
    unit: str
    figure: float | None
    rival_name: str
    rival: float | None
    ratio: float | None
    target: str
    met: bool | None


MEASURES = [
    Measure("one process, 64 B: loan, publish, pop, release", "core_cycle.cycle_ns", "ns",
            Target(110, of="figure")),
    Measure("the same with 60,000 blocks out and holes", "core_cycle.cycle_many_ns", "ns",
            Target(1.5), "core_cycle.cycle_ns", "10 blocks out"),
    Measure("one process, 64 B: push, pop, release", "core_cycle.push_cycle_ns", "ns"),
    Measure("C++, 0.5-5 MiB", "throughput_ring.gigabytes_per_second", "GB/s",
            Target(12, at_least=True), "throughput_pipe.gigabytes_per_second", "plain pipe"),
    Measure("C++, 0.5-5 MiB", "throughput_ring.gigabytes_per_second", "GB/s",
            None, "throughput_floor.gigabytes_per_second", "floor"),
    Measure("C++, 0.5-5 MiB, CPU per GB", "throughput_ring.cpu_seconds_per_gigabyte", "s",
            None, "throughput_pipe.cpu_seconds_per_gigabyte", "plain pipe"),
    Measure("Python, 0.5-5 MiB", "python_ring.gigabytes_per_second", "GB/s",
            Target(10, at_least=True), "python_pipe.gigabytes_per_second", "plain pipe"),
    Measure("Python, 0.5-5 MiB", "python_ring.gigabytes_per_second", "GB/s",
            Target(40, at_least=True), "python_queue.gigabytes_per_second",
            "multiprocessing.Queue"),
    Measure("C++ STDIO, 0.5-5 MiB", "throughput_stdio_api.gigabytes_per_second", "GB/s",
            Target(0.9, at_least=True), "throughput_stdio_raw.gigabytes_per_second",
            "lengths and payloads"),
    Measure("Python STDIO, 0.5-5 MiB", "python_stdio_api.gigabytes_per_second", "GB/s",
            Target(0.8, at_least=True), "python_stdio_raw.gigabytes_per_second",
            "lengths and payloads"),
    Measure("ping-pong 64 B, p50, cores near", "ping_pong.p50_ns", "ns",
            Target(700, of="figure"), "ping_pong.cache_line_before_ns", "one cache line",
            near_only=True),
    Measure("ping-pong 64 B, p50", "ping_pong.p50_ns", "ns",
            None, "ping_pong.cache_line_before_ns", "one cache line"),
    Measure("ping-pong 64 B, p99", "ping_pong.p99_ns", "ns"),
    Measure("idle consumer, share of a core", "idle.idle_consumer_core_percent", "%",
            Target(0.1, of="figure")),
    Measure("idle producer, share of a core", "idle.idle_producer_core_percent", "%",
            Target(0.1, of="figure")),
    Measure("loan and view, 256 MiB", "large_ring.hand_over_256_mib_ns", "ns",
            Target(2), "large_ring.hand_over_1_kib_ns", "1 KiB"),
    Measure("Python, 64 B: push and pop", "python_cycle.bytes_cycle_us", "us",
            Target(2.5, of="figure")),
    Measure("Python, 480x640x3: push and pop", "python_cycle.array_cycle_us", "us",
            Target(3, of="difference"), "python_cycle.memcpy_us", "one memcpy"),
    Measure("ring of 1 GiB: creation", "large_ring.create_ms", "ms", Target(5, of="figure")),
    Measure("ring of 1 GiB: resident, 1 MiB messages", "large_ring.resident_mib", "MiB",
            Target(16, of="figure")),
]


def is_near(a_round: Round) -> bool:
    lines = a_round["ping_pong"]
    return max(lines["cache_line_before_ns"], lines["cache_line_after_ns"]) <= NEAR_NS


def describe_phases(rounds: list[Round]) -> str:
    """How far apart the cores were, round by round; empty if that was not measured."""
    if "ping_pong" not in rounds[0]:
        return ""
    phases = [f"{'near' if is_near(a_round) else 'far'}"
              f" ({a_round['ping_pong']['cache_line_before_ns']:.0f} ns)" for a_round in rounds]
    return f"cores, round by round: {', '.join(phases)}"


def describe(target: Target | None, unit: str) -> str:
    if target is None:
        return ""
    sign = ">=" if target.at_least else "<="
    texts = {"figure": f"{target.limit:g} {unit}", "ratio": f"{target.limit:g}x",
             "difference": f"+{target.limit:g} {unit}"}
    return f"{sign} {texts[target.of]}"


def make_row(measure: Measure, rounds: list[Round]) -> Row:
    usable = [a_round for a_round in rounds if is_near(a_round)] if measure.near_only else rounds
    target = describe(measure.target, measure.unit)
    if not usable:
        return Row(measure.name, measure.unit, None, measure.rival_name, None, None, target, None)
    own = [figure(measure.figure, a_round) for a_round in usable]
    rival = [figure(measure.rival, a_round) for a_round in usable] if measure.rival else None
    ratios = [mine / other for mine, other in zip(own, rival, strict=True)] if rival else None
    met = None
    if measure.target is not None:
        pairs = zip(own, rival or own, strict=True)
        met = measure.target.is_met(
            statistics.median(measure.target.value(mine, other) for mine, other in pairs))
    return Row(
        measure.name, measure.unit, statistics.median(own), measure.rival_name,
        statistics.median(rival) if rival else None,
        statistics.median(ratios) if ratios else None, target, met)


def make_rows(rounds: list[Round]) -> list[Row]:
    """The rows whose programs were run."""
    programs = set(rounds[0])
    return [make_row(measure, rounds) for measure in MEASURES
            if {name.split(".")[0] for name in (measure.figure, measure.rival) if name} <= programs]


def number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "-"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def markdown_table(rows: list[Row]) -> str:
    lines = ["| measure | figure | limit or rival in the same run | ratio | target | |",
             "|---|---:|---|---:|---|---|"]
    for row in rows:
        rival = f"{row.rival_name} {number(row.rival, row.unit)}" if row.rival_name else ""
        ratio = f"{number(row.ratio)}x" if row.ratio is not None else ""
        met = {True: "met", False: "missed", None: ""}[row.met]
        if row.figure is None:
            met = "no such round"
        lines.append(f"| {row.measure} | {number(row.figure, row.unit)} | {rival} | {ratio}"
                     f" | {row.target} | {met} |")
    return "\n".join(lines)
