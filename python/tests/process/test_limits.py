# SPDX-License-Identifier: Apache-2.0
"""Limits of a process and of /dev/shm: an error that says which, and nothing is lost."""

from __future__ import annotations

import pytest
from helpers import file_of, run_python

PROLOGUE = """
import os, resource, sys
import numpy as np
import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer, SharedRingBufferProducer as Producer

MIB = 1 << 20
SHM = os.environ["IPC0CP_DIRECTORY"]
name = sys.argv[1]

def limit(kind, value):
    resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))

def address_space():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

def expect(error, call, *words):
    try:
        call()
    except error as caught:
        for word in words:
            assert word in str(caught), caught
        return caught
    raise AssertionError(f"no {error}")
"""


def run(ring_name: str, source: str) -> str:
    finished = run_python(PROLOGUE + source, ring_name)
    assert finished.returncode == 0, finished.stderr
    assert not file_of(ring_name).exists()
    return finished.stdout


def test_push_and_pop_open_no_descriptor(ring_name):
    run(ring_name, """
with Producer(name, 64 * MIB) as producer, Consumer(name, 64 * MIB) as consumer:
    producer.loan(1).abandon()  # Loads what is loaded on demand.
    producer.push(np.zeros(1))
    consumer.pop(10)
    limit(resource.RLIMIT_NOFILE, 0)
    kept = []
    for size in [1, 5_000, 300_000, 3 * MIB] * 4:
        producer.push(np.full(size, size % 251, np.uint8))
        with producer.loan(size) as loan:
            loan[...] = 7
        kept.append(consumer.pop(10))
        assert kept[-1].nbytes == size and (kept[-1] == size % 251).all()
        assert (consumer.pop(10) == 7).all()
    expect(ipc0cp.Timeout, lambda: consumer.pop(0.3))
    assert producer.stats().pushed == 33
    limit(resource.RLIMIT_NOFILE, 1024)
""")


def test_closing_the_low_descriptors_spares_ours(ring_name):
    """What daemons and starters of children do, before they know better."""
    run(ring_name, """
limit(resource.RLIMIT_NOFILE, 1024)
with Producer(name, MIB) as producer, Consumer(name, MIB) as consumer:
    os.closerange(3, 700)
    for number in range(20):
        producer.push(np.full(50_000, number, np.uint8))
        assert (consumer.pop(10) == number).all()
    expect(ipc0cp.Timeout, lambda: consumer.pop(0.3))
    assert producer.stats().repaired_deaths == 0
    limit(resource.RLIMIT_NOFILE, 4)
    expect(ipc0cp.Error, lambda: Producer(name, MIB), "ulimit -n")
    limit(resource.RLIMIT_NOFILE, 1024)
""")


@pytest.mark.parametrize("role", ["Producer", "Consumer"])
def test_no_descriptor_is_left_for_a_handle(ring_name, role):
    """Whatever number of descriptors is left: an error, or a handle that works."""
    run(ring_name, f"""
with Producer(name, MIB) as producer, Consumer(name, MIB) as consumer:
    used = [int(number) for number in os.listdir("/proc/self/fd")]
    free = next(number for number in range(1024) if number not in used)
    outcomes = []
    for number in range(free, free + 8):
        limit(resource.RLIMIT_NOFILE, number)
        for what in (name, name + "-new"):
            try:
                with {role}(what, MIB) as handle:
                    handle.stats()
                del handle  # A closed handle keeps one for its other threads.
                outcomes.append(True)
            except ipc0cp.Error as error:
                assert error.code is ipc0cp.ErrorCode.system_error, error
                for word in ("Too many open files", f"may have {{number}} descr", "ulimit -n"):
                    assert word in str(error), error
                outcomes.append(False)
    limit(resource.RLIMIT_NOFILE, 1024)
    assert True in outcomes and False in outcomes, outcomes
    # A producer that could join has made the ring; a consumer has removed it again.
    if os.path.exists(f"{{SHM}}/ipc0cp.{{name}}-new"):
        Consumer(name + "-new", MIB).close()
    assert len(os.listdir("/proc/self/fd")) == len(used)
    stats = producer.stats()
    assert (stats.active_producers, stats.active_consumers) == (1, 1)
    producer.push(b"still works")
    assert consumer.pop(10) == b"still works"
""")
    assert not file_of(ring_name + "-new").exists()


def test_no_address_space_for_a_ring(ring_name):
    run(ring_name, """
with Producer(name, 64 * MIB) as producer, Consumer(name) as consumer:
    limit(resource.RLIMIT_AS, address_space() + 32 * MIB)
    text = ("Cannot allocate memory", "address space", "ulimit -v")
    expect(ipc0cp.Error, lambda: Producer(name), *text)
    expect(ipc0cp.Error, lambda: Consumer(name), *text)
    expect(ipc0cp.Error, lambda: Consumer(name + "-new", 64 * MIB), *text)
    limit(resource.RLIMIT_AS, -1)
    assert not os.path.exists(f"{SHM}/ipc0cp.{name}-new")
    assert len(os.listdir("/proc/self/fd")) < 20
    producer.push(b"still works")
    assert consumer.pop(10) == b"still works"
    stats = producer.stats()
    assert (stats.active_producers, stats.active_consumers) == (1, 1)
    assert stats.repaired_deaths == 0
""")


@pytest.mark.parametrize("redeliver", [False, True])
def test_no_memory_for_a_copy(ring_name, redeliver):
    """Views fill half of the ring, so the next message is copied: it stays until there is room."""
    run(ring_name, f"""
size = 40 * MIB
with (
    Producer(name, 4 * size, redeliver={redeliver}) as producer,
    Consumer(name, auto_unlink=True) as consumer,
):
    for number in range(3):
        producer.push(np.full(size, number, np.uint8))
    kept = [consumer.pop(10), consumer.pop(10)]
    producer.push(b"the next")
    limit(resource.RLIMIT_AS, address_space() + size // 2)
    for _ in range(5):
        error = expect(ipc0cp.OutOfMemory, lambda: consumer.pop(10), "stays queued")
        assert isinstance(error, MemoryError)
        assert producer.stats().messages == 2
    limit(resource.RLIMIT_AS, -1)
    third = consumer.pop(10)
    assert third.nbytes == size and (third == 2).all()
    assert consumer.pop(10) == b"the next"
    stats = producer.stats()
    assert stats.lost == stats.dropped == 0
    assert all((array == number).all() for number, array in enumerate(kept))
    del kept, third
""")


def test_a_core_dump_leaves_the_ring_out(ring_name):
    """The kernel would write all of a huge ring, and free the locks of the dead only then."""
    run(ring_name, """
with Producer(name, 4 * MIB), Consumer(name):
    flags = None
    mapped = 0
    for line in open("/proc/self/smaps"):
        if f"ipc0cp.{name}" in line:
            flags = "wanted"
        elif line.startswith("VmFlags:") and flags == "wanted":
            assert "dd" in line.split(), line
            flags = None
            mapped += 1
    assert mapped >= 2, mapped
""")


def test_a_limit_of_file_sizes_is_named(ring_name):
    """Without the check the kernel would end the process (SIGXFSZ), where it is not ignored."""
    run(ring_name, """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
limit(resource.RLIMIT_FSIZE, 8 * MIB)
text = (str(8 * MIB), "RLIMIT_FSIZE", "ulimit -f")
for role in (Producer, Consumer):
    error = expect(ipc0cp.SystemFailure, lambda: role(name, 16 * MIB), *text)
    assert error.errno == 27, error  # EFBIG
with Producer(name, 1 * MIB) as producer, Consumer(name) as consumer:
    producer.push(b"fits")
    assert consumer.pop(10) == b"fits"
""")
