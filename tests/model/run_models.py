#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the models with spin: what is right must hold in every state, what is wrong must fail.

The runs stand at the head of each model, below the line "// Runs":

    //   brief  OPTIONS             every state, in every test run
    //   long   OPTIONS             the same with larger bounds, with --long
    //   wrong  NAME PROMISE OPTIONS
    //          -DWRONG_NAME is the simpler form; it must break PROMISE, which is the name of an
    //          assertion, no_endless_wait or no_starvation

Options are definitions; with -DNP a run looks for starvation under weak fairness instead of
assertions and endless waits. Searches are exhaustive, never by bit-state hashing. Runs on a bare
Python; without spin or a C compiler it says so and exits with 77.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SKIPPED = 77
RUN = re.compile(r"^//   (brief|long|wrong)\b *(.*)$", re.MULTILINE)

# What pan says when a promise is broken that is not an assertion.
ENDLESS_WAIT = "invalid end state"
STARVATION = "non-progress cycle"
OTHER_PROMISES = {"no_endless_wait": ENDLESS_WAIT, "no_starvation": STARVATION}

BRIEF_MEGABYTES = 3_000
DEEPEST = 1_000_000
LAST_STEPS = 60  # Of a trace that nobody asked for.


@dataclass
class Run:
    """One search of one model. `promise` is empty where nothing may be found."""

    model: Path
    kind: str
    options: list[str]
    variant: str = ""
    promise: str = ""

    def title(self) -> str:
        return " ".join([self.variant, *self.options]).strip() or "as it is"


@dataclass
class Outcome:
    run: Run
    seconds: float
    states: int = 0
    depth: int = 0
    error: str = ""
    complaint: str = ""
    trace: list[str] = field(default_factory=list)


def read_runs(model: Path) -> list[Run]:
    runs = []
    for kind, rest in RUN.findall(model.read_text()):
        words = rest.split()
        if kind == "wrong":
            variant, promise, *options = words
            runs.append(Run(model, kind, options, variant, promise))
        else:
            runs.append(Run(model, kind, words))
    return runs


def execute(command: list[str], directory: Path, log: str) -> str:
    """Standard output and errors; a command that cannot do its work ends the run of everything."""
    finished = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    (directory / log).write_text(finished.stdout + finished.stderr)
    if finished.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{finished.stdout}{finished.stderr}")
    return finished.stdout + finished.stderr


def definitions(run: Run) -> list[str]:
    wrong = [f"-DWRONG_{run.variant}"] if run.variant else []
    return [option for option in run.options if option != "-DNP"] + wrong


def search(run: Run, directory: Path, megabytes: int) -> str:
    """Builds the verifier of one run and lets it look at every state."""
    fair = "-DNP" in run.options
    execute(["spin", "-a", *definitions(run), str(run.model)], directory, "spin.log")
    # Room for the bits of weak fairness: up to 10 processes.
    kind = ["-DNP", "-DNFAIR=3"] if fair else ["-DSAFETY"]
    # Without partial order reduction, which `provided` and fairness do not go with.
    effort = {"wrong": "-O0", "brief": "-O1", "long": "-O2"}[run.kind]
    execute([os.environ.get("CC", "cc"), effort, "-w", *kind, "-DNOREDUCE", f"-DMEMLIM={megabytes}",
             "-o", "pan", "pan.c"], directory, "compiler.log")
    return execute(["./pan", "-n", f"-m{DEEPEST}", "-w22", *(["-l", "-f"] if fair else [])],
                   directory, "pan.log")


def number_after(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(float(found[1])) if found else 0


def judge(run: Run, text: str) -> tuple[str, str]:
    """What was found, and what is wrong with that; both empty if nothing is."""
    found = re.search(r"pan:\d+: (.*?) \(at depth", text)
    error = found[1].removeprefix("assertion violated ") if found else ""
    if "errors: " not in text:
        return error, "the search did not end: " + text.strip().splitlines()[-1]
    if run.kind == "wrong":
        expected = OTHER_PROMISES.get(run.promise, run.promise)
        return error, "" if error == expected else f"has to break {run.promise}"
    if error:
        return error, "has to hold"
    incomplete = re.search(r"Search not completed|search depth too small|out of memory", text)
    return error, f"not every state was seen: {incomplete[0]}" if incomplete else ""


def trace_of(run: Run, directory: Path) -> list[str]:
    command = ["spin", "-t", "-p", "-g", "-l", *definitions(run), "-k", f"{run.model.name}.trail",
               str(run.model)]
    shown = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    return shown.stdout.replace(f"{run.model.parent}/", "").splitlines()


def check(run: Run, work: Path, megabytes: int) -> Outcome:
    directory = Path(tempfile.mkdtemp(prefix=f"{run.model.stem}-", dir=work))
    start = time.monotonic()
    text = search(run, directory, megabytes)
    error, complaint = judge(run, text)
    outcome = Outcome(run, time.monotonic() - start,
                      states=number_after(r"([\d.e+]+) states, stored", text),
                      depth=number_after(r"depth reached (\d+)", text),
                      error=error, complaint=complaint)
    if error:
        outcome.trace = trace_of(run, directory)
    shutil.rmtree(directory)
    return outcome


def report(outcome: Outcome) -> None:
    run = outcome.run
    verdict = outcome.complaint or (f"breaks {run.promise}" if run.promise else "holds")
    if outcome.complaint and outcome.error:
        verdict += f", found: {outcome.error}"
    print(f"{run.model.stem:11} {run.kind:5} {outcome.states:>10,} states, depth "
          f"{outcome.depth:>6,}, {outcome.seconds:6.1f} s  {run.title()}: {verdict}", flush=True)


def selected_runs(arguments: argparse.Namespace) -> list[Run]:
    names = arguments.models or [path.stem for path in sorted(HERE.glob("*.pml"))]
    runs = [run for name in names for run in read_runs(HERE / f"{name}.pml")]
    if arguments.trace:
        return [run for run in runs if run.variant == arguments.trace]
    kinds = {"long"} if arguments.long else {"brief", "wrong"}
    return [run for run in runs if run.kind in kinds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="names without .pml; all if none is given")
    parser.add_argument("--long", action="store_true", help="larger bounds, minutes and gigabytes")
    parser.add_argument("--trace", metavar="NAME", help="only this variant, and how it fails")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--megabytes", type=int, help="memory of one search, %(default)s")
    arguments = parser.parse_args()
    missing = [name for name in ("spin", os.environ.get("CC", "cc")) if not shutil.which(name)]
    if missing:
        print(f"skipped: {' and '.join(missing)} not found (Debian package spin, a C compiler)")
        sys.exit(SKIPPED)
    megabytes = arguments.megabytes or (12_000 if arguments.long else BRIEF_MEGABYTES)
    runs = selected_runs(arguments)
    if not runs:
        parser.error("no such run")
    start = time.monotonic()
    failed = 0
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(lambda run: check(run, Path(work), megabytes), runs):
            report(outcome)
            failed += bool(outcome.complaint)
            if arguments.trace:
                print("\n".join(outcome.trace))
            elif outcome.complaint:
                print("\n".join(["...", *outcome.trace[-LAST_STEPS:]]))
    print(f"{len(runs)} searches, {failed} not as they should be, "
          f"{time.monotonic() - start:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
