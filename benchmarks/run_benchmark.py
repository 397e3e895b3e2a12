#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs all benchmarks in turn, several rounds, and prints one Markdown table.

It measures and never judges: the exit code is 0 unless a program fails, which wrong, lost or
missing messages make it do. See benchmarks/README.md for the method.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import fnmatch
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from measures import Round, describe_phases, make_rows, markdown_table

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("IPC0CP_BUILD_DIR", HERE.parent / "build"))
SECONDS_TO_HANG = 120.0


@dataclasses.dataclass(frozen=True)
class Program:
    """`name` is what figures are called by; `words` may hold {seconds}, {min} and {max}."""

    name: str
    words: tuple[str, ...]

    def command(self, options: argparse.Namespace) -> list[str]:
        first, *rest = self.words
        values = {"seconds": options.duration, "min": options.min_size, "max": options.max_size,
                  "idle": min(3.0, 3 * options.duration)}
        arguments = [word.format(**values) for word in rest]
        if first.endswith(".py"):
            return [sys.executable, str(HERE / first), *arguments]
        program = BUILD / "benchmarks" / first
        if not program.is_file():
            raise SystemExit(f"no {program}: run `make build`, or set IPC0CP_BUILD_DIR")
        return [str(program), *arguments]


SIZED = ("{seconds}", "{min}", "{max}")
# In the order of a round: what is compared runs one right after the other.
PROGRAMS = [
    Program("core_cycle", ("core_cycle",)),
    *(Program(f"throughput_{name}", ("throughput", name, *SIZED))
      for name in ("ring", "pipe", "floor", "stdio_raw", "stdio_api")),
    *(Program(f"python_{name}", ("python_throughput.py", name, *SIZED))
      for name in ("ring", "pipe", "queue", "stdio_raw", "stdio_api")),
    Program("ping_pong", ("ping_pong", "{seconds}")),
    Program("large_ring", ("large_ring",)),
    Program("python_cycle", ("python_cycle.py", "{seconds}")),
    Program("idle", ("idle", "{idle}")),
]


def run_program(program: Program, options: argparse.Namespace) -> dict[str, float]:
    # In a group of its own, so that a program that hangs goes with its second process.
    process = subprocess.Popen(program.command(options), stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=SECONDS_TO_HANG + 10 * options.duration)
    except BaseException:
        os.killpg(process.pid, 9)
        process.wait()
        raise
    if process.returncode != 0:
        raise SystemExit(f"{program.name} failed with exit code {process.returncode}")
    figures: dict[str, float] = json.loads(output)
    return figures


def run_rounds(options: argparse.Namespace) -> list[Round]:
    chosen = [program for program in PROGRAMS if fnmatch.fnmatch(program.name, options.settings)]
    if not chosen:
        names = ", ".join(program.name for program in PROGRAMS)
        raise SystemExit(f"nothing is called {options.settings}; there are {names}")
    rounds: list[Round] = []
    for number in range(1, options.runs + 1):
        rounds.append({})
        for program in chosen:
            print(f"\rround {number} of {options.runs}: {program.name:24}", end="",
                  file=sys.stderr, flush=True)
            rounds[-1][program.name] = run_program(program, options)
    print("\r" + " " * 50 + "\r", end="", file=sys.stderr)
    return rounds


def machine() -> dict[str, object]:
    text = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in text.splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": os.cpu_count(), "system": platform.release(),
            "python": platform.python_version(), "load": os.getloadavg()[0]}


def size(text: str) -> int:
    """4096, 512K, 5M."""
    factors = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    suffix = text[-1:].upper()
    return int(text[:-1]) * factors[suffix] if suffix in factors else int(text)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="rounds; figures are their medians")
    parser.add_argument("--duration", type=float, default=2.0, help="seconds per measurement")
    parser.add_argument("--min-size", type=size, default="512K")
    parser.add_argument("--max-size", type=size, default="5M")
    parser.add_argument("--settings", default="*", metavar="GLOB", help="only these programs")
    parser.add_argument("--quick", action="store_true", help="one round of 0.3 s each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where all figures go")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.duration = 1, 0.3
    if options.runs < 1 or options.duration <= 0:
        parser.error("--runs and --duration must be more than 0")
    if not 64 <= options.min_size <= options.max_size <= 5 << 20:
        parser.error("sizes must be within 64 .. 5M")
    return options


def main() -> None:
    options = parse_arguments()
    started = datetime.datetime.now()
    before = machine()
    rounds = run_rounds(options)
    rows = make_rows(rounds)
    print(f"{before['processor']}, {before['cores']} cores, load {before['load']:.2f} at the start,"
          f" medians of {options.runs}")
    print(describe_phases(rounds) + "\n")
    print(markdown_table(rows))
    name = f"benchmark_results_{started:%y%m%d-%H%M%S}.json"
    path: Path = options.json or HERE / name
    settings = {key: value for key, value in vars(options).items() if key != "json"}
    path.write_text(json.dumps(
        {"started": started.isoformat(timespec="seconds"), "machine": before, "options": settings,
         "rows": [dataclasses.asdict(row) for row in rows], "rounds": rounds}, indent=2) + "\n")
    print(f"\nall figures: {path}")


if __name__ == "__main__":
    main()
