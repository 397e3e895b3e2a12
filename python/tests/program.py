# SPDX-License-Identifier: Apache-2.0
"""Running the program `ipc0cp` of the build directory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from helpers import PATIENCE, ROOT

BUILD = Path(os.environ.get("IPC0CP_BUILD_DIR", ROOT / "build"))
PROGRAM = BUILD / "cli" / "ipc0cp"
#: Exit codes, see docs/command_line.md.
DONE, FAILED, TIMED_OUT, NO_SUCH_RING, WRONG_USAGE = 0, 1, 2, 3, 64


def finish(*arguments: str | Path, stdin=subprocess.DEVNULL, **options):
    """A command that has come to its end, with what it said as text."""
    words = [str(word) for word in (PROGRAM, *arguments)]
    options = {"text": True, "timeout": 2 * PATIENCE, "capture_output": True} | options
    if "input" not in options:
        options["stdin"] = stdin
    return subprocess.run(words, **options)


def output(*arguments: str | Path, **options):
    """What a command says that has to succeed."""
    finished = finish(*arguments, **options)
    assert finished.returncode == DONE, finished.stderr
    return finished.stdout


def start(*arguments: str | Path, **options) -> subprocess.Popen:
    """A command that goes on; the fixture `running` kills what a failed test leaves."""
    words = [str(word) for word in (PROGRAM, *arguments)]
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE} | options
    return subprocess.Popen(words, **options)


def shell(command: str, **options) -> subprocess.CompletedProcess:
    """A line of bash in which `ipc0cp` is the program, failing if any part of it fails."""
    path = os.pathsep.join([str(PROGRAM.parent), os.environ["PATH"]])
    return subprocess.run(["bash", "-c", f"set -o pipefail\n{command}"],
                          **({"env": {**os.environ, "PATH": path}, "capture_output": True,
                              "text": True, "timeout": 2 * PATIENCE} | options))
