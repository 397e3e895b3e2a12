# SPDX-License-Identifier: Apache-2.0
"""Pipelines of stdio workers, as a shell would start them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from workers import BUILD, PATIENCE

CPP_WORKER = BUILD / "tests" / "stdio_worker"
PYTHON_WORKER = Path(__file__).with_name("python_stdio_worker.py")


def worker_command(language: str, role: str, **options: object) -> list[str]:
    assert CPP_WORKER.exists(), f"{CPP_WORKER} is missing: `make build`, or set IPC0CP_BUILD_DIR"
    program = [str(CPP_WORKER)] if language == "cpp" else [sys.executable, str(PYTHON_WORKER)]
    return [*program, f"role={role}", *(f"{key}={value}" for key, value in options.items())]


class Pipeline:
    """Workers, each reading what the one before writes; none of them outlives the `with` block."""

    def __init__(self, *commands: list[str], **streams: Any) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self._files = contextlib.ExitStack()
        self._errors = [
            self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            for _ in commands
        ]
        for number, words in enumerate(commands):
            is_first, is_last = number == 0, number == len(commands) - 1
            before = None if is_first else self.processes[-1].stdout
            self.processes.append(
                subprocess.Popen(
                    words,
                    stdin=streams.get("stdin") if is_first else before,
                    stdout=streams.get("stdout", subprocess.PIPE) if is_last else subprocess.PIPE,
                    stderr=self._errors[number],
                )
            )
            if before is not None:
                before.close()  # So that a reader that leaves is noticed.

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait(PATIENCE)
            if process.stdout is not None:
                process.stdout.close()
        self._files.close()

    def errors(self, number: int) -> str:
        """What a process that has ended wrote to standard error."""
        self._errors[number].seek(0)
        return self._errors[number].read().decode()

    def output(self) -> str:
        """What the last one prints; all have to succeed."""
        output, _ = self.processes[-1].communicate(timeout=2 * PATIENCE)
        for number, process in enumerate(self.processes):
            assert process.wait(PATIENCE) == 0, f"{process.args}: {self.errors(number)}"
        return output.decode()
