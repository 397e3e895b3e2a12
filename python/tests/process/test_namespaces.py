# SPDX-License-Identifier: Apache-2.0
"""A small /dev/shm, and processes that are PID 1 in namespaces of their own."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workers import ACKNOWLEDGED, REFUSED, SHM, wait_until

MIB = 1 << 20
SMALL_SHM = 64 * MIB


def require_namespaces(*options: str) -> None:
    """Skips where the machine does not let us."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("unshare and nsenter are not installed")
    answer = subprocess.run(["unshare", *options, "true"], capture_output=True, text=True)
    if answer.returncode != 0:
        pytest.skip(f"namespaces are not permitted here: {answer.stderr.strip()}")


class SmallShm:
    """A process that keeps a mount namespace with a /dev/shm of 64 MiB."""

    def __init__(self) -> None:
        require_namespaces("-m")
        script = f"mount -t tmpfs -o size={SMALL_SHM} tmpfs {SHM} && echo ready && exec cat"
        self.process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", script],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            pytest.skip("mounting a tmpfs over /dev/shm is not permitted here")
        self.launcher = ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt"]
        self.path = Path(f"/proc/{self.process.pid}/root{SHM}")

    def fill(self) -> None:
        """Another program takes every byte that is free."""
        with (self.path / "filler").open("wb", buffering=0) as file:
            block = bytes(MIB)
            while block:
                try:
                    while True:
                        file.write(block)
                except OSError as error:
                    assert error.errno == errno.ENOSPC
                    block = block[: len(block) // 2 if len(block) > 4096 else 0]

    def empty(self) -> None:
        (self.path / "filler").unlink(missing_ok=True)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def small_shm():
    small = SmallShm()
    yield small
    small.close()


def test_creating_too_large_a_ring_says_what_is_missing(team, small_shm):
    made = team(total=2 * SMALL_SHM)
    worker = made.produce(launcher=small_shm.launcher, count=1)
    assert worker.process.wait(30) == 1, "an error, not a signal"
    text = worker.errors.read_text()
    assert str(2 * SMALL_SHM)[:4] in text or "needs" in text
    assert "--shm-size" in text
    assert list(small_shm.path.iterdir()) == [], "nothing may be left"


def test_creating_in_a_full_file_system(team, small_shm):
    small_shm.fill()
    made = team(total=MIB)
    worker = made.consume(launcher=small_shm.launcher)
    assert worker.process.wait(30) == 1
    assert "--shm-size" in worker.errors.read_text()
    assert [path.name for path in small_shm.path.iterdir()] == ["filler"]


@pytest.mark.parametrize("language", ["cpp", "python"])
def test_file_system_that_others_fill_during_traffic(team, small_shm, language):
    made = team(total=48 * MIB, min=MIB, max=8 * MIB)
    producer = made.produce(language, launcher=small_shm.launcher)
    consumer = made.consume(language, launcher=small_shm.launcher, hold=2)
    wait_until(lambda: made.received() > 3, "traffic")
    for _ in range(3):
        small_shm.fill()
        seen, refused = made.received(), producer.ledger[REFUSED]
        # What is reserved goes on being used, or pushes are refused; nobody dies.
        wait_until(
            lambda seen=seen, refused=refused: (
                made.received() > seen + 3 or producer.ledger[REFUSED] > refused
            ),
            "an answer",
        )
        assert producer.is_running() and consumer.is_running()
        small_shm.empty()
        seen = made.received()
        wait_until(lambda seen=seen: made.received() > seen + 3, "traffic")
    made.stop_producers()
    made.finish()
    made.expect_everything_delivered()
    assert list(small_shm.path.iterdir()) == []


DEEPENING_IN_A_FULL_FILE_SYSTEM = """
import sys, queue, ipc0cp
from pathlib import Path
items = ipc0cp.Queue(total_data_bytes=8 << 20)
items.put(bytes(100_000))  # So much memory is there before.
items.get()
filler = Path(sys.argv[1], "filler")
with filler.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
count = 0
try:
    while count < 2000:
        items.put(count, timeout=0.2)
        count += 1
except queue.Full:
    pass
assert 200 < count < 300, count
assert [items.get(timeout=5) for _ in range(50)] == list(range(50))
filler.unlink()
for number in range(count, 2000):
    items.put(number, timeout=5)
assert [items.get(timeout=5) for _ in range(50, 2000)] == list(range(50, 2000))
print("done")
"""


def test_a_queue_that_deepens_in_a_full_file_system_is_full(small_shm):
    """Its descriptors get memory as it deepens; to touch one without would be SIGBUS."""
    finished = subprocess.run(
        [*small_shm.launcher, sys.executable, "-c", DEEPENING_IN_A_FULL_FILE_SYSTEM, str(SHM)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (finished.stdout, finished.returncode) == ("done\n", 0), finished.stderr


BLOCKED_IN_A_FULL_FILE_SYSTEM = """
import sys, ipc0cp
from pathlib import Path
consumer = ipc0cp.SharedRingBufferConsumer("full", 32 << 20)
producer = ipc0cp.SharedRingBufferProducer("full", 32 << 20)
producer.push(bytes(600_000))
view = consumer.pop_raw()
with Path(sys.argv[1], "filler").open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
waits = consumer.stats().producer_waits
print(producer.push(bytes(500_000), timeout=0.5), consumer.stats().producer_waits - waits)
view.release()
print(producer.push(bytes(500_000), timeout=20))
"""


def test_who_waits_in_a_full_file_system_sleeps(small_shm):
    """It used to ask for memory again and again, which wakes all others to do the same."""
    command = [*small_shm.launcher, sys.executable, "-c", BLOCKED_IN_A_FULL_FILE_SYSTEM, str(SHM)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    (pushed, waits), (pushed_then,) = (line.split() for line in result.stdout.splitlines())
    assert (pushed, pushed_then) == ("False", "True")
    assert 1 <= int(waits) <= 500

def test_ring_of_nearly_the_whole_file_system_is_refused_not_killed(team, small_shm):
    # Main part and relief block together are larger than what there is.
    made = team(total=56 * MIB, min=30 * MIB, max=50 * MIB)
    producer = made.produce(launcher=small_shm.launcher)
    consumer = made.consume(launcher=small_shm.launcher, hold=4)
    wait_until(lambda: made.received() > 5 or producer.ledger[REFUSED] > 5, "an answer")
    assert producer.is_running() and consumer.is_running()
    made.stop_producers()
    made.finish()
    made.expect_everything_delivered()


PROLOGUE = """
import os, sys
import numpy as np
import ipc0cp

MIB = 1 << 20
SHM = os.environ["IPC0CP_DIRECTORY"]
FILLER = SHM + "/filler"

def fill():
    free = os.statvfs(SHM)
    with open(FILLER, "wb", buffering=0) as filler:
        os.posix_fallocate(filler.fileno(), 0, free.f_bavail * free.f_frsize)

"""
PUSH_INTO_A_FULL_FILE_SYSTEM = """
with ipc0cp.SharedRingBufferProducer(sys.argv[1], 32 * MIB) as producer:
    with ipc0cp.SharedRingBufferConsumer(sys.argv[1]) as consumer:
        producer.push(np.zeros(MIB, np.uint8))
        consumer.pop()
        fill()
        large = np.arange(20 * MIB, dtype=np.uint8)
        for call in (lambda: producer.push(large, 10), lambda: producer.loan(20 * MIB)):
            try:
                call()
            except ipc0cp.NoSpace as error:
                assert isinstance(error, OSError), error
                for word in (str(20 * MIB)[:4], "bytes are free", "--shm-size", "reserve=True"):
                    assert word in str(error), error
            else:
                raise AssertionError("there is no room for that")
        assert consumer.stats().messages == 0
        producer.push(np.full(MIB // 2, 5, np.uint8))  # What there is goes on being used.
        assert (consumer.pop(10) == 5).all()
        os.unlink(FILLER)
        assert producer.push(large, 10)
        assert (consumer.pop(10) == large).all()
"""


RESERVED_BEFORE = """
with ipc0cp.SharedRingBufferProducer(sys.argv[1], 16 * MIB, reserve=True) as producer:
    with ipc0cp.SharedRingBufferConsumer(sys.argv[1]) as consumer:
        fill()
        kept = []
        for number in range(8):  # Into the main part, and beside views into the relief block.
            assert producer.push(np.full(12 * MIB, number, np.uint8), 10)
            kept.append(consumer.pop(10))
        assert all((array == number).all() for number, array in enumerate(kept))
        del kept
os.unlink(FILLER)
"""


@pytest.mark.parametrize("source", [PUSH_INTO_A_FULL_FILE_SYSTEM, RESERVED_BEFORE],
                         ids=["refused", "reserved"])
def test_push_into_a_full_file_system(small_shm, source):
    finished = subprocess.run(
        [*small_shm.launcher, sys.executable, "-c", PROLOGUE + source, "full"],
        capture_output=True, text=True, timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    assert list(small_shm.path.iterdir()) == []


# ---- PID namespaces -----------------------------------------------------------------------------


PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def test_both_sides_are_pid_1(team):
    require_namespaces(*PID_1[1:])
    made = team(total=MIB, expected=2)
    made.consume(launcher=PID_1, hold=2)
    made.consume("python", launcher=PID_1)
    made.wait_ready()
    made.produce(launcher=PID_1, count=2000)
    made.produce("python", launcher=PID_1, count=200)
    made.finish()
    made.expect_everything_delivered()


def test_killed_pid_1_is_noticed_by_another_pid_1(team):
    require_namespaces(*PID_1[1:])
    made = team(total=MIB, expected=2)
    consumer = made.consume(launcher=PID_1)
    victim = made.produce(launcher=PID_1)
    made.produce(launcher=PID_1, count=1000)
    wait_until(lambda: victim.ledger[ACKNOWLEDGED] > 20, "traffic")
    victim.kill()
    consumer.finish()
    assert victim.process.returncode == -signal.SIGKILL
    assert sorted(made.delivered()[2]) == list(range(1000))
    assert len(made.delivered()[1]) >= victim.ledger[ACKNOWLEDGED]
