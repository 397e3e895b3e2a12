# SPDX-License-Identifier: Apache-2.0
"""Running the commands of the install tests, and saying how long each part took."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
JOBS = str(os.cpu_count() or 1)


def finish(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that may fail, with everything it says in `stdout`."""
    return subprocess.run(
        [str(part) for part in command], env=os.environ | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
    )


def run(*command: str | Path, **environment: str) -> str:
    """What a command says that has to succeed."""
    finished = finish(*command, **environment)
    if finished.returncode != 0:
        words = " ".join(str(part) for part in command)
        raise SystemExit(f"exit code {finished.returncode}: {words}\n{finished.stdout}")
    return finished.stdout


def refuse(*command: str | Path, says: str, **environment: str) -> None:
    """A command that has to fail and give this reason, however its lines are broken."""
    finished = finish(*command, **environment)
    output = " ".join(finished.stdout.split())
    words = " ".join(str(part) for part in command)
    assert finished.returncode != 0, f"succeeded, but should say {says!r}: {words}"
    assert says in output, f"does not say {says!r}: {words}\n{finished.stdout}"


def configure(source: Path, build: Path, *definitions: str, **environment: str) -> str:
    return run("cmake", "-S", source, "-B", build, *definitions, **environment)


def build(directory: Path, *targets: str) -> None:
    options = ["--target", *targets] if targets else []
    run("cmake", "--build", directory, "-j", JOBS, *options)


def ring_name() -> str:
    return f"install-test-{uuid.uuid4().hex}"


def missing(*programs: str) -> str | None:
    """Which of these programs are not there; a part that needs them is skipped and says so."""
    names = [name for name in programs if shutil.which(name) is None]
    return f"no {' and no '.join(names)}" if names else None


@contextmanager
def part(title: str) -> Iterator[None]:
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{title}: {time.monotonic() - start:.1f} s, {busy:.1f} s of processor time", flush=True)


def check_page(command: Path) -> None:
    """`serve` finds its program, or says how to get it where the build had not what it needs."""
    if command.with_name("ipc0cp-serve").exists():
        assert "--port" in run(command.with_name("ipc0cp-serve"), "--help")
        refuse(command, "serve", "--bind", "192.0.2.1", says="this machine has no address")
    else:
        refuse(command, "serve", says="apt-get install libcpp-httplib-dev")
