# SPDX-License-Identifier: Apache-2.0
"""Ends other than SIGKILL, and processes that are still there but have lost what they held."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest
from workers import (
    ACKNOWLEDGED,
    ATTEMPTED,
    COUNT,
    ENDED,
    FATE_IS_DONE,
    HELD,
    READY,
    STOP,
    Worker,
    file_of,
    wait_until,
)

MIB = 1 << 20
BALLAST = 64 * MIB
LANGUAGES = ["cpp", "python"]


def runs_another_program(worker: Worker) -> bool:
    return Path(f"/proc/{worker.process.pid}/comm").read_text() == "sleep\n"


def meet(victim: Worker, fate: str) -> None:
    """Ends the victim in the given way, in the middle of whatever it does."""
    victim.was_killed = True  # Nobody waits for its proper end.
    if fate == "crash":
        victim.signal(signal.SIGSEGV)
        return
    victim.signal(signal.SIGUSR1)
    if fate == "exit":
        assert victim.process.wait(30) == 0
    elif fate == "exec":
        wait_until(lambda: runs_another_program(victim), "another program in the same process")
    else:
        wait_until(lambda: victim.ledger[READY] == FATE_IS_DONE, fate)
    if fate == "clone":
        victim.kill()


def with_core_dumps(directory: Path) -> list[str]:
    """Runs a worker in a directory of its own, where a crash leaves its core."""
    if os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("core dumps are not permitted here (ulimit -H -c)")
    directory.mkdir()
    return ["sh", "-c", 'cd "$0" && ulimit -c unlimited && exec "$@"', str(directory)]


def expect_a_dump(victim: Worker, directory: Path) -> None:
    assert victim.process.wait(30) == -signal.SIGSEGV
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    if "|" in pattern or "/" in pattern:
        return  # Dumped, but not where we can see it.
    cores = [path for path in directory.iterdir() if path.stat().st_size > BALLAST]
    assert cores, "no core was dumped"
    for path in cores:
        path.unlink()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("fate", ["exit", "exec", "clone", "crash"])
def test_others_go_on(team, language, fate):
    made = team(total=MIB, expected=2, max=20_000)
    crashes = fate == "crash"
    places = [made.directory / name for name in ("consumer", "producer")]
    launchers = [with_core_dumps(place) if crashes else [] for place in places]
    doom = {"ballast": BALLAST} if crashes else {"fate": fate}
    stats = made.directory / "stats.json"
    last = made.consume(stats=stats)
    consumer = made.consume(language, launchers[0], hold=4, **doom)
    made.wait_ready()
    producer = made.produce(language, launchers[1], **doom)
    made.produce()
    made.wait_ready()
    for victim in (consumer, producer):
        wait_until(lambda it=victim: it.ledger[COUNT] + it.ledger[ACKNOWLEDGED] > 50, "traffic")
        start = time.monotonic()
        meet(victim, fate)
        made.wait_for_traffic(500)
        print(f"{fate}: 500 more messages after {time.monotonic() - start:.3f} s")
    if crashes:
        expect_a_dump(consumer, places[0])
        expect_a_dump(producer, places[1])
    made.producers[1].ledger[STOP] = 1
    wait_until(lambda: last.ledger[ENDED] == 1, "the end of the stream")
    last.ledger[STOP] = 1
    made.finish()

    delivered = made.delivered()
    counters = json.loads(stats.read_text())
    pushed = [worker.ledger[ACKNOWLEDGED] for worker in made.producers]
    came = [len(delivered[number]) for number in (1, 2)]
    assert came[0] <= producer.ledger[ATTEMPTED]
    assert came[1] <= pushed[1]
    missing = max(pushed[0] - came[0], 0) + pushed[1] - came[1]
    assert missing <= 1, "only the message that the victim had not noted yet can be missing"
    assert counters["lost"] <= consumer.ledger[HELD]
    assert counters["repaired_deaths"] == 2
    assert counters["used_bytes"] == 0
    assert not file_of(made.name).exists()


def test_clone_of_a_killed_lock_holder(team):
    """Its token is held on by a process that will never give the lock back."""
    made = team(total=MIB)
    made.consume()
    made.produce()
    made.wait_for_traffic()
    for _ in range(3):
        meet(made.hold_lock(fate="clone").wait_ready(), "clone")
        made.wait_for_traffic()
    made.stop_producers()
    made.finish()
    made.expect_everything_delivered()


@pytest.mark.parametrize("language", LANGUAGES)
def test_lost_descriptors_are_noticed_by_their_owner(team, language):
    """Others take it for dead, since its locks are gone; it must not go on as if nothing was."""
    made = team(total=MIB, expected=2)
    made.consume(hold=2)
    consumer = made.consume(language, fate="close_range")
    made.wait_ready()
    producer = made.produce(language, fate="close_range", gap_us=1000)
    made.produce(gap_us=100)
    made.wait_ready()
    for victim in (consumer, producer):
        wait_until(lambda it=victim: it.ledger[COUNT] + it.ledger[ACKNOWLEDGED] > 50, "traffic")
        meet(victim, "close_range")
        assert victim.process.wait(30) == 1, "an error, not a signal"
        assert "close_range" in victim.errors.read_text()
        made.wait_for_traffic(500)
    made.stop_producers()
    made.finish()
    delivered = made.delivered()
    missing = made.producers[1].ledger[ACKNOWLEDGED] - len(delivered[2])
    assert 0 <= missing <= consumer.ledger[HELD]
    assert not file_of(made.name).exists()


def test_stopped_for_ten_seconds(team):
    """Stopped is not dead: the others go on meanwhile, the stopped ones afterwards."""
    made = team(total=MIB, expected=3, gap_us=200)
    for language in ("cpp", "python"):
        made.consume(language, hold=2)
        made.produce(language)
    last = made.consume(stats=made.directory / "stats.json")
    made.produce()
    made.wait_ready()
    made.wait_for_traffic()
    victims = [made.producers[0], made.consumers[1]]
    for victim in victims:
        victim.signal(signal.SIGSTOP)
    end = time.monotonic() + 10
    longest = 0.0
    while time.monotonic() < end:
        start = time.monotonic()
        made.wait_for_traffic(1)
        longest = max(longest, time.monotonic() - start)
    print(f"longest wait for a message beside stopped processes: {longest:.3f} s")
    for victim in victims:
        before = victim.ledger[ACKNOWLEDGED] + victim.ledger[COUNT]
        victim.signal(signal.SIGCONT)
        wait_until(
            lambda it=victim, before=before: it.ledger[ACKNOWLEDGED] + it.ledger[COUNT] > before,
            "the victim",
        )
    made.stop_producers()
    wait_until(lambda: last.ledger[ENDED] == 1, "the end of the stream")
    last.ledger[STOP] = 1
    made.finish()
    made.expect_everything_delivered()
    counters = json.loads((made.directory / "stats.json").read_text())
    assert counters["repaired_deaths"] == counters["lost"] == 0
