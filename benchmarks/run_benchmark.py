#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures ipc0cp beside its rivals, several rounds of all of them in turn.

Prints Markdown tables, writes every figure to a JSON file and draws plots. It measures and never
judges: the exit code is 0 unless a program fails, which wrong, lost or missing messages make it do.
See benchmarks/README.md for the method.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import scenes
from measures import phase_of, summary
from processes import BenchmarkError, Run, cpp_program, run_program, run_scenario, run_to_end
from report import markdown, speed_ups
from scenarios import MIB, Program, Setting, all_settings, bytes_of, choose

HERE = Path(__file__).resolve().parent
LANGUAGES = ("python", "cpp")
CHECK_SECONDS = 0.2  # Of the run in which all contents are compared.
REPEATS = 2  # At most, of a run during which something else ran on the cores.
START_SECONDS = 0.6  # A guess, for the estimate only.
QUICK_SECONDS = 0.05

Figures = dict[str, Any]


def machine() -> dict[str, object]:
    text = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in text.splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": len(os.sched_getaffinity(0)),
            "system": platform.release(), "python": platform.python_version(),
            "load": os.getloadavg()[0]}


def why_not(setting: Setting, options: argparse.Namespace,
            there: dict[str, dict[str, Any]]) -> str | None:
    """Why a setting cannot be measured here; None if it can."""
    if isinstance(setting, Program):
        return None
    for language in sorted(setting.languages_needed):
        found = there[language].get(setting.transport)
        if found is None:
            return f"{language} has no {setting.transport}"
        if not found["available"]:
            return f"{setting.transport}: {found['why']}"
        _, largest = bytes_of(setting.size, options.min_size, options.max_size)
        if found["max_bytes"] is not None and largest > found["max_bytes"]:
            return f"{setting.transport} takes at most {found['max_bytes']} bytes"
        if setting.loan and "loan" not in found["modes"]:
            return f"{language} has no loans of {setting.transport}"
        if setting.is_shared and not found["mpmc"]:
            return f"{language} has one producer and one consumer of {setting.transport}"
    return None


def find_missing(settings: list[Setting], options: argparse.Namespace) -> dict[str, str]:
    """The settings that cannot be measured here, and why."""
    programs: dict[str, list[str | Path]] = {
        "python": [sys.executable, HERE / "endpoint.py"],
        "cpp": [cpp_program("endpoint")] if "cpp" in options.languages else [],
    }
    there = {language: run_to_end([*programs[language], "transports"], 0)
             for language in options.languages}
    forbidden = {scene: scenes.why_not(scene) for scene in
                 dict.fromkeys(getattr(setting, "scene", scenes.QUIET) for setting in settings)}
    reasons = {setting.name: why_not(setting, options, there)
               or forbidden[getattr(setting, "scene", scenes.QUIET)] for setting in settings}
    return {name: why for name, why in reasons.items() if why is not None}


@contextlib.contextmanager
def progress_of(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar that names the step that begins; nothing without tqdm or without a terminal."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        yield lambda _: None
        return
    with tqdm(total=steps, unit="run", disable=None, dynamic_ncols=True) as bar:

        def next_step(name: str) -> None:
            bar.set_description(name)
            bar.update()

        yield next_step


class Harness:
    """Runs settings one after the other and keeps what came out."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._has_limits = "cpp" in options.languages
        self._line_ns: float | None = None

    def measure_line(self) -> None:
        """How far apart the two cores are at the moment."""
        if self._has_limits:
            figures = run_to_end([cpp_program("limits"), "line"], 0)
            self._line_ns = float(figures["cache_line_round_trip_ns"])

    def limits(self) -> Figures:
        return run_to_end([cpp_program("limits")], 0) if self._has_limits else {}

    def measure(self, setting: Setting, check_all: bool = False) -> Figures:
        options = self._options
        seconds = min(CHECK_SECONDS, options.duration) if check_all else options.duration
        run = Run(seconds, options.min_size, options.max_size, check_all)
        if isinstance(setting, Program):
            return run_program(setting, run)
        return run_scenario(setting, run)

    def measure_between_lines(self, setting: Setting) -> Figures:
        """Once more if the cache line was disturbed before or after."""
        for _ in range(1 + REPEATS):
            before = self._line_ns
            figures = self.measure(setting)
            self.measure_line()
            figures |= {"cache_line_before_ns": before, "cache_line_after_ns": self._line_ns}
            phase = phase_of({setting.name: figures}, setting.name)
            if isinstance(setting, Program) or phase != "disturbed":
                break
        return figures

    def run(self, settings: list[Setting]) -> list[Figures]:
        """First one brief run of each that compares all contents, then the rounds."""
        streams = [setting for setting in settings if not isinstance(setting, Program)]
        rounds: list[Figures] = []
        steps = len(streams) + self._options.runs * len(settings)
        with progress_of(steps) as next_step:
            for stream in streams:
                next_step(f"checking: {stream.name}")
                self.measure(stream, check_all=True)
            for number in range(1, self._options.runs + 1):
                rounds.append({"limits": self.limits()})
                self.measure_line()
                for setting in settings:
                    next_step(f"round {number}: {setting.name}")
                    rounds[-1][setting.name] = self.measure_between_lines(setting)
        return rounds


def size(text: str) -> int:
    """4096, 512K, 5M."""
    match = re.fullmatch(r"(\d+)([KM]?)(i?B)?", text, re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size like 4096, 512K or 5M")
    return int(match[1]) << {"": 0, "K": 10, "M": 20}[match[2].upper()]


def shapes(text: str) -> list[tuple[int, int]]:
    """1x1,2x2: producers x consumers."""
    found = [re.fullmatch(r"(\d+)x(\d+)", word) for word in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} is no list like 1x1,2x2")
    return [(int(match[1]), int(match[2])) for match in found if match]


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="rounds; tables show their medians")
    parser.add_argument("--duration", type=float, default=1.0, help="seconds per measurement")
    parser.add_argument("--min-size", type=size, default="512K", help="of `large` messages")
    parser.add_argument("--max-size", type=size, default="5M")
    parser.add_argument("--settings", default="*", metavar="GLOB",
                        help="only these, such as '*.ring.*' or 'python.*.64B.*'")
    parser.add_argument("--scenarios", "--mpmc-scenarios", type=shapes, default="1x1,2x2,4x4,8x8",
                        metavar="PxC,...", help="producers x consumers")
    parser.add_argument("--mpmc", action="store_true", help="only streams with several producers or"
                        " consumers")
    parser.add_argument("--languages", default="python,cpp", metavar="LIST")
    parser.add_argument("--no-cpp", action="store_true", help="the same as --languages python")
    parser.add_argument("--quick", action="store_true", help="does it run at all: one brief round"
                        " of every transport with fewer sizes")
    parser.add_argument("--list", action="store_true", help="print the names of settings and stop")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="where the figures of all runs, their medians and the speed-ups go")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw plots into this directory")
    options = parser.parse_args(words)
    options.languages = options.languages.split(",")
    if not set(options.languages) <= set(LANGUAGES):
        parser.error(f"--languages are {','.join(LANGUAGES)}, not {','.join(options.languages)}")
    if options.no_cpp:
        options.languages = [name for name in options.languages if name != "cpp"]
        if not options.languages:
            parser.error("--languages cpp and --no-cpp leave nothing to measure; drop one of them")
    if options.quick:
        options.runs, options.duration = 1, QUICK_SECONDS
    if options.runs < 1 or options.duration <= 0:
        parser.error("--runs and --duration must be more than 0")
    if not 64 <= options.min_size <= options.max_size <= 64 * MIB:
        parser.error("sizes must be within 64 .. 64M, the smaller one first")
    return options


def estimate(settings: list[Setting], options: argparse.Namespace) -> str:
    once = sum(START_SECONDS + 0.15 * (getattr(setting, "producers", 1) - 1)
               for setting in settings)
    seconds = options.runs * (once + len(settings) * options.duration) + once
    return f"{len(settings)} settings, {options.runs} rounds: about {seconds / 60:.0f} minutes"


def write_results(results: Figures, options: argparse.Namespace) -> Path:
    started = datetime.datetime.fromisoformat(str(results["started"]))
    path: Path = options.json or HERE / f"benchmark_results_{started:%y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    return path


def main() -> None:
    # Ends as Ctrl-C does, with everything that was started.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    options = parse_arguments()
    settings = all_settings(options.scenarios, options.quick)
    wanted = [setting for setting in choose(settings, options.settings)
              if setting.languages_needed <= set(options.languages)
              and (setting.is_shared or not options.mpmc)]
    if options.list:
        print("\n".join(setting.name for setting in wanted))
        return
    started = datetime.datetime.now()
    try:
        missing = find_missing(wanted, options)
        settings = [setting for setting in wanted if setting.name not in missing]
        if not settings:
            raise BenchmarkError(f"nothing to measure is called {options.settings}; see --list")
        print(estimate(settings, options), file=sys.stderr)
        before = machine()
        rounds = Harness(options).run(settings)
    except BenchmarkError as failure:
        raise SystemExit(f"run_benchmark.py: {failure}") from None
    except ModuleNotFoundError as error:
        raise SystemExit(f'{error}: pip install -e ".[bench]"') from None
    results = {
        "started": started.isoformat(timespec="seconds"), "machine": before,
        "options": {key: str(value) if isinstance(value, Path) else value
                    for key, value in vars(options).items()},
        "missing": missing, "summary": summary(rounds), "speed_ups": speed_ups(rounds),
        "rounds": rounds,
    }
    path = write_results(results, options)
    print(markdown(results))
    if options.plot:
        from plots import draw_all

        for plot in draw_all(results, options.plot):
            print(f"plot: {plot}", file=sys.stderr)
    print(f"all figures: {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
