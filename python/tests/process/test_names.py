# SPDX-License-Identifier: Apache-2.0
"""Creating and removing under races and kills: a name is absent or whole."""

from __future__ import annotations

import os
import random
import time

from workers import SHM, file_of

MIB = 1 << 20
CYCLES = int(os.environ.get("IPC0CP_CREATE_CYCLES", "100"))


def files_of(name: str) -> list[str]:
    return [path.name for path in SHM.iterdir() if name in path.name]


def test_many_processes_create_one_ring(team):
    for _ in range(4):
        made = team(total=MIB, expected=6, max=5000)
        for _ in range(6):
            made.produce()
            made.consume()
        made.wait_ready()
        made.stop_producers()
        made.finish()
        made.expect_everything_delivered()
        assert not file_of(made.name).exists()


def test_python_and_cpp_race_to_create(team):
    made = team(total=MIB, expected=4, max=5000)
    for language in ("cpp", "python") * 2:
        made.produce(language)
        made.consume(language)
    made.wait_ready()
    made.stop_producers()
    made.finish()
    made.expect_everything_delivered()


def test_kills_while_creating_and_removing_leave_at_most_one_file(team):
    seed = time.time_ns() % 1_000_000_000
    print(f"seed {seed}")
    dice = random.Random(seed)
    made = team(total=MIB, max=5000, wait_ms=1)
    for cycle in range(CYCLES):
        role = dice.choice(["produce", "consume"])
        # A consumer that is to stop at once goes through its whole life, removal included.
        worker = made.produce(count=1) if role == "produce" else made.consume(count=0)
        time.sleep(dice.uniform(0.0, 0.006))
        worker.kill()
        assert len(files_of(made.name)) <= 1, f"cycle {cycle}: {files_of(made.name)}"
    # Whatever the kills have left, the next users of the name do not notice.
    fresh = team(total=MIB, max=5000)
    fresh.name = made.name
    fresh.produce(count=100)
    fresh.consume()
    fresh.finish()
    fresh.expect_everything_delivered()
    assert files_of(made.name) == []
