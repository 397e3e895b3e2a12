#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a scenario shares its processors with: a scene is set up before its processes start.

    quiet        nothing else; where there are two processes, each has a core of its own
    one_core     all processes of the scenario on one core
    job          a busy neighbour of the same priority; nobody is bound to a core
    nice_job     the same with nice 19
    quota_half   all processes of the scenario in a control group (cgroup) with the CPU time of
                 half a processor; nobody is bound to a core
    quota_one    the same with one processor

As a program, it is what such scenes are made of:

    scenes.py enter CORE GROUP COMMAND...    becomes COMMAND on this core and in this group
    scenes.py work NICE PARENT               keeps a core busy as long as its parent lives
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

QUIET = "quiet"
NICE_OF_JOB = {"job": 0, "nice_job": 19}
PROCESSORS_OF_QUOTA = {"quota_half": 0.5, "quota_one": 1.0}
SCENES = ("one_core", *NICE_OF_JOB, *PROCESSORS_OF_QUOTA)

PERIOD_US = 100_000  # The kernel's own default.
GROUP_PREFIX = "ipc0cp-benchmark-"
SECONDS_TO_EMPTY = 5.0
SELF = (sys.executable, "-S", str(Path(__file__).resolve()))


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the processes of a scenario run."""

    core: int | None = None
    group: Path | None = None

    def enter(self) -> None:
        """For this process, before it opens anything or starts threads."""
        if self.core is not None:
            os.sched_setaffinity(0, {self.core})
        if self.group is not None:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))

    def command(self, words: Sequence[str]) -> list[str]:
        """Starts a program in this place."""
        if self == Place():
            return list(words)
        core = "-" if self.core is None else str(self.core)
        return [*SELF, "enter", core, str(self.group or "-"), *words]

    def periods(self) -> tuple[int, int]:
        """Of the quota so far, and in how many of them it was used up."""
        if self.group is None:
            return 0, 0
        lines = (self.group / "cpu.stat").read_text().splitlines()
        counts = {name: int(count) for name, count in map(str.split, lines)}
        return counts.get("nr_periods", 0), counts.get("nr_throttled", 0)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals that end the program wait. In the main thread only; a mask would not do, because
    Python calls its handlers there whichever thread the signal came to."""
    arrived: list[int] = []
    before = {number: signal.signal(number, lambda late, _: arrived.append(late))
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in arrived:
            signal.raise_signal(late)


@contextlib.contextmanager
def busy_neighbour(niceness: int) -> Iterator[Place]:
    process = None
    try:
        with uninterrupted():
            # In our session: where the kernel groups tasks by sessions, nice counts within one.
            process = subprocess.Popen([*SELF, "work", str(niceness), str(os.getpid())],
                                       stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        yield Place()
    finally:
        if process is not None:
            process.kill()
            process.communicate()


def groups_of_this_process(text: str, root: Path) -> Iterator[Path]:
    """The groups that limit CPU time, the innermost first. `text` is that of /proc/self/cgroup."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 1 has a tree for each controller, version 2 one tree for all.
        top = root / "cpu" if controllers else root
        own = top / path.lstrip("/")
        while own != top:
            yield own
            own = own.parent
        yield top


def limit(group: Path, processors: float) -> bool:
    """False where this group cannot limit CPU time."""
    quota_us = round(processors * PERIOD_US)
    if (group / "cpu.cfs_quota_us").exists():
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
    elif (group / "cpu.max").exists():
        (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
    else:
        return False
    return True


def make_group(parents: Iterator[Path], processors: float) -> Path:
    """
    Raises:
        OSError: this process may not make a group that limits CPU time.
    """
    refusal = OSError("no control group limits CPU time here")
    for parent in parents:
        group = parent / f"{GROUP_PREFIX}{os.getpid()}"
        try:
            remove_leftovers(parent)
            group.mkdir()
        except OSError as error:
            refusal = error
            continue
        try:
            if limit(group, processors):
                return group
        except OSError as error:
            refusal = error
        group.rmdir()
    raise refusal


def remove_leftovers(parent: Path) -> None:
    """Of runs that were killed."""
    for group in parent.glob(f"{GROUP_PREFIX}*"):
        if not Path("/proc", group.name.removeprefix(GROUP_PREFIX)).exists():
            with contextlib.suppress(OSError):
                group.rmdir()


def remove_group(group: Path) -> None:
    """With the processes in it, if any are left."""
    give_up = time.monotonic() + SECONDS_TO_EMPTY
    while True:
        for process in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        try:
            group.rmdir()
            return
        except OSError:
            if time.monotonic() > give_up:
                raise
        time.sleep(0.01)


@contextlib.contextmanager
def quota(processors: float) -> Iterator[Place]:
    own = Path("/proc/self/cgroup").read_text()
    group = None
    try:
        with uninterrupted():
            group = make_group(groups_of_this_process(own, Path("/sys/fs/cgroup")), processors)
        yield Place(group=group)
    finally:
        if group is not None:
            with uninterrupted():
                remove_group(group)


@contextlib.contextmanager
def set_up(scene: str) -> Iterator[Place]:
    """Where to start the processes; ends with no process and no group left.

    Raises:
        OSError: the scene is not allowed here.
    """
    if scene in NICE_OF_JOB:
        with busy_neighbour(NICE_OF_JOB[scene]) as place:
            yield place
    elif scene in PROCESSORS_OF_QUOTA:
        with quota(PROCESSORS_OF_QUOTA[scene]) as place:
            yield place
    else:
        yield Place(core=max(os.sched_getaffinity(0)) if scene == "one_core" else None)


def why_not(scene: str) -> str | None:
    """Why a scene cannot be set up here; None if it can."""
    if scene not in PROCESSORS_OF_QUOTA:
        return None
    try:
        with set_up(scene) as place:
            subprocess.run(place.command(["true"]), capture_output=True, text=True, check=True)
    except OSError as error:
        return f"{scene}: {error}"
    except subprocess.CalledProcessError as error:
        return f"{scene}: {error.stderr.splitlines()[-1]}"
    return None


def enter(core: str, group: str, *command: str) -> None:
    Place(None if core == "-" else int(core), None if group == "-" else Path(group)).enter()
    os.execvp(command[0], command)


def work(niceness: str, parent: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Without a traceback.
    os.nice(int(niceness))
    print("ready", flush=True)
    while os.getppid() == int(parent):
        for _ in range(100_000):
            pass


def main(words: Sequence[str]) -> None:
    if len(words) < 3 or words[0] not in ("enter", "work"):
        raise SystemExit(__doc__)
    (enter if words[0] == "enter" else work)(*words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
