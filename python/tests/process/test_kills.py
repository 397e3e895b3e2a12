# SPDX-License-Identifier: Apache-2.0
"""SIGKILL and SIGSTOP of each role in the middle of traffic: the others go on."""

from __future__ import annotations

import json
import signal
import time

import pytest
from workers import (
    ACKNOWLEDGED,
    ATTEMPTED,
    COUNT,
    ENDED,
    HELD,
    REFUSED,
    STOP,
    Team,
    Worker,
    file_of,
    wait_until,
)

MIB = 1 << 20


@pytest.mark.parametrize("language", ["cpp", "python"])
def test_killed_producer(team, language):
    made = team(total=MIB, expected=2)
    made.consume(hold=3)
    made.consume("python")
    made.wait_ready()
    victim = made.produce(language)
    other = made.produce(count=3000)
    wait_until(lambda: victim.ledger[ACKNOWLEDGED] >= 50, "traffic of the victim")
    victim.kill()
    made.finish()
    delivered = made.delivered()
    assert sorted(delivered[2]) == list(range(3000))
    count = len(delivered[1])
    assert delivered[1] == [] or sorted(delivered[1]) == list(range(count))
    assert victim.ledger[ACKNOWLEDGED] <= count <= victim.ledger[ATTEMPTED]
    assert other.ledger[ACKNOWLEDGED] == 3000
    assert not file_of(made.name).exists()


@pytest.mark.parametrize("language", ["cpp", "python"])
def test_killed_consumer(team, language):
    made = team(total=MIB)
    stats = made.directory / "stats.json"
    last = made.consume(stats=stats)
    victim = made.consume(language, hold=6)
    made.wait_ready()
    made.produce(min=8000, count=4000)
    wait_until(lambda: victim.ledger[COUNT] >= 50, "traffic of the victim")
    victim.kill()
    wait_until(lambda: last.ledger[ENDED] == 1, "the end of the stream")
    last.ledger[STOP] = 1
    made.finish()
    counters = json.loads(stats.read_text())
    missing = 4000 - len(made.delivered()[1])
    assert missing <= 1, "only the message it had not noted yet can be missing"
    assert 0 < counters["lost"] <= victim.ledger[HELD]
    assert counters["repaired_deaths"] == 1
    assert counters["used_bytes"] == 0


def test_all_producers_killed_is_the_end_of_the_stream(team):
    made = team(total=MIB, expected=2)
    consumers = [made.consume(), made.consume("python")]
    made.produce()
    made.produce("python")
    made.wait_ready()
    made.wait_for_traffic()
    for producer in made.producers:
        producer.kill()
    for consumer in consumers:
        consumer.finish()
    made.delivered()


def test_all_consumers_killed_and_replaced(team):
    made = team(total=MIB)
    victim = made.consume()
    producer = made.produce(count=2000, gap_us=100)
    made.wait_for_traffic(50)
    victim.kill()
    made.consume()
    made.finish()
    assert 2000 - len(made.delivered()[1]) <= 1
    assert producer.ledger[ACKNOWLEDGED] == 2000


def stop_without_the_lock(team: Team, victim: Worker) -> None:
    """A lock is never taken from the living: now and then the victim stops with it, all wait."""
    for _ in range(8):
        victim.signal(signal.SIGSTOP)
        seen, end = team.received(), time.monotonic() + 3
        while time.monotonic() < end:
            if team.received() > seen + 100:
                return
            time.sleep(0.002)
        victim.signal(signal.SIGCONT)
        team.wait_for_traffic(1)
    pytest.fail("eight times nothing went on while the victim was stopped")


@pytest.mark.parametrize("role", ["produce", "consume"])
def test_stopped_worker_holds_nobody_up(team, role):
    made = team(total=MIB, expected=2)
    for _ in range(2):
        made.consume(hold=2)
        made.produce(max=20_000)
    made.wait_ready()
    made.wait_for_traffic()
    victim = (made.producers if role == "produce" else made.consumers)[0]
    stop_without_the_lock(made, victim)
    made.wait_for_traffic(2000)
    victim.signal(signal.SIGCONT)
    before = victim.ledger[ACKNOWLEDGED] + victim.ledger[COUNT]
    wait_until(lambda: victim.ledger[ACKNOWLEDGED] + victim.ledger[COUNT] > before, "the victim")
    made.stop_producers()
    made.finish()
    made.expect_everything_delivered()


def test_stopped_lock_holder_costs_time_outs_only(team):
    made = team(total=MIB)
    made.consume()
    producer = made.produce()
    made.wait_for_traffic()
    holder = made.hold_lock().wait_ready()
    holder.signal(signal.SIGSTOP)
    refused = producer.ledger[REFUSED]
    wait_until(lambda: producer.ledger[REFUSED] > refused, "a time-out of the producer")
    stuck = made.received()
    wait_until(lambda: producer.ledger[REFUSED] > refused + 1, "another time-out")
    assert made.received() <= stuck + 1, "somebody broke the lock of a living process"
    holder.kill()
    made.wait_for_traffic()
    made.stop_producers()
    made.finish()
    made.expect_everything_delivered()


def test_killed_lock_holder_is_replaced_many_times(team):
    made = team(total=MIB)
    made.consume()
    made.produce()
    for _ in range(10):
        made.wait_for_traffic(20)
        made.hold_lock().wait_ready().kill()
    made.wait_for_traffic()
    made.stop_producers()
    made.finish()
    made.expect_everything_delivered()


# ---- reruns over a ring in which nobody lives ---------------------------------------------------


def leave_dead_ring(team: Team) -> Worker:
    """A ring with messages of a producer that was killed, of which one was read."""
    consumer = team.consume(count=1, auto_unlink=0, stats=team.directory / "stats.json")
    dead = team.produce(max=1000, gap_us=200)
    wait_until(lambda: consumer.ledger[ENDED] == 1, "the first message")
    wait_until(lambda: dead.ledger[ACKNOWLEDGED] >= 20, "messages that nobody reads")
    dead.kill()
    consumer.ledger[STOP] = 1
    consumer.finish()
    assert file_of(team.name).exists()
    return dead


@pytest.mark.parametrize("language", ["cpp", "python"])
@pytest.mark.parametrize(
    ("first", "policy", "keeps"),
    [
        ("consume", "resume", True),
        ("consume", "discard", False),
        ("produce", "resume", True),
        ("produce", "discard", False),
    ],
)
def test_rerun_over_a_dead_ring(team, language, first, policy, keeps):
    made = team(total=MIB)
    dead = leave_dead_ring(made)
    new = {}
    for role in [first, "produce" if first == "consume" else "consume"]:
        stale = {"stale": policy} if role == first else {}
        start = made.produce if role == "produce" else made.consume
        new[role] = start(language, count=30 if role == "produce" else 1 << 39, **stale)
        new[role].wait_ready()
    made.finish()
    delivered = made.delivered()
    assert sorted(delivered[new["produce"].id]) == list(range(30))
    old_ones = len(delivered[dead.id])
    if keeps:
        assert dead.ledger[ACKNOWLEDGED] <= old_ones <= dead.ledger[ATTEMPTED]
    else:
        assert old_ones == 1, "messages of the last run came as those of this one"
    assert not file_of(made.name).exists()
