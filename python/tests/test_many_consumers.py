# SPDX-License-Identifier: Apache-2.0
"""A thousand consumers that one event loop waits for, each with a thread and descriptors."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from helpers import PATIENCE

CONSUMERS = 1_000
#: Three for each consumer, and some to spare.
DESCRIPTORS = 4 * CONSUMERS

PROGRAM = """
import asyncio, gc, os, sys, uuid
import ipc0cp

def descriptors():
    return len(os.listdir("/proc/self/fd"))

async def wait_for_all(count):
    names = [f"many-{uuid.uuid4().hex}" for _ in range(2)]  # A ring takes 1,023 handles.
    producers = [ipc0cp.SharedRingBufferProducer(name, 1 << 20) for name in names]
    consumers = [ipc0cp.SharedRingBufferConsumer(names[i % 2]) for i in range(count)]
    waiting = [asyncio.create_task(consumer.pop_async(timeout=60)) for consumer in consumers]
    await asyncio.sleep(0)
    for number in range(count):
        await producers[number % 2].push_async(number.to_bytes(4, "little"))
    got = await asyncio.gather(*waiting)
    assert sorted(int.from_bytes(item, "little") for item in got) == list(range(count))
    for handle in consumers + producers:
        handle.close()

before = descriptors()
try:
    asyncio.run(wait_for_all(int(sys.argv[1])))
except ipc0cp.Error as error:
    sys.exit(f"{type(error).__name__}: {error}")
gc.collect()
assert descriptors() == before, descriptors()
"""


def run(most_descriptors: int) -> subprocess.CompletedProcess[str]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"a process may have {hard} descriptors, {DESCRIPTORS} are needed")
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(CONSUMERS)], capture_output=True, text=True,
        timeout=PATIENCE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most_descriptors, hard)),
    )  # fmt: skip


def test_each_gets_a_message_and_no_descriptor_stays():
    finished = run(DESCRIPTORS)
    assert finished.returncode == 0, finished.stderr


def test_a_limit_of_descriptors_is_named():
    finished = run(DESCRIPTORS // 4)
    assert finished.returncode == 1
    assert "SystemFailure" in finished.stderr
    assert f"{DESCRIPTORS // 4} descriptors (RLIMIT_NOFILE)" in finished.stderr
