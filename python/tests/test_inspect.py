# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp.inspect`: rings looked at from outside, the same as the C++ header tells."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from helpers import MIB, PATIENCE, ROOT, file_of

import ipc0cp
from ipc0cp import inspect

HEADER = ROOT / "include" / "ipc0cp" / "inspect.hpp"


def pair(name: str, **options):
    consumer = ipc0cp.SharedRingBufferConsumer(name, MIB)
    return ipc0cp.SharedRingBufferProducer(name, MIB, **options), consumer


def test_tells_what_handles_tell(ring_name):
    producer, consumer = pair(ring_name)
    with producer, consumer:
        before = time.monotonic()
        producer.push(b"x" * 100)
        producer.push(b"y" * 5000)
        assert consumer.pop() == b"x" * 100
        seen = inspect.ring(ring_name)
        assert seen.state is inspect.RingState.LIVE
        assert seen.problem == ""
        assert seen.stats == consumer.stats() == inspect.summary(ring_name).stats
        assert (seen.producers, seen.consumers, seen.dead) == (1, 1, 0)
        assert [message.id for message in seen.queue] == [2]
        assert seen.queue[0].payload_bytes == 5000
        by_role = {participant.role: participant for participant in seen.participants}
        assert by_role[inspect.Role.PRODUCER].messages == 2
        assert by_role[inspect.Role.PRODUCER].bytes == 5100
        assert by_role[inspect.Role.CONSUMER].bytes == 100
        assert by_role[inspect.Role.CONSUMER].process_id == os.getpid()
        assert before - 0.1 < seen.oldest_published <= seen.taken
        assert 0 <= seen.oldest_age < 60
        assert ring_name in {found.name for found in inspect.rings()}


def test_previews_take_nothing(ring_name):
    producer, consumer = pair(ring_name)
    with producer, consumer:
        for number in range(1, 6):
            producer.push({"number": number})
        seen = inspect.preview(ring_name, max_messages=2, max_payload_bytes=8, after_id=2)
        assert [message.id for message in seen] == [3, 4]
        assert b'"json"' in seen[0].metadata
        assert len(seen[0].payload) == min(8, seen[0].payload_bytes)
        assert [consumer.pop()["number"] for _ in range(5)] == [1, 2, 3, 4, 5]


def test_rates_between_two_looks(ring_name):
    producer, consumer = pair(ring_name)
    with producer, consumer:
        earlier = inspect.summary(ring_name)
        assert inspect.rates(earlier, earlier) is None
        for _ in range(10):
            producer.push(b"x" * 100)
        consumer.pop()
        later = dataclasses.replace(inspect.summary(ring_name), taken=earlier.taken + 2)
        rates = inspect.rates(earlier, later)
        assert rates.messages_in == pytest.approx(5)
        assert rates.bytes_in == pytest.approx(500)
        assert rates.bytes_out == pytest.approx(50)


def test_missing_ring_and_bad_name(ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB):
        with pytest.raises(ipc0cp.SystemFailure, match=re.escape(ring_name)) as caught:
            inspect.ring(ring_name + "x")
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(ipc0cp.InvalidArgument):
        inspect.summary("a/b")


def test_what_is_no_ring(ring_name):
    path = file_of(ring_name)
    path.write_bytes(b"something else")
    try:
        seen = inspect.ring(ring_name)
        assert seen.state is inspect.RingState.NOT_A_RING
        assert seen.ring_id == 0
        assert seen.participants == seen.queue == ()
        with pytest.raises(ipc0cp.NotARing, match="does not begin like a ring"):
            inspect.preview(ring_name)
    finally:
        path.unlink()


STOPPED_WITH_A_VIEW = """
import os, signal, sys
import ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1])
view = consumer.pop_raw(60)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_names_a_stopped_process_and_then_a_dead_one(ring_name):
    with ipc0cp.SharedRingBufferProducer(ring_name, MIB) as producer:
        child = subprocess.Popen([sys.executable, "-c", STOPPED_WITH_A_VIEW, ring_name])
        try:
            producer.push(b"x" * 100_000, timeout=PATIENCE)
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            (holder,) = (one for one in inspect.ring(ring_name).participants if one.views)
            assert holder.process_id == child.pid
            assert holder.process_state is inspect.ProcessState.STOPPED
            assert holder.view_bytes == 100_000
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(PATIENCE)
        seen = inspect.ring(ring_name)
        (holder,) = (one for one in seen.participants if one.views)
        assert holder.process_state is inspect.ProcessState.DEAD
        assert seen.dead == 1
        assert seen.state is inspect.RingState.WAITING_FOR_CONSUMER
        ipc0cp.SharedRingBufferConsumer(ring_name).close()  # Removes the ring.


def test_consistent_while_others_push(ring_name):
    producer, consumer = pair(ring_name)
    stop = threading.Event()

    def push() -> None:
        while not stop.is_set():
            producer.push(b"x" * 200, timeout=1)

    def pop() -> None:
        while not stop.is_set():
            try:
                consumer.pop(timeout=0.01)
            except ipc0cp.Timeout:
                continue

    threads = [threading.Thread(target=push), threading.Thread(target=pop)]
    with producer, consumer:
        for thread in threads:
            thread.start()
        pushed = 0
        for _ in range(200):
            seen = inspect.ring(ring_name)
            assert seen.stats.pushed >= pushed
            pushed = seen.stats.pushed
            # A look may come while somebody is inside a push, and not get a better one.
            assert abs(seen.stats.pushed_bytes - 200 * pushed) <= 200
            assert seen.stats.popped <= pushed
            ids = [message.id for message in seen.queue]
            assert ids == sorted(set(ids))
            assert {message.payload_bytes for message in seen.queue} <= {200}
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)


@pytest.mark.parametrize(
    ("enumeration", "function"),
    [("RingState", "kStates"), ("Role", "kRoles"), ("ProcessState", "kProcessStates"),
     ("WaitsFor", "kWaits")],
)  # fmt: skip
def test_words_are_those_of_cpp(enumeration, function):
    source = (ROOT / "src" / "shm" / "inspect_words.cpp").read_text()
    listed = re.search(rf"{function} = {{(.*?)}};", source, re.DOTALL)
    assert [str(word) for word in getattr(inspect, enumeration)] == re.findall(
        '"(.*?)"', listed[1]
    )


@pytest.mark.parametrize("structure", ["Participant", "Memory", "QueuedMessage", "RingSummary"])
def test_fields_are_those_of_cpp(structure):
    text = HEADER.read_text()
    body = re.search(rf"^struct {structure} {{(.*?)^}};", text, re.DOTALL | re.MULTILINE)[1]
    names = re.findall(r"^  [\w:]+ (\w+)(?: = [^;]+)?;", body, re.MULTILINE)
    assert names, "the header is written in another way"
    fields = [field.name for field in dataclasses.fields(getattr(inspect, structure))]
    assert fields == [name.removesuffix("_ns") for name in names]


def test_the_example_of_the_document(ring_name, capsys):
    text = (ROOT / "docs" / "looking_at_rings.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    producer, consumer = pair(ring_name)
    with producer, consumer:
        producer.push("hello")
        exec(example.replace('"frames"', repr(ring_name)), {})
    printed = capsys.readouterr().out
    assert f"{ring_name}: live, 1 queued, the oldest for " in printed
    assert "hello" in printed
