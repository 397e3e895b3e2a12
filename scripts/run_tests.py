#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs everything that `make test` promises, one stage after the other.

A failed stage fails the run but not the stages that do not need it. At the end come the failed
tests, with the end of what they said, the time of each stage and the numbers of tests. Runs on a
bare Python; system packages are there already (scripts/system_packages.py).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "results"
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
#: Rings of others on the machine are not to fail the run, nor to be failed by it.
SHARED_MEMORY = Path("/dev/shm") / f"ipc0cp-run-{os.getpid()}"
LINES_OF_A_FAILURE = 30


@dataclass
class Stage:
    """`commands` run until one fails; `results` is the JUnit file that the last one writes."""

    name: str
    commands: list[list[str]] = field(default_factory=list)
    needs: tuple[str, ...] = ()
    results: Path | None = None
    check: Callable[[], bool] | None = None


def no_leftovers() -> bool:
    """Removes the directory of this run; whatever is still there fails it."""
    left = sorted(path.name for path in SHARED_MEMORY.iterdir())
    print(f"left in {SHARED_MEMORY}: {' '.join(left) or 'nothing'}")
    shutil.rmtree(SHARED_MEMORY)
    return not left


def cpp_stages(preset: str, jobs: int, launcher: list[str]) -> list[Stage]:
    build_name = f"C++ build ({preset})"
    results = RESULTS / f"ctest-{preset}.xml"
    build = [
        ["cmake", "--preset", preset],
        ["cmake", "--build", "--preset", preset, "-j", str(jobs)],
    ]
    test = [*launcher, "ctest", "--preset", preset, "-j", str(jobs), "--output-junit",
            str(results)]
    return [
        Stage(build_name, build),
        Stage(f"C++ tests ({preset})", [test], (build_name,), results),
    ]


def python_stages(jobs: int) -> list[Stage]:
    python = str(VENV_PYTHON)
    results = RESULTS / "pytest.xml"
    create = [sys.executable, "-m", "venv", str(VENV)]
    install = [python, "-m", "pip", "install", "-q", "-e", ".[dev]"]
    environment = "Python environment"
    built = "C++ build (release)"
    return [
        Stage(environment, [install] if VENV_PYTHON.exists() else [create, install]),
        Stage("style checks", [[python, "scripts/check_style.py", "--jobs", str(jobs)]],
              (environment, built)),
        Stage("Python tests, README, examples",
              [[python, "-m", "pytest", "-q", f"--junitxml={results}"]],
              (environment, built), results),
        Stage("install tests", [[python, "tests/install/run.py"]], (environment, built)),
        Stage("wheel tests", [[python, "tests/install/wheels.py"]], (environment,)),
    ]


def without_address_randomization() -> list[str]:
    """ThreadSanitizer of GCC 12 cannot place its shadow where the kernel randomizes a lot."""
    command = ["setarch", "-R"]
    allowed = shutil.which("setarch") and subprocess.run(
        [*command, "true"], capture_output=True).returncode == 0
    return command if allowed else []


def run_stage(stage: Stage) -> bool:
    if stage.results is not None:
        stage.results.unlink(missing_ok=True)
    for command in stage.commands:
        print("+", " ".join(command), flush=True)
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            return False
    return stage.check is None or stage.check()


@dataclass
class Result:
    """`failures` are the failed tests by name, with the end of what each said."""

    stage: str
    seconds: float
    outcome: str
    counts: Counter[str]
    failures: list[str] = field(default_factory=list)


def read_tests(stage: Stage, passed: bool) -> tuple[Counter[str], list[str]]:
    """Tests of one stage by outcome; a stage without a result file counts as one test."""
    if stage.results is None or not stage.results.exists():
        return Counter(passed=int(passed), failed=int(not passed)), []
    counts: Counter[str] = Counter()
    failures: list[str] = []
    for case in ElementTree.parse(stage.results).iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"} or case.get("status") == "fail":
            counts["failed"] += 1
            failures.append(describe_failure(case))
        elif "skipped" in outcomes or case.get("status") in {"notrun", "disabled"}:
            counts["skipped"] += 1
        else:
            counts["passed"] += 1
    if not passed and not counts["failed"]:
        counts["failed"] = 1
    if passed and not counts["passed"]:
        print(f"{stage.name}: not one test ran")
        counts["failed"] += 1
    return counts, failures


def describe_failure(case: ElementTree.Element) -> str:
    # ctest repeats the class as the name, pytest tells the file by the class.
    name = ".".join(dict.fromkeys([case.get("classname", ""), case.get("name", "")]))
    lines = "\n".join(child.text or "" for child in case).strip().splitlines()
    return "\n".join([name, *(f"    {line}" for line in lines[-LINES_OF_A_FAILURE:])])


def print_summary(results: list[Result]) -> bool:
    total: Counter[str] = Counter()
    for result in results:
        for failure in result.failures:
            print(f"\nfailed in {result.stage}: {failure}")
    print("\nstage                              seconds  outcome   tests")
    for result in results:
        total += result.counts
        print(f"{result.stage:34} {result.seconds:7.1f}  {result.outcome:8} "
              f"{result.counts.total():6d}")
    print(f"{'together':34} {sum(result.seconds for result in results):7.1f}")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return total["failed"] == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    os.environ.pop("MAKEFLAGS", None)  # Those of `make test` are not meant for the builds.
    SHARED_MEMORY.mkdir()
    SHARED_MEMORY.chmod(0o1777)  # As /dev/shm: some tests become another user.
    os.environ["IPC0CP_DIRECTORY"] = str(SHARED_MEMORY)
    stages = [
        *cpp_stages("release", arguments.jobs, []),
        *python_stages(arguments.jobs),
        *cpp_stages("asan", arguments.jobs, []),
        *cpp_stages("tsan", arguments.jobs, without_address_randomization()),
        Stage(f"nothing left in {SHARED_MEMORY}", check=no_leftovers),
    ]
    results: list[Result] = []
    succeeded: set[str] = set()
    for stage in stages:
        print(f"\n=== {stage.name}", flush=True)
        start = time.monotonic()
        missing = [name for name in stage.needs if name not in succeeded]
        if missing:
            print(f"not run: {', '.join(missing)} failed")
            results.append(Result(stage.name, 0.0, "not run", Counter(failed=1)))
            continue
        passed = run_stage(stage)
        counts, failures = read_tests(stage, passed)
        passed = passed and not counts["failed"]
        if passed:
            succeeded.add(stage.name)
        outcome = "ok" if passed else "FAILED"
        results.append(Result(stage.name, time.monotonic() - start, outcome, counts, failures))
    sys.exit(0 if print_summary(results) else 1)


if __name__ == "__main__":
    main()
