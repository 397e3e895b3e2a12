# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp doctor` finds each staged trouble, names who it is, and what it says helps."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from helpers import MIB, PATIENCE, Background, file_of, run_python, start_python
from program import DONE, FAILED, PROGRAM, finish, output, shell
from small_memory import run_in_small_shm
from test_program_looking import check_shape, schema
from test_program_rm import DIE

import ipc0cp
from ipc0cp import inspect

VIEW = """
import sys, ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1])
view = consumer.pop_raw()
print("here", flush=True)
sys.stdin.read()
view.release()
"""
LOAN = """
import sys, ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 4 << 20)
loan = producer.loan(100_000)
print("here", flush=True)
sys.stdin.read()
"""
PUSH_FOREVER = """
import sys, ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 4 << 20)
print("here", flush=True)
while True:
    producer.push(bytes(100_000))
"""
KEEP = """
import sys, ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1])
print("here", flush=True)
kept = [consumer.pop_raw() for _ in range(int(sys.argv[2]))]
print("kept", flush=True)
sys.stdin.read()
"""
CYCLE = """
import sys, ipc0cp
into, out = sys.argv[1:]
consumer = ipc0cp.SharedRingBufferConsumer(into, 1 << 20)
producer = ipc0cp.SharedRingBufferProducer(out, 1 << 20)
print("here", flush=True)
sys.stdin.readline()
while True:
    producer.push(bytes(100_000))
"""


@contextmanager
def running(source: str, *arguments: str):
    """A program that has come to where it says so; it is killed at the end."""
    with start_python(source, *arguments) as process:
        try:
            assert process.stdout.readline() == "here\n"
            yield process
        finally:
            process.kill()
            process.communicate()


def findings(name: str, *options: str) -> dict[str, dict]:
    finished = finish("doctor", name, "--json", *options)
    report = json.loads(finished.stdout)
    check_shape(report, schema("doctor --json"))
    assert finished.returncode == (DONE if report["healthy"] else FAILED)
    return {finding["kind"]: finding for finding in report["findings"]}


def finding(name: str, kind: str, *options: str) -> dict:
    """The trouble, once it is seen: what is staged needs a moment to be so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = findings(name, *options)
        if kind in found:
            return found[kind]
    raise AssertionError(f"no {kind} but {found}")


def type_in(command: str, directory) -> None:
    """The way out, as it is written."""
    finished = shell(command, cwd=directory, errors="replace")
    assert finished.returncode == 0, finished.stderr


@pytest.mark.usefixtures("ring")
def test_healthy(ring_name):
    assert findings(ring_name) == {}
    assert "is healthy" in output("doctor", ring_name)


def test_a_stopped_consumer_with_a_view(ring_name, tmp_path):
    with ipc0cp.SharedRingBufferProducer(ring_name, 4 * MIB, consumer_wait_timeout=60) as producer:
        with start_python(VIEW, ring_name) as process:
            producer.push(bytes(100_000), timeout=PATIENCE)
            assert process.stdout.readline() == "here\n"
            os.kill(process.pid, signal.SIGSTOP)
            found = finding(ring_name, "stopped")
            assert f"consumer pid {process.pid} (python) is stopped" in found["sentence"]
            assert "holds 1 view of 97.7 KiB" in found["sentence"]
            text = finish("doctor", ring_name).stdout
            assert f"   $ kill -CONT {process.pid}\n" in text
            type_in(found["command"], tmp_path)
            assert "stopped" not in findings(ring_name)
            process.stdin.close()
            process.wait(PATIENCE)


def test_a_stopped_producer_with_a_loan(ring_name, tmp_path):
    with (
        ipc0cp.SharedRingBufferConsumer(ring_name, 4 * MIB),
        running(LOAN, ring_name) as process,
    ):
        os.kill(process.pid, signal.SIGSTOP)
        found = finding(ring_name, "stopped")
        assert f"producer pid {process.pid} (python) is stopped" in found["sentence"]
        assert "1 loan of 97.7 KiB" in found["sentence"]
        type_in(found["command"], tmp_path)
        assert "stopped" not in findings(ring_name)


def test_everybody_waits_for_a_consumer(ring_name, tmp_path):
    with running(PUSH_FOREVER, ring_name) as process:
        deadline = time.monotonic() + PATIENCE
        found = finding(ring_name, "no_consumer")
        while "waits for a consumer" not in found["sentence"]:
            found = finding(ring_name, "no_consumer")
            assert time.monotonic() < deadline
        assert f"producer pid {process.pid} (python)" in found["sentence"]
        assert found["command"].startswith(f"ipc0cp recv {ring_name} --output")
        type_in(found["command"] + " --count 1", tmp_path)
        (file,) = (tmp_path / f"{ring_name}-messages").iterdir()
        assert file.read_bytes() == bytes(100_000)
    output("rm", ring_name)


def test_a_consumer_that_takes_nothing(ring_name, tmp_path):
    with ipc0cp.SharedRingBufferConsumer(ring_name, 4 * MIB):
        with running(PUSH_FOREVER, ring_name):
            found = finding(ring_name, "slow_consumer")
            assert f"consumer pid {os.getpid()} (" in found["sentence"]
            assert "takes nothing from the full ring" in found["sentence"]
            type_in(found["command"], tmp_path)
            assert len(list((tmp_path / f"{ring_name}-messages").iterdir())) == 1


LIVE = """
import sys, time, ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 4 << 20, overflow=sys.argv[2])
print("here", flush=True)
while True:
    producer.push(bytes(100_000))
    time.sleep(0.001)
"""


@pytest.mark.parametrize(
    ("overflow", "said"),
    [("drop_oldest", r", \d+ given up unread"), ("drop_newest", r", \d+ new ones? turned away")],
)
def test_what_a_live_source_gives_up_beside_a_slow_consumer(ring_name, overflow, said):
    with ipc0cp.SharedRingBufferConsumer(ring_name, 4 * MIB) as consumer:
        with running(LIVE, ring_name, overflow):
            stats = consumer.stats()
            while stats.overflowed + stats.refused == 0:
                time.sleep(0.01)
                stats = consumer.stats()
            assert re.search(said, finding(ring_name, "slow_consumer")["evidence"])


SUBSCRIBE = """
import sys, ipc0cp
reader = ipc0cp.SharedRingBufferConsumer(sys.argv[1], subscribe=True, overflow=sys.argv[2])
print("here", flush=True)
sys.stdin.read()
"""


def test_a_subscriber_that_keeps_the_ring_full(ring_name, tmp_path):
    with (
        ipc0cp.SharedRingBufferProducer(
            ring_name, 4 * MIB, broadcast=True, max_messages=16, blocking=False
        ) as producer,
        ipc0cp.SharedRingBufferConsumer(ring_name, subscribe=True) as fast,
        running(SUBSCRIBE, ring_name, "block") as slow,
    ):
        while producer.push(bytes(100_000)):
            assert len(fast.pop(PATIENCE)) == 100_000
        assert "waits for room" not in finding(ring_name, "subscriber_behind")["evidence"]
        waiting = Background(push_one, ring_name)
        found = finding(ring_name, "subscriber_behind")
        while "waits for room" not in found["evidence"]:
            found = finding(ring_name, "subscriber_behind")
        assert f"subscriber pid {slow.pid} (python) is furthest behind" in found["sentence"]
        assert "16 messages unread" in found["evidence"]
        assert "slow_consumer" not in findings(ring_name)
        type_in(found["command"], tmp_path)
        slow.wait(PATIENCE)
        waiting.result()
        assert "subscriber_behind" not in findings(ring_name)


def push_one(name: str) -> None:
    with ipc0cp.SharedRingBufferProducer(
        name, 4 * MIB, broadcast=True, max_messages=16
    ) as producer:
        assert producer.push(bytes(100_000), timeout=PATIENCE)


def test_a_stopped_subscriber_that_drops_is_behind_and_in_nobodys_way(ring_name):
    with (
        ipc0cp.SharedRingBufferProducer(
            ring_name, 4 * MIB, broadcast=True, max_messages=16
        ) as producer,
        running(SUBSCRIBE, ring_name, "drop_oldest") as slow,
    ):
        os.kill(slow.pid, signal.SIGSTOP)
        for _ in range(40):
            assert producer.push(bytes(100_000), timeout=PATIENCE)
        assert inspect.ring(ring_name).stats.most_unread == 16
        assert set(findings(ring_name)) == {"stopped"}
    output("rm", ring_name)


def test_messages_that_go_back_are_none_that_were_popped(ring_name):
    """The count of what was popped falls by them, perhaps between the two looks of doctor."""
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, MIB, redeliver=True, max_messages=16) as pushes,
        ipc0cp.SharedRingBufferConsumer(ring_name) as consumer,
    ):
        while pushes.push(b"x", timeout=0):
            pass
        ended = threading.Event()

        def take_and_put_back():
            while not ended.is_set():
                message = consumer.pop_raw(timeout=PATIENCE)
                ended.wait(0.01)
                message.requeue()
                ended.wait(0.01)
                pushes.push(b"x", timeout=0)  # In place of one that came back too often.

        going = Background(take_and_put_back)
        try:
            for _ in range(6):
                evidence = findings(ring_name)["slow_consumer"]["evidence"]
                assert int(re.search(r"(\d+) popped in", evidence)[1]) <= 1
        finally:
            ended.set()
            going.result()


def test_a_ring_full_of_kept_views(ring_name, tmp_path):
    with running(PUSH_FOREVER, ring_name):
        with start_python(KEEP, ring_name, "20") as keeper:
            assert keeper.stdout.readline() == "here\n"
            assert keeper.stdout.readline() == "kept\n"
            found = finding(ring_name, "views")
            assert f"consumer pid {keeper.pid} (python) keeps" in found["sentence"]
            type_in(found["command"], tmp_path)
            keeper.wait(PATIENCE)
    assert "views" not in findings(ring_name)
    output("rm", ring_name)


def test_dead_participants(ring_name, tmp_path):
    with ipc0cp.SharedRingBufferConsumer(ring_name, 4 * MIB):
        with running(LOAN, ring_name) as process:
            process.kill()
            process.wait(PATIENCE)
            found = finding(ring_name, "dead")
            assert f"producer pid {process.pid} (python) died" in found["sentence"]
            type_in(found["command"], tmp_path)
            assert "dead" not in findings(ring_name)


def test_an_orphan(ring_name, tmp_path):
    run_python(DIE, ring_name, "2")
    found = finding(ring_name, "orphan")
    assert "2 messages wait in it" in found["sentence"]
    type_in(found["command"], tmp_path)
    assert len(list((tmp_path / f"{ring_name}-messages").iterdir())) == 2
    if file_of(ring_name).exists():
        found = finding(ring_name, "orphan")
        assert found["sentence"] == "nobody lives in the ring"
        type_in(found["command"], tmp_path)
    assert not file_of(ring_name).exists()


def test_a_full_directory():
    source = """
import json, os, subprocess, sys
import ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer("frames", 32 << 20)
directory = os.environ.get("IPC0CP_DIRECTORY", "/dev/shm")
with open(directory + "/ballast", "wb") as file:
    try:
        while True:
            file.write(bytes(1 << 20))
    except OSError:
        pass
done = subprocess.run([sys.argv[1], "doctor", "frames", "--json"], capture_output=True, text=True)
print(done.returncode)
print(done.stdout)
os._exit(0)
"""
    code, report = run_in_small_shm(source, str(PROGRAM)).split("\n", 1)
    assert int(code) == FAILED
    (found,) = [one for one in json.loads(report)["findings"] if one["kind"] == "no_space"]
    assert "is nearly full: the ring may want 33.1 MiB more" in found["sentence"]
    assert "--shm-size" in found["advice"]
    assert found["command"] == "ipc0cp rm --stale"


def test_options_that_differ(ring, ring_name, tmp_path):
    found = finding(ring_name, "options", "--size", "8M")
    assert "total_data_bytes=4194304, 8388608 is asked for" in found["sentence"]
    found = finding(ring_name, "options", "--redeliver")
    assert "redeliver=False, True is asked for" in found["sentence"]
    assert findings(ring_name, "--size", "4M", "--messages", "4096") == {}
    type_in(found["command"], tmp_path)
    for handle in ring:
        handle.close()


def test_two_rings_in_a_circle(ring_name, tmp_path):
    names = [f"{ring_name}-a", f"{ring_name}-b"]
    with running(CYCLE, *names) as left, running(CYCLE, *reversed(names)) as right:
        for process in (left, right):
            process.stdin.write("\n")
            process.stdin.flush()
        for name in names:
            found = finding(name, "cycle")
            for process in (left, right):
                assert f"pid {process.pid} (python) waits for room in '{ring_name}-" in (
                    found["sentence"])
        type_in(found["command"], tmp_path)
    for name in names:
        finish("rm", name)


def test_files_that_cannot_be_used(ring_name, tmp_path):
    file_of(ring_name).write_bytes(b"no ring")
    found = finding(ring_name, "unusable")
    assert "not a ring" in found["sentence"]
    type_in(found["command"], tmp_path)
    assert not file_of(ring_name).exists()


def test_text_and_json_say_the_same(ring_name):
    run_python(DIE, ring_name, "0")
    text = finish("doctor", ring_name).stdout
    for found in findings(ring_name).values():
        assert found["sentence"] in text and found["command"] in text
    output("rm", ring_name)
