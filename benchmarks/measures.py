# SPDX-License-Identifier: Apache-2.0
"""What should be reached, as data, and what came out beside it.

A figure is `SETTING:KEY` of one round (see scenarios.py). Ratios are taken within a round first,
and only between runs of one phase, because the machine is never the same twice: the medians of
these ratios count. Nothing here decides whether the program succeeds.
"""

from __future__ import annotations

import dataclasses
import operator
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from scenarios import SLOW_US

Round = dict[str, dict[str, Any]]

# A cache line goes to the other core and back in about 110 ns, or in 530 ns when the two are far
# apart; that changes by itself, and everything between two processes follows it.
NEAR_NS = 250.0
# More than this is no distance: something else has run on one of the cores.
DISTURBED_NS = 1000.0

#: Unit and factor for the keys that are not shown as they are.
UNITS = {
    "consumer_mb_per_s": ("GB/s", 1e-3), "messages_per_second": ("M/s", 1e-6),
    "cpu_seconds_per_gb": ("s/GB", 1.0), "kept_up_share": ("", 1.0),
}


def unit_of(figure: str) -> str:
    key = figure.split(":")[1]
    if key in UNITS:
        return UNITS[key][0]
    return {"us": "us", "ms": "ms", "ns": "ns", "percent": "%"}.get(key.rsplit("_", 1)[-1], "")


def value_of(a_round: Round, figure: str) -> float | None:
    """In the unit in which it is shown; None if it was not measured."""
    setting, key = figure.split(":")
    value = a_round.get(setting, {}).get(key)
    return None if value is None else float(value) * UNITS.get(key, ("", 1.0))[1]


def phase_of(a_round: Round, setting: str) -> str:
    """`near` or `far`; `drifting` if it changed on the way, `disturbed`; `any` if nobody asked."""
    lines = [a_round.get(setting, {}).get(f"cache_line_{when}_ns") for when in ("before", "after")]
    if None in lines:
        return "any"
    if any(line > DISTURBED_NS for line in lines if line is not None):
        return "disturbed"
    near = [line <= NEAR_NS for line in lines if line is not None]
    return "near" if all(near) else "drifting" if any(near) else "far"


def are_comparable(a_round: Round, one: str, other: str) -> bool:
    phases = {phase_of(a_round, figure.split(":")[0]) for figure in (one, other)} - {"any"}
    return len(phases) < 2 and phases <= {"near", "far"}


def median_ratio(rounds: list[Round], figure: str, rival: str) -> float | None:
    """The median of the ratios within each round."""
    ratios = [own / other for one in rounds
              if (own := value_of(one, figure)) and (other := value_of(one, rival))]
    return statistics.median(ratios) if ratios else None


def add_derived(a_round: Round) -> None:
    """How fast a consumer is that works on each message, in shares of what it would be if the
    message cost it what it does when it keeps up."""
    for language in ("python", "cpp"):
        slow = a_round.get(f"{language}.ring.large.1x1.slow")
        fast = a_round.get(f"{language}.ring.large.1x1")
        if slow and fast:
            expected = 1 / (1 / fast["messages_per_second"] + SLOW_US * 1e-6)
            slow["kept_up_share"] = slow["messages_per_second"] / expected


@dataclasses.dataclass(frozen=True)
class Target:
    """`limit` is held against the figure, or its ratio or difference to the best of the rivals.

    `seen` is what came out on the machine for which the targets were set.
    """

    what: str
    language: str
    own: str
    sign: str
    limit: float
    rivals: tuple[str, ...] = ()
    of: str = "ratio"
    seen: str = ""

    @property
    def asked(self) -> str:
        unit = unit_of(self.own)
        if self.of == "figure":
            return f"{self.sign} {self.limit:g} {unit}".rstrip()
        names = " and ".join(dict.fromkeys(rival_name(rival, self.own) for rival in self.rivals))
        if self.of == "difference":
            return f"{self.sign} {names} + {self.limit:g} {unit}"
        return f"{self.sign} {self.limit:g}x {names}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    target: Target
    own: float | None = None
    rival: float | None = None
    #: Of what the limit is held against.
    value: float | None = None
    is_reached: bool | None = None
    #: There was no round in which own figure and rival were of one phase.
    is_mixed: bool = False


def rival_name(rival: str, own: str) -> str:
    """What tells the rival from the figure itself."""
    languages, transport, *rest = rival.split(":")[0].split(".")
    if languages == "program":
        return rival.split(":")[1]
    own_words = own.split(":")[0].split(".")
    words = [] if languages == own_words[0] else [NAMES.get(languages, languages)]
    if transport != own_words[1] or not words:
        words.append(NAMES.get(transport, transport))
    return " ".join([*words, *(word for word in rest if word not in own_words)])


NAMES = {
    "python": "Python", "cpp": "C++", "python-cpp": "Python to C++", "cpp-python": "C++ to Python",
    "ring": "ipc0cp", "ring_objects": "ipc0cp, objects", "ring_batch": "ipc0cp, 64 per call",
    "queue": "multiprocessing.Queue", "connection": "multiprocessing.Pipe",
    "faster_fifo": "faster-fifo", "zeromq": "ZeroMQ", "boost": "Boost.Interprocess",
    "cloudtoid": "cloudtoid-interprocess",
    "slots": "shared_memory slots", "socket": "unix socket", "pipe": "plain pipe",
    "stdio_raw": "STDIO (raw framing)", "stdio_api": "STDIO (API framing)",
}

COMBINE: dict[str, Callable[[float, float], float]] = {
    "ratio": operator.truediv, "difference": operator.sub, "figure": lambda own, _: own}
COMPARE: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le}


def best_rival(a_round: Round, target: Target, any_phase: bool) -> float | None:
    values = [value for rival in target.rivals
              if (any_phase or are_comparable(a_round, target.own, rival))
              and (value := value_of(a_round, rival)) is not None]
    if not values:
        return None
    return max(values) if target.sign == ">=" else min(values)


def pairs_of(rounds: list[Round], target: Target, any_phase: bool) -> list[tuple[float, float]]:
    """The figure and what it is held against, round by round."""
    pairs = []
    for a_round in rounds:
        own = value_of(a_round, target.own)
        rival = best_rival(a_round, target, any_phase) if target.rivals else own
        if own is not None and rival is not None:
            pairs.append((own, rival))
    return pairs


def judge(target: Target, rounds: list[Round]) -> Outcome:
    pairs = pairs_of(rounds, target, any_phase=False)
    is_mixed = not pairs
    pairs = pairs or pairs_of(rounds, target, any_phase=True)
    if not pairs:
        return Outcome(target, medians(rounds, target.own))
    owns, rivals = zip(*pairs, strict=True)
    value = statistics.median(COMBINE[target.of](own, rival) for own, rival in pairs)
    return Outcome(target, statistics.median(owns),
                   statistics.median(rivals) if target.rivals else None, value,
                   COMPARE[target.sign](value, target.limit), is_mixed)


def undisturbed(rounds: list[Round], setting: str) -> list[Round]:
    """The rounds that have the setting; without disturbed runs, if others are left."""
    found = [one for one in rounds if setting in one]
    return [one for one in found if phase_of(one, setting) != "disturbed"] or found


def medians(rounds: list[Round], figure: str) -> float | None:
    values = [value for one in undisturbed(rounds, figure.split(":")[0])
              if (value := value_of(one, figure)) is not None]
    return statistics.median(values) if values else None


def summary(rounds: list[Round]) -> dict[str, dict[str, dict[str, float]]]:
    """Of every figure of every setting: median, mean, standard deviation, and of how many runs."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for setting in dict.fromkeys(setting for one in rounds for setting in one):
        runs = [one[setting] for one in undisturbed(rounds, setting)]
        for key in dict.fromkeys(key for run in runs for key in run):
            values = [float(run[key]) for run in runs if run.get(key) is not None]
            if values:
                found.setdefault(setting, {})[key] = {
                    "median": statistics.median(values), "mean": statistics.mean(values),
                    "stdev": statistics.stdev(values) if len(values) > 1 else 0.0,
                    "runs": len(values)}
    return found


def phases(rounds: list[Round]) -> Mapping[str, int]:
    """How many runs were in which phase."""
    counts: dict[str, int] = {}
    for a_round in rounds:
        for setting in a_round:
            phase = phase_of(a_round, setting)
            if phase != "any":
                counts[phase] = counts.get(phase, 0) + 1
    return counts
