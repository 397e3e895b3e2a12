# SPDX-License-Identifier: Apache-2.0
"""Opening rings that are not there yet, the ends of streams, and rings that are kept."""

from __future__ import annotations

import asyncio
import gc
import pickle
import signal
import threading
import time

import pytest
from helpers import MIB, PATIENCE, Background, file_of, run_python, start_python
from test_program_rm import DIE

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

PUSH_AND_DIE = """
import os, signal, sys, ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20)
producer.push(b"before")
os.kill(os.getpid(), signal.SIGKILL)
"""


def run(main) -> None:
    asyncio.run(asyncio.wait_for(main, PATIENCE))


# ---- waiting for a creator -----------------------------------------------------------------------


def test_open_timeout(ring_name):
    with Producer(ring_name, MIB), pytest.raises(ipc0cp.Timeout) as raised:
        Consumer(ring_name + "x", open_timeout=0.02)
    for word in ("does not exist", "total_data_bytes", f"similar names: '{ring_name}'"):
        assert word in str(raised.value)
    Consumer(ring_name, open_timeout=0).close()


@pytest.mark.parametrize("role", [Consumer, Producer])
@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_an_open_timeout_out_of_range(ring_name, role, timeout):
    with pytest.raises(ipc0cp.InvalidArgument, match="time-out is 0"):
        role(ring_name, MIB, open_timeout=timeout)


def test_a_constructor_that_is_blocked_says_what_it_waits_for(ring_name):
    source = """
import logging, sys, ipc0cp
ipc0cp.enable_logging()
logging.basicConfig(stream=sys.stdout)
try:
    ipc0cp.SharedRingBufferConsumer(sys.argv[1], open_timeout=5.3)
except ipc0cp.Timeout:
    print("timed out")
"""
    finished = run_python(source, ring_name)
    assert finished.returncode == 0, finished.stderr
    line, end = finished.stdout.splitlines()
    assert "blocked for 5 s, it does not exist" in line
    assert end == "timed out"


def test_close_ends_an_attach_of_another_thread(ring_name):
    consumer = Consumer(ring_name, auto_attach=False)
    attaching = Background(consumer.attach)
    consumer.close()
    with pytest.raises(ipc0cp.Closed):
        attaching.result()


def test_open_async_leaves_the_event_loop_alone(ring_name):
    async def main():
        opening = asyncio.create_task(Consumer.open_async(ring_name))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not opening.done()
        producer = await Producer.open_async(ring_name, MIB, consumer_wait_timeout=None)
        consumer = await opening
        assert await producer.push_async(b"message")
        assert await consumer.pop_async() == b"message"
        assert pickle.loads(pickle.dumps(consumer))._options["auto_attach"] is True
        producer.close()
        consumer.close()

    run(main())


def test_open_async_raises_what_the_constructor_does(ring_name):
    async def main():
        with pytest.raises(ipc0cp.Timeout):
            await Consumer.open_async(ring_name, open_timeout=0.02)
        with pytest.raises(ipc0cp.InvalidArgument):
            await Producer.open_async(ring_name, 1)
        with pytest.raises(TypeError):
            await Consumer.open_async(ring_name, colour="red")
        not_attached = await Consumer.open_async(ring_name, auto_attach=False)
        with pytest.raises(ipc0cp.Closed, match="attach"):
            not_attached.pop(0)

    run(main())


def test_a_cancelled_open_async_leaves_nothing_behind(ring_name):
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(Consumer.open_async(ring_name), 0.05)

    run(main())
    wait_for_the_threads_of_openings()
    with Producer(ring_name, MIB) as producer:
        assert producer.stats().active_consumers == 0
    with Consumer(ring_name):
        gc.collect()


def wait_for_the_threads_of_openings():
    end = time.monotonic() + PATIENCE
    while any(thread.name == "ipc0cp-open" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.005)


def test_an_abandoned_open_async_joins_nothing_later(ring_name, caplog):
    async def main():
        opening = Consumer.open_async(ring_name)
        opening.send(None)
        opening.close()

    with caplog.at_level("ERROR", "asyncio"):
        run(main())
        wait_for_the_threads_of_openings()
        gc.collect()
    assert not caplog.records
    with Producer(ring_name, MIB) as producer:
        assert producer.stats().active_consumers == 0
    Consumer(ring_name).close()


def test_a_handle_that_nobody_waits_for_any_more_is_closed(ring_name):
    async def main():
        opening = Producer.open_async(ring_name, MIB)
        opening.send(None)
        wait_for_the_threads_of_openings()
        assert consumer.stats().active_producers == 1
        opening.close()
        assert consumer.stats().active_producers == 0

    with Consumer(ring_name, MIB) as consumer:
        run(main())


@pytest.mark.parametrize("options", [{}, {"open_timeout": 7.5}])
def test_a_producer_keeps_the_open_timeout_it_was_given(ring_name, options):
    async def main():
        with await Producer.open_async(ring_name, MIB, **options) as producer:
            assert producer._options["open_timeout"] == options.get("open_timeout")

    with Consumer(ring_name, MIB):
        run(main())


def test_a_long_opening_of_a_producer_says_what_it_waits_for(ring_name, monkeypatch, caplog):
    from ipc0cp import aio

    attempts = []

    def make(_):
        attempts.append(1)
        if len(attempts) < 4:
            raise ipc0cp.Timeout(f"time-out: {ring_name!r} is being removed")
        return Producer(ring_name, MIB)

    async def main():
        (await aio.open_off_the_loop(make, {})).close()

    monkeypatch.setattr(aio, "_LONG_OPEN", 0.0)
    with Consumer(ring_name, MIB), caplog.at_level("WARNING", "ipc0cp"):
        run(main())
    (record,) = caplog.records
    assert record.getMessage() == f"opening is blocked for 0 s: {ring_name!r} is being removed"


def test_push_async_waits_for_ever_for_a_consumer(ring_name):
    async def main():
        with Producer(ring_name, MIB, consumer_wait_timeout=None) as producer:
            pushing = asyncio.create_task(producer.push_async(b"x"))
            await asyncio.sleep(0.05)
            assert not pushing.done()
            with Consumer(ring_name) as consumer:
                assert await pushing
                assert await consumer.pop_async() == b"x"

    run(main())


# ---- ends of streams -----------------------------------------------------------------------------


def test_a_producer_with_nothing_to_send_ends_the_stream(ring_name):
    Producer(ring_name, MIB).close()
    with Consumer(ring_name) as consumer:
        assert consumer.end is None
        assert list(consumer) == []
        assert (consumer.end, consumer.end.killed_producers) == ("closed", 0)


def test_a_late_worker_is_told_the_end(ring_name):
    with Producer(ring_name, MIB) as producer, Consumer(ring_name, auto_unlink=False) as early:
        producer.push(1)
        producer.close()
        assert list(early) == [1]
    with Consumer(ring_name, MIB) as late:
        assert list(late) == []
    assert not file_of(ring_name).exists()


def test_who_discards_waits_for_a_new_producer(ring_name):
    Producer(ring_name, MIB).close()
    with Consumer(ring_name, MIB, stale="discard") as consumer, pytest.raises(ipc0cp.Timeout):
        consumer.pop(0.02)


def test_a_killed_producer_is_no_ordinary_end(ring_name):
    with Consumer(ring_name, MIB) as consumer:
        with start_python(PUSH_AND_DIE, ring_name) as process:
            assert process.wait(PATIENCE) == -signal.SIGKILL
        assert list(consumer) == [b"before"]
        assert consumer.end == "died"
        assert consumer.end.killed_producers == 1
        assert pickle.loads(pickle.dumps(consumer.end)).killed_producers == 1


def test_a_stream_without_an_end(ring_name):
    with Consumer(ring_name, MIB, expected_producers=None) as consumer:
        for number in range(3):
            with Producer(ring_name, MIB) as producer:
                producer.push(number)
            assert consumer.pop(PATIENCE) == number
            with pytest.raises(ipc0cp.Timeout):
                consumer.pop(0.02)
        popping = Background(consumer.pop)
        consumer.close()
        with pytest.raises(ipc0cp.Closed):
            popping.result()


# ---- rings that are kept -------------------------------------------------------------------------


def test_consumers_of_a_kept_ring_come_and_go(ring_name):
    with Producer(ring_name, MIB, keep=True, consumer_wait_timeout=0.02) as producer:
        for number in range(3):
            with Consumer(ring_name) as consumer:
                assert producer.push(number, PATIENCE)
                assert consumer.pop(PATIENCE) == number
            with pytest.raises(ipc0cp.NoConsumers):
                producer.push(number, PATIENCE)
    assert not file_of(ring_name).exists()


def test_keep_is_a_flag(ring_name):
    with pytest.raises(TypeError, match="keep"):
        Producer(ring_name, MIB, keep=1)


# ---- programs without standard streams -----------------------------------------------------------

OPEN_LIKE_A_DAEMON = """
import os, sys, ipc0cp
from ipc0cp import inspect
for number in range(3):
    os.close(number)
# Says on standard error that it discards what the dead producer has left.
with ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20):
    sound = inspect.ring(sys.argv[1]).state == inspect.RingState.WAITING_FOR_CONSUMER
os._exit(0 if sound else 1)
"""


def test_what_a_daemon_says_goes_into_no_ring(ring_name):
    """A ring's file that had got number 2 would be overwritten from its first byte on."""
    run_python(DIE, ring_name, "3")
    with start_python(OPEN_LIKE_A_DAEMON, ring_name) as process:
        assert process.wait(PATIENCE) == 0
    Consumer(ring_name).close()
