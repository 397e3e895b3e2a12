# SPDX-License-Identifier: Apache-2.0
"""Giving memory of a ring back with trim()."""

from __future__ import annotations

import os

import numpy as np
import pytest
from helpers import MIB, file_of
from small_memory import run_in_small_shm

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer


def backed_bytes(name: str) -> int:
    return file_of(name).stat().st_blocks * 512


def test_trim_gives_back_what_is_not_in_use(ring_name):
    with Producer(ring_name, 64 * MIB) as producer, Consumer(ring_name) as consumer:
        when_new = backed_bytes(ring_name)
        assert producer.trim() == consumer.trim() == 0
        kept = np.arange(MIB, dtype="uint8")
        producer.push(kept)
        producer.push(np.zeros(40 * MIB, "uint8"))
        view = consumer.pop()
        assert producer.trim() <= 2 * MIB
        assert consumer.pop().sum() == 0
        reserved = producer.stats().reserved_bytes
        given_back = consumer.trim()
        assert given_back >= 38 * MIB
        assert producer.stats().reserved_bytes == reserved - given_back
        assert (view == kept).all()
        del view
        assert producer.trim() >= MIB
        assert producer.stats().reserved_bytes == 0
        assert backed_bytes(ring_name) == when_new
        producer.push(kept)
        assert (consumer.pop() == kept).all()


def test_a_ring_made_with_reserve_keeps_its_memory(ring_name):
    with Producer(ring_name, 4 * MIB, reserve=True) as producer, Consumer(ring_name) as consumer:
        reserved = producer.stats().reserved_bytes
        with Producer(ring_name, 4 * MIB) as other:
            assert producer.trim() == consumer.trim() == other.trim() == 0
        assert producer.stats().reserved_bytes == reserved >= 8 * MIB


def test_errors_of_trim(ring_name):
    with Consumer(ring_name, MIB) as consumer, Producer(ring_name, MIB) as producer:
        child = os.fork()
        if child == 0:
            try:
                producer.trim()
            except ipc0cp.ForkedHandle:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        producer.close()
        with pytest.raises(ipc0cp.Closed):
            producer.trim()
    with pytest.raises(ipc0cp.Closed):
        consumer.trim()
    with pytest.raises(ipc0cp.Closed):
        Consumer(ring_name, auto_attach=False).trim()


FULL_SHM = """
import os, sys
import numpy as np
import ipc0cp

MIB = 1 << 20
name = sys.argv[1]
directory = os.statvfs(os.environ["IPC0CP_DIRECTORY"])
assert directory.f_blocks * directory.f_frsize == 64 * MIB, "not the small one"
filler = os.environ["IPC0CP_DIRECTORY"] + "/filler"
with ipc0cp.SharedRingBufferProducer(name, 24 * MIB) as producer:
    with ipc0cp.SharedRingBufferConsumer(name) as consumer:
        producer.push(np.full(MIB, 7, "uint8"))
        producer.push(np.full(16 * MIB, 8, "uint8"))
        early, late = consumer.pop(), consumer.pop()
        inherits = os.fork()
        if inherits == 0:
            sys.stdin.readline()
            os._exit(0 if (early == 7).all() and (late == 8).all() else 1)
        del late
        assert producer.trim() >= 14 * MIB
        with open(filler, "wb", buffering=0) as target:
            try:
                while True:
                    target.write(bytes(4096))
            except OSError:
                pass
        print("full", flush=True)
        assert os.waitpid(inherits, 0)[1] == 0
        assert (early == 7).all()
        for _ in range(3):
            try:
                producer.push(np.zeros(16 * MIB, "uint8"), 0.05)
                print("pushed")
            except ipc0cp.NoSpace:
                print("no space")
            assert producer.trim() <= 2 * MIB
        producer.push(b"small")
        assert consumer.pop() == b"small"
        os.unlink(filler)
        producer.push(np.full(16 * MIB, 9, "uint8"))
        assert (consumer.pop() == 9).all()
        print("ok")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount namespace")
def test_no_sigbus_where_others_took_the_memory(ring_name):
    output = run_in_small_shm(FULL_SHM, ring_name)
    assert output == "full\n" + "no space\n" * 3 + "ok\n"
