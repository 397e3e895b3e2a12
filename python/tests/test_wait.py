# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp.wait`: what it takes and refuses, how it ends, what it costs."""

from __future__ import annotations

import os
import socket
import sys

import pytest
from helpers import PATIENCE, run_python

import ipc0cp


def test_wait_takes_queues_files_and_descriptors(ring):
    producer, consumer = ring
    left, right = socket.socketpair()
    with left, right, ipc0cp.Queue() as queue:
        everything = [left, consumer, queue, right.fileno()]
        assert ipc0cp.wait(everything, 0.01) == []
        queue.put(1)
        assert ipc0cp.wait(everything, PATIENCE) == [queue]
        producer.push(1)
        right.send(b"x")
        left.send(b"x")
        assert ipc0cp.wait(iter(everything), PATIENCE) == everything
        queue.close()
        assert ipc0cp.wait([queue], PATIENCE) == [queue]
    assert ipc0cp.wait([], PATIENCE) == []


def test_what_wait_refuses(ring):
    _, consumer = ring
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="time-out"):
            ipc0cp.wait([consumer], timeout)
    with pytest.raises(TypeError):
        ipc0cp.wait([consumer], "1")
    with pytest.raises(TypeError, match="not 'consumer'"):
        ipc0cp.wait(["consumer"], 0)
    consumer.fileno()  # Takes its number before the pipe does.
    read, write = os.pipe()
    os.close(write)
    os.close(read)
    with pytest.raises(ipc0cp.InvalidArgument, match=f"descriptor {read} of {read} is not open"):
        ipc0cp.wait([consumer, read], PATIENCE)
    closed = socket.socket()
    closed.close()
    for none in (closed, -1, 2**31):
        with pytest.raises(ipc0cp.InvalidArgument, match=r"descriptor -?\d+ of .* is not open"):
            ipc0cp.wait([none], 0)
    with pytest.raises(TypeError, match="not True"):
        ipc0cp.wait([True], 0)


INTERRUPTED = """
import os, signal, sys, threading, ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1], 1 << 20)
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    ipc0cp.wait([consumer])
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c(ring_name):
    result = run_python(INTERRUPTED, ring_name, timeout=PATIENCE)
    assert result.stdout == "interrupted\n", result.stderr


IDLE = """
import sys, time, ipc0cp
with ipc0cp.SharedRingBufferConsumer(sys.argv[1], 1 << 20) as consumer:
    with ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20) as producer:
        ipc0cp.wait([consumer], 0)
        before = time.process_time(), consumer.stats().consumer_waits
        assert ipc0cp.wait([consumer], 2) == []
        print(time.process_time() - before[0], consumer.stats().consumer_waits - before[1])
"""


def test_an_idle_wait_costs_no_more_than_a_blocked_pop(ring_name):
    """40 looks for the dead in 2 s: some 2 ms, printed; the bound is far from a loop that polls."""
    result = run_python(IDLE, ring_name, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
    seconds, waits = result.stdout.split()
    print(f"{float(seconds) * 1000:.1f} ms of processor time in 2 s", file=sys.stderr)
    assert (float(seconds) < 0.5, int(waits)) == (True, 0)
