# SPDX-License-Identifier: Apache-2.0
"""Workers of the process tests: programs that push or pop and keep a ledger outside the ring."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("IPC0CP_BUILD_DIR") or ROOT / "build").absolute()
CPP_WORKER = BUILD / "tests" / "ring_worker"
PYTHON_WORKER = Path(__file__).with_name("python_worker.py")
#: Where the rings of this run are; conftest.py has made it.
SHM = Path(os.environ.get("IPC0CP_DIRECTORY", "/dev/shm"))
PATIENCE = 30.0

LEDGER_WORDS = 1 << 20
ATTEMPTED, ACKNOWLEDGED, HELD, COUNT, READY, STOP, REFUSED, ENDED = range(8)
FIRST_ENTRY = 8
FATE_IS_DONE = 2  # In READY.
SEQUENCE_BITS = 40


def new_name() -> str:
    return f"test-{os.getpid()}-{uuid.uuid4().hex[:12]}"


def file_of(name: str) -> Path:
    return SHM / f"ipc0cp.{name}"


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Polls; the time is only a watchdog."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain for: {what}"
        time.sleep(0.002)


class Ledger:
    """64-bit words in a shared file; tests/process/ring_worker.hpp names them too."""

    def __init__(self, path: Path, create: bool = False) -> None:
        self.path = path
        if create:
            with path.open("wb") as file:
                file.truncate(LEDGER_WORDS * 8)
        with path.open("r+b") as file:
            self._words = mmap.mmap(file.fileno(), LEDGER_WORDS * 8)

    def __getitem__(self, word: int) -> int:
        return struct.unpack_from("<Q", self._words, word * 8)[0]

    def __setitem__(self, word: int, value: int) -> None:
        struct.pack_into("<Q", self._words, word * 8, value)

    def note(self, producer: int, sequence: int) -> None:
        count = self[COUNT]
        self[FIRST_ENTRY + count] = producer << SEQUENCE_BITS | sequence
        self[COUNT] = count + 1

    def entries(self) -> list[tuple[int, int]]:
        """(producer, sequence) of each message noted."""
        words = struct.unpack_from(f"<{self[COUNT]}Q", self._words, FIRST_ENTRY * 8)
        return [(word >> SEQUENCE_BITS, word & ((1 << SEQUENCE_BITS) - 1)) for word in words]


class Worker:
    """One process, its ledger and what it wrote to stderr."""

    def __init__(
        self, directory: Path, language: str, launcher: Iterable[str] = (), **options: object
    ) -> None:
        label = f"{options['role']}-{uuid.uuid4().hex[:8]}"
        self.ledger = Ledger(directory / f"{label}.ledger", create=True)
        self.errors = directory / f"{label}.stderr"
        self.id = options.get("id")
        self.was_killed = False
        program = [str(CPP_WORKER)] if language == "cpp" else [sys.executable, str(PYTHON_WORKER)]
        arguments = [f"{key}={value}" for key, value in options.items()]
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [*launcher, *program, f"ledger={self.ledger.path}", *arguments], stderr=errors
            )

    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_ready(self) -> Worker:
        wait_until(lambda: self.ledger[READY] == 1 or not self.is_running(), "a worker to attach")
        assert self.ledger[READY] == 1, f"a worker ended: {self.errors.read_text()}"
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, unless it has ended before."""
        if self.is_running():
            self.was_killed = True
        self.process.kill()
        self.process.wait(PATIENCE)
        self.was_killed = self.was_killed and self.process.returncode == -signal.SIGKILL

    def finish(self, seconds: float = PATIENCE) -> None:
        """Waits for the proper end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"a worker hangs: {self.process.args}") from None
        text = self.errors.read_text()
        assert code == 0, f"ended with {code}: {self.process.args}\n{text}"


class Team:
    """All workers of one test on one ring."""

    def __init__(self, directory: Path, **common: object) -> None:
        self.directory = directory
        self.name = new_name()
        self.common = common
        self.producers: list[Worker] = []
        self.consumers: list[Worker] = []
        self.others: list[Worker] = []

    def produce(
        self, language: str = "cpp", launcher: Iterable[str] = (), **options: object
    ) -> Worker:
        number = len(self.producers) + 1
        worker = self._start(language, launcher, role="produce", id=number, seed=number, **options)
        self.producers.append(worker)
        return worker

    def consume(
        self, language: str = "cpp", launcher: Iterable[str] = (), **options: object
    ) -> Worker:
        seed = 1000 + len(self.consumers)
        worker = self._start(language, launcher, role="consume", seed=seed, **options)
        self.consumers.append(worker)
        return worker

    def hold_lock(self, **options: object) -> Worker:
        worker = self._start("cpp", (), role="hold_lock", **options)
        self.others.append(worker)
        return worker

    def _start(self, language: str, launcher: Iterable[str], **options: object) -> Worker:
        options = {"name": self.name, **self.common, **options}
        return Worker(self.directory, language, launcher, **options)

    def workers(self) -> list[Worker]:
        return [*self.producers, *self.consumers, *self.others]

    def wait_ready(self) -> None:
        """A consumer that comes when the others are done would wait for a stream of its own."""
        for worker in self.workers():
            worker.wait_ready()

    def received(self) -> int:
        """Messages, by all consumers."""
        return sum(worker.ledger[COUNT] for worker in self.consumers)

    def wait_for_traffic(self, messages: int = 200) -> None:
        target = self.received() + messages
        wait_until(lambda: self.received() >= target, f"{messages} more messages")

    def stop_producers(self) -> None:
        for worker in self.producers:
            worker.ledger[STOP] = 1

    def finish(self, seconds: float = PATIENCE) -> None:
        for worker in self.workers():
            if not worker.was_killed:
                worker.finish(seconds)

    def end(self) -> None:
        """After the test, however it went."""
        for worker in self.workers():
            worker.ledger[STOP] = 1  # Also for the clones of a worker.
            if worker.is_running():
                worker.process.kill()
                worker.process.wait(PATIENCE)
        file_of(self.name).unlink(missing_ok=True)

    def delivered(self) -> dict[int, list[int]]:
        """Sequences of each producer, as noted by all consumers. Nothing may be there twice."""
        result: dict[int, list[int]] = defaultdict(list)
        for worker in self.consumers:
            last: dict[int, int] = {}
            for producer, sequence in worker.ledger.entries():
                before = last.get(producer, -1)
                assert sequence > before, f"producer {producer}: {sequence} came after {before}"
                last[producer] = sequence
                result[producer].append(sequence)
        for producer, sequences in result.items():
            twice = len(sequences) - len(set(sequences))
            assert twice == 0, f"producer {producer}: {twice} message(s) came twice"
        return result

    def expect_everything_delivered(self) -> None:
        """Without kills: each message to exactly one consumer."""
        delivered = self.delivered()
        for worker in self.producers:
            assert isinstance(worker.id, int)
            count = worker.ledger[ACKNOWLEDGED]
            assert worker.ledger[ATTEMPTED] - count <= 1
            assert sorted(delivered[worker.id]) == list(range(count)), f"producer {worker.id}"
