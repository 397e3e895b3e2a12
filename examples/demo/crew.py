# SPDX-License-Identifier: Apache-2.0
"""The processes of the demo: one Python producer and the C++ workers."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from sink import DemoFailed

HERE = Path(__file__).resolve().parent
SECONDS_TO_LEAVE = 5.0


@dataclasses.dataclass
class Member:
    name: str
    process: subprocess.Popen[bytes]
    killed: bool = False

    @property
    def state(self) -> str:
        if self.killed:
            return "killed"
        return "alive" if self.process.poll() is None else "finished"


class Crew:
    """Starts processes and leaves none behind."""

    def __init__(self, worker_program: Path, frames_ring: str, results_ring: str) -> None:
        self._worker_program = worker_program
        self._frames_ring = frames_ring
        self._results_ring = results_ring
        self.workers: list[Member] = []
        self.producer: Member | None = None

    def _start(self, name: str, command: list[str]) -> Member:
        # In a session of their own, so that Ctrl-C reaches only the one that cleans up.
        return Member(name, subprocess.Popen(command, start_new_session=True))

    def start_producer(self, total_data_bytes: int, frames: int) -> None:
        command = [sys.executable, str(HERE / "produce.py"), self._frames_ring,
                   str(total_data_bytes), str(frames)]
        self.producer = self._start("producer", command)

    def start_worker(self, name: str) -> Member:
        command = [str(self._worker_program), name, self._frames_ring, self._results_ring]
        self.workers.append(self._start(name, command))
        return self.workers[-1]

    def kill(self, member: Member) -> bool:
        """SIGKILL: no handler runs, nothing is tidied up. False if it had ended before."""
        member.process.send_signal(signal.SIGKILL)
        member.killed = member.process.wait() == -signal.SIGKILL
        return member.killed

    def check(self) -> None:
        """Fails if somebody ended who should not have."""
        for member in self._members():
            code = member.process.poll()
            if code is not None and code != 0 and not member.killed:
                raise DemoFailed(f"{member.name} ended with exit code {code}")

    def wait(self) -> None:
        """Until all have ended by themselves."""
        deadline = time.monotonic() + SECONDS_TO_LEAVE
        for member in self._members():
            try:
                member.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise DemoFailed(f"{member.name} does not end") from None
        self.check()

    def _members(self) -> list[Member]:
        return [*([self.producer] if self.producer else []), *self.workers]

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for member in self._members():
            member.process.terminate()
        for member in self._members():
            with contextlib.suppress(subprocess.TimeoutExpired):
                member.process.wait(SECONDS_TO_LEAVE)
            member.process.kill()
            member.process.wait()
