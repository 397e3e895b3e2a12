# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp rm`: what nobody lives in goes, what somebody uses stays."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest
from helpers import MIB, PATIENCE, SHM, Background, file_of, run_python, start_python
from program import DONE, FAILED, NO_SUCH_RING, WRONG_USAGE, finish, output

import ipc0cp
from ipc0cp import inspect

DIE = """
import os, signal, sys, ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20)
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1])
for _ in range(int(sys.argv[2])):
    producer.push(b"left behind")
os.kill(os.getpid(), signal.SIGKILL)
"""
LIVE = """
import sys, ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20)
print("here", flush=True)
sys.stdin.read()
"""


def test_a_ring_left_behind(ring_name):
    run_python(DIE, ring_name, "2")
    assert output("rm", ring_name) == f"removed {ring_name} with 2 messages\n"
    assert not file_of(ring_name).exists()
    assert finish("rm", ring_name).returncode == NO_SUCH_RING


def test_a_ring_in_use_names_who_uses_it(ring_name):
    with start_python(LIVE, ring_name) as process:
        assert process.stdout.readline() == "here\n"
        finished = finish("rm", ring_name)
        assert finished.returncode == FAILED
        assert f"producer pid {process.pid} (python" in finished.stderr
        assert file_of(ring_name).exists()
        command = finished.stderr.rsplit("ipc0cp ", 1)[1].split()
        assert str(process.pid) in output(*command)  # The way out works as it is written.
        process.stdin.close()
    assert not file_of(ring_name).exists()


def test_removed_by_force_producers_are_told_and_consumers_get_the_rest(ring_name):
    with (
        ipc0cp.SharedRingBufferConsumer(ring_name, MIB) as consumer,
        ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer,
    ):
        while producer.push(bytes(100_000), timeout=0):
            pass
        queued = producer.stats().messages
        blocked = Background(producer.push, bytes(100_000), timeout=PATIENCE)
        output("rm", "--force", ring_name)
        with pytest.raises(ipc0cp.NoConsumers):
            blocked.result()
        producer.close()
        assert len(list(consumer)) == queued
    assert not file_of(ring_name).exists()


def test_what_a_producer_without_consumers_is_told_works_when_typed(ring_name):
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        with pytest.raises(ipc0cp.NoConsumers) as told:
            producer.push(b"x", timeout=0)
        command = re.search(r"ipc0cp (rm --force \S+)", str(told.value))[1]
        assert f"rm {file_of(ring_name)}" in str(told.value)
        blocked = Background(producer.push, b"x", timeout=PATIENCE)
        output(*command.split())
        with pytest.raises(ipc0cp.NoConsumers):
            blocked.result()
    assert not file_of(ring_name).exists()


def test_a_stopped_holder_does_not_stop_it(ring_name):
    with start_python(LIVE, ring_name) as process:
        assert process.stdout.readline() == "here\n"
        os.kill(process.pid, signal.SIGSTOP)
        try:
            assert finish("rm", ring_name).returncode == FAILED
            assert finish("rm", "-f", ring_name).returncode == DONE
        finally:
            os.kill(process.pid, signal.SIGCONT)
            process.stdin.close()


def test_stale_rings_only(ring_name):
    names = [f"{ring_name}-{part}" for part in ("empty", "full", "live")]
    run_python(DIE, names[0], "0")
    run_python(DIE, names[1], "3")
    with ipc0cp.SharedRingBufferConsumer(names[2], MIB):
        finished = finish("rm", "--stale")
        assert finished.returncode == DONE
        assert f"removed {names[0]}\n" in finished.stdout
        assert f"'{names[1]}' stays: 3 messages wait" in finished.stderr
        assert [file_of(name).exists() for name in names] == [False, True, True]
    output("rm", names[1])


def test_files_that_are_no_rings(ring_name):
    file_of(ring_name).write_bytes(b"something else")
    finished = finish("rm", ring_name)
    assert finished.returncode == FAILED
    assert f"ipc0cp rm --force {ring_name}" in finished.stderr
    output("rm", "--force", ring_name)
    assert not file_of(ring_name).exists()


def test_a_ring_of_another_version(ring_name):
    run_python(DIE, ring_name, "0")
    content = bytearray(file_of(ring_name).read_bytes())
    content[8:12] = (99).to_bytes(4, "little")
    file_of(ring_name).write_bytes(content)
    finished = finish("rm", ring_name)
    assert finished.returncode == FAILED
    assert "version" in finished.stderr
    output("rm", "--force", ring_name)


#: What others can call a file. None of it may reach a terminal, a shell, or break the JSON.
ODD_NAMES = [b"\x1b[31mred", b"\xff\xfe", b"a b;$(touch came)", b"x" * 240]


@pytest.mark.parametrize("odd", ODD_NAMES)
def test_files_whose_names_no_ring_can_have(odd, ring_name):
    file = SHM / os.fsdecode(b"ipc0cp." + ring_name.encode() + odd[: 245 - len(ring_name)])
    file.write_bytes(b"something else")
    try:
        shown = [ring for ring in inspect.rings() if ring.name.startswith(ring_name)]
        assert [ring.state for ring in shown] == [inspect.RingState.NOT_A_RING]
        listed = json.loads(output("ls", "--json"))["rings"]
        assert [ring["name"] for ring in listed if ring["name"].startswith(ring_name)]
        json.loads(output("top", "--once", "--json", "--interval", "10ms"))
        finished = finish("rm", "--stale", text=False)
        assert finished.returncode == DONE
        assert finished.stderr.translate(None, b"\n").decode("ascii").isprintable()
        assert b"no ring can have this name" in finished.stderr
        assert odd not in finish("stat", ring_name, text=False).stderr
        commands = [re.search(r"find \S+ -maxdepth 1 -inum \d+ -delete", text)[0]
                    for text in (shown[0].problem, finished.stderr.decode())]
        assert commands[0] == commands[1]
        subprocess.run(commands[0].split(), check=True, timeout=PATIENCE)
        assert not file.exists()
    finally:
        file.unlink(missing_ok=True)


def test_which_rings(ring_name):
    assert finish("rm").returncode == WRONG_USAGE
    assert finish("rm", "--stale", ring_name).returncode == WRONG_USAGE
    run_python(DIE, ring_name, "0")
    finished = finish("rm", ring_name + "-none", ring_name)
    assert finished.returncode == NO_SUCH_RING
    assert not file_of(ring_name).exists()
