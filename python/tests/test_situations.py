# SPDX-License-Identifier: Apache-2.0
"""Every row of the table "situation / what happens" of the README."""

from __future__ import annotations

import math
import os
import queue
import threading
import time

import numpy as np
import pytest
from helpers import (
    MIB,
    Background,
    file_of,
    new_name,
    run_python,
    start_python,
)
from small_memory import run_in_small_shm

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer


def test_push_accepted(ring):
    producer, consumer = ring
    assert producer.push({"msg": "hello", "id": 123}) is True
    assert consumer.pop() == {"msg": "hello", "id": 123}


@pytest.mark.parametrize("how", ["non_blocking", "zero", "short"])
def test_no_room(ring_name, how):
    with (
        Consumer(ring_name, 64 * 1024) as consumer,
        Producer(ring_name, 64 * 1024, blocking=how != "non_blocking") as producer,
    ):
        timeout = {"non_blocking": 1e9, "zero": 0, "short": 0.05}[how]
        pushed = 0
        while producer.push(b"x" * 10_000, timeout):
            pushed += 1
        assert consumer.stats().messages == pushed > 0
        assert producer.push(np.arange(2000.0)[::2], timeout) is False
        assert [consumer.pop(0) for _ in range(pushed)] == [b"x" * 10_000] * pushed


@pytest.mark.parametrize("how", ["non_blocking", "zero"])
def test_no_room_for_a_loan(ring_name, how):
    blocking = how == "zero"
    expected = ipc0cp.Timeout if blocking else ipc0cp.BufferFull
    with (
        Consumer(ring_name, 64 * 1024) as consumer,
        Producer(ring_name, 64 * 1024, blocking=blocking) as producer,
    ):
        loans = [producer.loan(40_000)]
        with pytest.raises(expected):
            loans.append(producer.loan(40_000, timeout=0))
        loans.pop().abandon()
        assert consumer.stats().used_bytes == 0
        producer.loan(40_000, timeout=0).abandon()


def test_no_live_consumer(ring_name):
    with Producer(ring_name, MIB, blocking=False) as producer:
        with pytest.raises(ipc0cp.NoConsumers):
            producer.push(b"x")
    with Producer(ring_name, MIB, consumer_wait_timeout=0.05) as producer:
        with pytest.raises(ipc0cp.NoConsumers):
            producer.push(b"x")
        with pytest.raises(ipc0cp.NoConsumers):
            producer.push(b"x", timeout=0.01)
    Consumer(ring_name, MIB).close()


def test_push_waits_for_the_first_consumer(ring_name):
    with Producer(ring_name, MIB) as producer:
        pushing = Background(producer.push, b"early")
        with Consumer(ring_name) as consumer:
            assert consumer.pop(10) == b"early"
            assert pushing.result() is True


def test_message_too_large(ring):
    producer, consumer = ring
    with pytest.raises(ipc0cp.MessageTooLarge, match=r"4,?194,?304") as caught:
        producer.push(bytes(5 * MIB))
    assert isinstance(caught.value, ValueError)
    for too_large in (np.zeros(5 * MIB, np.uint8), np.zeros(10 * MIB, np.uint8)[::2]):
        with pytest.raises(ipc0cp.MessageTooLarge):
            producer.push(too_large)
    with pytest.raises(ipc0cp.MessageTooLarge):
        producer.loan(5 * MIB)
    assert consumer.stats().messages == 0


def test_a_message_exactly_as_large_as_the_ring(ring_name):
    total = MIB
    with Consumer(ring_name, total) as consumer, Producer(ring_name, total) as producer:
        payload = np.random.default_rng(1).bytes(total - len(b'{"type":"bytes","version":"1.0"}'))
        for _ in range(3):
            assert producer.push(payload, timeout=5)
            assert consumer.pop(5) == payload
        with pytest.raises(ipc0cp.MessageTooLarge):
            producer.push(bytes(total + 1))


def test_descriptors_used_up(ring_name):
    with (
        Producer(ring_name, MIB, blocking=False, max_messages=64) as producer,
        Consumer(ring_name, MIB) as consumer,
    ):
        pushed = 0
        while producer.push(b"x"):
            pushed += 1
        assert 1 <= pushed <= 64
        assert consumer.stats().max_messages == 64
        assert consumer.pop() == b"x"
        assert producer.push(b"x")


def test_nothing_there(ring_name):
    with Producer(ring_name, MIB):
        with Consumer(ring_name, MIB, blocking=False) as consumer:
            with pytest.raises(ipc0cp.BufferEmpty) as empty:
                consumer.pop(1e9)
            assert isinstance(empty.value, queue.Empty)
        with Consumer(ring_name, MIB) as consumer:
            for timeout in (0, 0.02):
                with pytest.raises(ipc0cp.Timeout) as late:
                    consumer.pop(timeout)
                assert isinstance(late.value, (TimeoutError, queue.Empty))
                assert late.value.code is ipc0cp.ErrorCode.timeout


@pytest.mark.parametrize("timeout", [-1, -1e-9, math.nan, -math.inf])
def test_bad_timeouts(ring, timeout):
    producer, consumer = ring
    calls = (
        lambda: producer.push(b"x", timeout),
        lambda: producer.push([b"x"], timeout),
        lambda: producer.push_raw({"type": "x"}, b"", timeout),
        lambda: producer.loan(1, "u1", timeout),
        lambda: consumer.pop(timeout),
        lambda: consumer.pop_raw(timeout),
    )
    for call in calls:
        with pytest.raises(ValueError, match="time-out") as caught:
            call()
        assert caught.value.code is ipc0cp.ErrorCode.invalid_argument
    assert consumer.stats().messages == 0


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300, 3, np.float32(2)])
def test_good_timeouts(ring, timeout):
    producer, consumer = ring
    assert producer.push(b"x", timeout)
    assert consumer.pop(timeout) == b"x"


def test_a_timeout_is_a_number(ring):
    with pytest.raises(TypeError):
        ring[1].pop("soon")


def test_end_of_stream(ring_name):
    with Consumer(ring_name, MIB) as consumer:
        with pytest.raises(ipc0cp.Timeout):  # Nobody has joined yet: this is not the end.
            consumer.pop(0.02)
        with Producer(ring_name, MIB) as producer:
            producer.push(b"last")
        assert consumer.pop() == b"last"
        assert consumer.pop() is None
        assert consumer.pop(0) is None
        with Producer(ring_name, MIB) as producer:  # One that comes later is heard.
            producer.push(b"again")
            assert consumer.pop() == b"again"
        assert list(consumer) == []


def test_a_killed_producer_counts_as_gone(ring_name):
    with Consumer(ring_name, MIB) as consumer:
        program = (
            "import sys, ipc0cp\n"
            "producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20)\n"
            "producer.push(b'from the dead')\n"
            "print('pushed')\n"
            "sys.stdin.read()\n"
        )
        with start_python(program, ring_name) as process:
            assert process.stdout.readline() == "pushed\n"
            process.kill()
        assert consumer.pop(10) == b"from the dead"
        assert consumer.pop(10) is None
        assert consumer.stats().repaired_deaths == 1


def test_expected_producers(ring_name):
    with Consumer(ring_name, MIB, expected_producers=2) as consumer:
        Producer(ring_name, MIB).close()
        with pytest.raises(ipc0cp.Timeout):
            consumer.pop(0.02)
        Producer(ring_name, MIB).close()
        assert consumer.pop(10) is None


def test_last_consumer_closed(ring_name):
    with Producer(ring_name, MIB) as producer:
        with Consumer(ring_name, MIB) as consumer:
            producer.push(b"x")
            consumer.pop()
        assert not file_of(ring_name).exists()
        with pytest.raises(ipc0cp.NoConsumers):
            producer.push(b"x")


def test_sizes_and_options_differ(ring_name):
    with Consumer(ring_name, MIB):
        with pytest.raises(
            ipc0cp.SizeMismatch, match=r"(?s)1,?048,?576.*2,?097,?152|2,?097,?152"
        ) as e:
            Producer(ring_name, 2 * MIB)
        assert isinstance(e.value, ValueError)
        with Consumer(ring_name) as other:
            assert other.stats().total_data_bytes == MIB
        with Producer(ring_name, MIB):
            with pytest.raises(ipc0cp.OptionMismatch):
                Producer(ring_name, MIB, redeliver=True, max_messages=100)


def test_a_consumer_without_size_waits_for_a_creator(ring_name):
    attaching = Background(Consumer, ring_name)
    with Producer(ring_name, MIB) as producer, attaching.result() as consumer:
        producer.push(b"x")
        assert consumer.pop(10) == b"x"


def test_attach_later(ring_name):
    with Consumer(ring_name, MIB, auto_attach=False) as consumer:
        assert not file_of(ring_name).exists()
        consumer.attach()
        consumer.attach(0)
        with Producer(ring_name, MIB) as producer:
            producer.push(b"x")
            assert consumer.pop(10) == b"x"


def test_attach_later_gives_up(ring_name):
    with Consumer(ring_name, auto_attach=False) as consumer, pytest.raises(ipc0cp.Timeout):
        consumer.attach(0.02)


SMALL_SHM = """
import errno, os, sys, ipc0cp
try:
    ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 30)
except ipc0cp.NoSpace as error:
    assert error.errno == errno.ENOSPC, error.errno
    assert isinstance(error, OSError)
    print(error)
print(os.listdir(os.environ["IPC0CP_DIRECTORY"]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount namespace")
def test_no_space(ring_name):
    output = run_in_small_shm(SMALL_SHM, ring_name)
    assert "--shm-size" in output
    assert output.endswith("[]\n")


def test_not_a_ring(ring_name):
    path = file_of(ring_name)
    path.write_bytes(b"something else" * 1000)
    before = path.read_bytes()
    try:
        with pytest.raises(ipc0cp.NotARing):
            Producer(ring_name, MIB)
        with pytest.raises(ipc0cp.NotARing):
            Consumer(ring_name)
        assert path.read_bytes() == before
    finally:
        path.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another owner")
def test_the_file_of_another_user(ring_name):
    with Consumer(ring_name, MIB), Producer(ring_name, MIB):
        os.chown(file_of(ring_name), 12345, 12345)
        with pytest.raises(ipc0cp.PermissionDenied) as caught:
            Consumer(ring_name)
        assert isinstance(caught.value, PermissionError)
        with Consumer(ring_name, trusted_owners=[12345]) as consumer:
            assert consumer.stats().active_consumers == 2
        os.chown(file_of(ring_name), 0, 0)


@pytest.mark.parametrize("what", ["push", "pop", "pop_raw", "loan"])
def test_closed(ring_name, what):
    consumer, producer = Consumer(ring_name, MIB), Producer(ring_name, MIB)
    for handle in (producer, consumer):
        assert not handle.closed
        handle.close()
        handle.close()
        assert handle.closed
        assert "closed" in repr(handle)
    handle = producer if what in ("push", "loan") else consumer
    arguments = {"push": (b"x",), "loan": (1,)}.get(what, ())
    with pytest.raises(ipc0cp.Closed):
        getattr(handle, what)(*arguments)


def test_closed_by_another_thread(ring_name):
    with Producer(ring_name, MIB) as producer, Consumer(ring_name, MIB) as consumer:
        entered = threading.Event()

        def pop():
            entered.set()
            try:
                consumer.pop()
            finally:
                ended.append(time.monotonic())

        ended: list[float] = []
        popping = Background(pop)
        entered.wait()
        started = time.monotonic()
        consumer.close()
        with pytest.raises(ipc0cp.Closed):
            popping.result()
        assert ended[0] - started < 10
        assert producer.stats().active_consumers == 0


BAD_NAMES = ["", "/", "a/b", "a b", "é", "x" * 201, "a\0b", "//a"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_bad_names(name):
    with pytest.raises(ValueError, match="name"):
        Producer(name, MIB)
    with pytest.raises(ValueError, match="name"):
        Consumer(name, MIB)


def test_a_leading_slash_is_dropped(ring_name):
    with Consumer(f"/{ring_name}", MIB) as consumer:
        assert consumer.name == ring_name
        assert file_of(ring_name).exists()


@pytest.mark.parametrize("size", [0, 1, 1023, 2**47 + 1, -1])
def test_bad_sizes(size):
    with pytest.raises(ValueError, match="total_data_bytes"):
        Producer(new_name(), size)
    with pytest.raises(ValueError, match="total_data_bytes"):
        Consumer(new_name(), size)


def test_bad_options():
    with pytest.raises(ValueError, match="stale"):
        Producer(new_name(), MIB, stale="keep")
    with pytest.raises(ValueError, match="max_messages"):
        Producer(new_name(), MIB, max_messages=0)
    with pytest.raises(TypeError):
        Producer(new_name(), "1 MiB")


def test_quickstart_defaults():
    import inspect

    parameters = inspect.signature(Producer).parameters
    assert parameters["total_data_bytes"].default == 256 << 20
    assert parameters["consumer_wait_timeout"].default == 60.0
    assert inspect.signature(Consumer).parameters["auto_unlink"].default is True


def test_one_missing_argument_is_an_ordinary_type_error():
    result = run_python("import ipc0cp; ipc0cp.SharedRingBufferProducer()")
    assert "TypeError" in result.stderr
