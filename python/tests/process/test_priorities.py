# SPDX-License-Identifier: Apache-2.0
"""Real-time priorities: who spins at one must not keep the processor from who is waited for."""

from __future__ import annotations

import os

import pytest
from helpers import PATIENCE, start_python

# A real-time process that spins without end leaves the others 5 % of the processor in pieces of
# 50 ms, so these rounds would take minutes.
ROUNDS = 1000
PEER = """
import os, sys, ipc0cp
processor, is_real_time, first, second, rounds = sys.argv[1:]
os.sched_setaffinity(0, {int(processor)})
if is_real_time == "True":
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
consumer = ipc0cp.SharedRingBufferConsumer(second, 1 << 20)
producer = ipc0cp.SharedRingBufferProducer(first, 1 << 20)
begins = first < second
for number in range(int(rounds)):
    if begins:
        assert producer.push(number, timeout=60)
    assert consumer.pop(timeout=60) == number
    if not begins:
        assert producer.push(number, timeout=60)
print("done")
consumer.close()
producer.close()
"""


def may_run_in_real_time() -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


@pytest.mark.skipif(not may_run_in_real_time(), reason="needs the right to SCHED_FIFO")
@pytest.mark.parametrize("real_time", [(True, False), (True, True)])
def test_waiters_of_real_time_let_the_others_run(ring_name, real_time):
    processor = str(min(os.sched_getaffinity(0)))
    rings = [f"{ring_name}.{number}" for number in (1, 2)]
    with (
        start_python(PEER, processor, str(real_time[0]), *rings, str(ROUNDS)) as first,
        start_python(PEER, processor, str(real_time[1]), *reversed(rings), str(ROUNDS)) as second,
    ):
        for process in (first, second):
            assert process.communicate(timeout=2 * PATIENCE)[0] == "done\n"
