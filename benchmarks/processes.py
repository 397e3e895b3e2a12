# SPDX-License-Identifier: Apache-2.0
"""Starts the processes of one scenario, lets them run together, and holds what they say together.

An endpoint is a program of its own, in either language. Only for transports that are made of
objects of multiprocessing it is a process of that module, which can hand them over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import multiprocessing
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

import endpoint
import transports
from scenarios import Program, Scenario, bytes_of
from scenes import QUIET, Place, set_up
from transports.base import Link

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("IPC0CP_BUILD_DIR", HERE.parent / "build"))
SPAWN = multiprocessing.get_context("spawn")
SECONDS_TO_HANG = 90.0
MODULUS = 1 << 64

Figures = dict[str, float]


class BenchmarkError(Exception):
    """A program failed, or messages were wrong or lost."""


@dataclasses.dataclass(frozen=True)
class Run:
    """How one scenario is run this time."""

    seconds: float
    min_bytes: int
    max_bytes: int
    check_all: bool = False


def cpp_program(name: str) -> Path:
    program = BUILD / "benchmarks" / name
    if not program.is_file():
        raise BenchmarkError(f"no {program}: run `make build`, or set IPC0CP_BUILD_DIR, or measure"
                      " --languages python only")
    return program


def run_to_end(command: Sequence[str | Path], seconds: float) -> Any:
    """The JSON that a program prints."""
    # In a group of its own, so that a program that hangs goes with its second process.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=SECONDS_TO_HANG + 10 * seconds)
    except BaseException:
        os.killpg(process.pid, 9)
        process.wait()
        raise
    if process.returncode != 0:
        words = " ".join(map(str, command))
        raise BenchmarkError(f"{words} failed with exit code {process.returncode}")
    return json.loads(output)


def run_program(program: Program, run: Run) -> Figures:
    # Waiting begins with a millisecond of spinning, which a short measurement would blow up.
    idle_seconds = 8.0 if run.seconds >= 0.2 else 0.3
    values = {"seconds": run.seconds, "idle_seconds": idle_seconds}
    first, *rest = [word.format(**values) for word in program.words]
    command = [sys.executable, HERE / first] if first.endswith(".py") else [cpp_program(first)]
    figures: Figures = run_to_end([*command, *rest], run.seconds)
    return figures


class Endpoint:
    """One process that has been started; `commands` and `answers` are its standard streams."""

    def __init__(self, name: str, commands: IO[str], answers: IO[str],
                 wait: Callable[[], int | None], kill: Callable[[], None]) -> None:
        self.name = name
        self._commands = commands
        self._answers = answers
        self._wait = wait
        self.kill = kill

    def wait_until_ready(self) -> None:
        if self._answers.readline() != "ready\n":
            self.finish()
            raise BenchmarkError(f"{self.name} ended before it was ready")

    def fileno(self) -> int:
        return self._answers.fileno()

    def go(self) -> None:
        print("go", file=self._commands, flush=True)

    def finish(self) -> Figures:
        line = self._answers.readline()
        self._commands.close()
        self._answers.close()
        code = self._wait()
        if code != 0 or not line:
            raise BenchmarkError(f"{self.name} failed with exit code {code}")
        figures: Figures = json.loads(line)
        return figures


def start_program(language: str, words: list[str], files: Sequence[int], place: Place) -> Endpoint:
    command = ([sys.executable, str(HERE / "endpoint.py")] if language == "python"
               else [str(cpp_program("endpoint"))])
    process = subprocess.Popen(place.command([*command, *words]), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True,
                               pass_fds=[file for file in files if file >= 0])
    assert process.stdin is not None and process.stdout is not None
    return Endpoint(" ".join([language, *words]), process.stdin, process.stdout,
                    process.wait, process.kill)


def run_in_process(words: list[str], shared: Any, place: Place, commands: Connection,
                   answers: Connection) -> None:
    """The main function of a process of multiprocessing."""
    place.enter()
    sys.stdin = os.fdopen(commands.fileno(), closefd=False)
    sys.stdout = os.fdopen(answers.fileno(), "w", closefd=False)
    sys.exit(endpoint.main(words, shared))


def start_process(words: list[str], shared: Any, place: Place) -> Endpoint:
    commands_there, commands_here = SPAWN.Pipe(duplex=False)
    answers_here, answers_there = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=run_in_process,
                            args=(words, shared, place, commands_there, answers_there))
    process.start()
    commands_there.close()
    answers_there.close()

    def wait() -> int | None:
        process.join()
        return process.exitcode

    return Endpoint(" ".join(["python", *words]), os.fdopen(os.dup(commands_here.fileno()), "w"),
                    os.fdopen(os.dup(answers_here.fileno())), wait, process.kill)


@contextlib.contextmanager
def shared_objects(scenario: Scenario, link: Link) -> Iterator[Any]:
    """What multiprocessing has to hand over: for both directions of a ping-pong."""
    make = (transports.find(scenario.transport).make_shared if scenario.producer == "python"
            else None)
    if make is None:
        yield None
        return
    made = [make(SPAWN, link) for _ in range(2 if scenario.is_ping_pong else 1)]
    try:
        yield tuple(made) if scenario.is_ping_pong else made[0]
    finally:
        for one in made:
            one.close()


def addresses(scenario: Scenario, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What each process is told, the consumer or pong first, and the descriptors it inherits."""
    if scenario.transport not in transports.OF_DESCRIPTORS:
        yield from itertools.repeat((name, ()), scenario.producers + scenario.consumers)
        return
    there, back = os.pipe(), os.pipe()
    if scenario.is_ping_pong:
        pairs = [(there[0], back[1]), (back[0], there[1])]
    else:
        pairs = [(there[0], -1), (-1, there[1])]
    try:
        for pair in pairs:
            yield f"fd:{pair[0]},{pair[1]}", pair
    finally:
        for file in (*there, *back):
            os.close(file)


def roles_of(scenario: Scenario) -> list[tuple[str, str, int]]:
    """Role, language and index; who receives comes first."""
    if scenario.is_ping_pong:
        return [("pong", scenario.consumer, 0), ("ping", scenario.producer, 0)]
    return ([("consume", scenario.consumer, i) for i in range(scenario.consumers)]
            + [("produce", scenario.producer, i) for i in range(scenario.producers)])


def core_of(scenario: Scenario, role: str) -> int:
    """A core for each of two processes that are alone; the others are left to the system."""
    cores = sorted(os.sched_getaffinity(0))
    if scenario.is_shared or scenario.scene != QUIET or len(cores) < 2:
        return -1
    return cores[role in ("consume", "pong")]


def transport_of(scenario: Scenario, role: str) -> str:
    """Python pops arrays and no raw messages, so in mixed company C++ sends arrays, too."""
    language = scenario.consumer if role == "consume" else scenario.producer
    is_mixed = scenario.producer != scenario.consumer
    return ({"ring": "ring_objects"} if is_mixed and language == "cpp" else {}).get(
        scenario.transport, scenario.transport)


def words_for(scenario: Scenario, run: Run, role: str, index: int, address: str) -> list[str]:
    smallest, largest = bytes_of(scenario.size, run.min_bytes, run.max_bytes)
    values = {
        "transport": transport_of(scenario, role), "address": address, "index": index,
        "producers": scenario.producers, "consumers": scenario.consumers, "min-size": smallest,
        "max-size": largest, "seconds": run.seconds, "mode": "loan" if scenario.loan else "copy",
        "touch": "yes" if scenario.touch else "no", "check": "all" if run.check_all else "sample",
        "core": core_of(scenario, role), "slow-us": scenario.slow_us, "gap-us": scenario.gap_us,
    }
    return [role, *(word for key, value in values.items() for word in (f"--{key}", str(value)))]


def start_all(scenario: Scenario, run: Run, name: str, shared: Any,
              place: Place) -> Iterator[Endpoint]:
    # The loop ends the generator, which closes our ends of the descriptors.
    for (role, language, index), (address, files) in zip(
            roles_of(scenario), addresses(scenario, name), strict=True):
        words = words_for(scenario, run, role, index, address)
        yield (start_program(language, words, files, place) if shared is None
               else start_process(words, shared, place))


def finish_all(started: list[Endpoint]) -> list[Figures]:
    """As they end: the others might wait for one that has failed until they are killed."""
    answers: dict[Endpoint, Figures] = {}
    with selectors.DefaultSelector() as selector:
        for one in started:
            selector.register(one, selectors.EVENT_READ, one)
        while len(answers) < len(started):
            for key, _ in selector.select():
                selector.unregister(key.fileobj)
                answers[key.data] = key.data.finish()
    return [answers[one] for one in started]


_numbers = itertools.count()


def run_scenario(scenario: Scenario, run: Run) -> Figures:
    """
    Raises:
        BenchmarkError: a process failed, or what was received is not what was sent.
    """
    with set_up(scenario.scene) as place:
        answers, extra = run_together(scenario, run, place)
    figures = (of_ping_pong(scenario, *answers) if scenario.is_ping_pong else
               of_stream(scenario, answers[: scenario.consumers], answers[scenario.consumers :]))
    return figures | extra


def run_together(scenario: Scenario, run: Run, place: Place) -> tuple[list[Figures], Figures]:
    """What each process says, and figures of the place."""
    name = f"{os.getpid()}-{next(_numbers)}"
    sizes = bytes_of(scenario.size, run.min_bytes, run.max_bytes)
    link = Link(name, 0, scenario.producers, scenario.consumers, *sizes)
    started: list[Endpoint] = []

    def kill_all() -> None:
        for one in started:
            one.kill()

    watchdog = threading.Timer(SECONDS_TO_HANG + 10 * run.seconds, kill_all)
    watchdog.start()
    try:
        with shared_objects(scenario, link) as shared:
            for one in start_all(scenario, run, name, shared, place):
                started.append(one)
            for one in started:
                one.wait_until_ready()
            before = place.periods()
            for one in started:
                one.go()
            return finish_all(started), throttling(before, place.periods())
    except BaseException:
        kill_all()
        raise
    finally:
        watchdog.cancel()


def throttling(before: tuple[int, int], after: tuple[int, int]) -> Figures:
    """In how many periods of its quota a group stood still because it was used up."""
    periods, throttled = (now - then for then, now in zip(before, after, strict=True))
    return {"throttled_periods_percent": 100 * throttled / periods} if periods else {}


def of_ping_pong(scenario: Scenario, pong: Figures, ping: Figures) -> Figures:
    if not 0 < ping["round_trips"] <= pong["round_trips"]:
        raise BenchmarkError(f"{scenario.name}: {ping['round_trips']} round trips, but"
                      f" {pong['round_trips']} were answered")
    cpu_seconds = sum(one["cpu_seconds"] / one["round_trips"] for one in (ping, pong))
    return ping | {"cpu_per_trip_us": cpu_seconds * 1e6}


def of_stream(scenario: Scenario, consumers: list[Figures], producers: list[Figures]) -> Figures:
    def total(answers: list[Figures], key: str) -> float:
        return sum(answer[key] for answer in answers)

    def slowest(answers: list[Figures]) -> float:
        return max(answer["seconds"] for answer in answers)

    for key in ("messages", "bytes", "check_sum"):
        if not all(key in answer for answer in consumers):
            continue  # Who has read but a sample has no sum.
        sent, received = total(producers, key) % MODULUS, total(consumers, key) % MODULUS
        if sent != received or sent == 0:
            raise BenchmarkError(f"{scenario.name}: {key} sent {sent}, received {received}")
    messages, size = total(consumers, "messages"), total(consumers, "bytes")
    # The first message of each consumer starts its clock.
    counted = max(messages - len(consumers), 0)
    seconds = slowest(consumers)
    if counted == 0 or seconds == 0:
        counted, seconds = messages, slowest(producers)
    cpu_seconds = total([*producers, *consumers], "cpu_seconds")
    return {
        "producer_mb_per_s": size / 1e6 / slowest(producers),
        "consumer_mb_per_s": size / 1e6 * counted / messages / seconds,
        "messages_per_second": counted / seconds,
        "cpu_seconds_per_gb": cpu_seconds / (size / 1e9),
        "cpu_per_message_us": cpu_seconds / messages * 1e6,
        "messages": messages,
        "checked": total(consumers, "checked"),
    }
