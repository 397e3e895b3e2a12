# SPDX-License-Identifier: Apache-2.0
"""Waiting for handles by their descriptors, with whatever waits for descriptors."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import selectors
import threading
import time
from multiprocessing import connection
from pathlib import Path

import pytest
from helpers import MIB, PATIENCE, Background, run_python, start_python

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

BLOCK = b"x" * 300_000


def by_select(handles, seconds):
    return select.select(handles, [], [], seconds)[0]


def by_poll(handles, seconds):
    poll = select.poll()
    numbers = {handle.fileno(): handle for handle in handles}
    for number in numbers:
        poll.register(number, select.POLLIN)
    return [numbers[number] for number, _ in poll.poll(seconds * 1000)]


def by_epoll(handles, seconds):
    with select.epoll() as epoll:
        numbers = {handle.fileno(): handle for handle in handles}
        for number in numbers:
            epoll.register(number, select.EPOLLIN)
        return [numbers[number] for number, _ in epoll.poll(seconds)]


def by_selectors(handles, seconds):
    with selectors.DefaultSelector() as selector:
        for handle in handles:
            selector.register(handle, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(seconds)]


def by_asyncio(handles, seconds):
    async def main():
        loop = asyncio.get_running_loop()
        found: asyncio.Future[object] = loop.create_future()

        def tell(handle):
            if not found.done():
                found.set_result(handle)

        for handle in handles:
            loop.add_reader(handle, tell, handle)
        try:
            return [await asyncio.wait_for(found, seconds)]
        except TimeoutError:
            return []
        finally:
            for handle in handles:
                loop.remove_reader(handle)

    return asyncio.run(main())


def by_trio(handles, seconds):
    trio = pytest.importorskip("trio", reason="needs trio, of the extra [dev]")
    found = []

    async def wait_for(handle, scope):
        await trio.lowlevel.wait_readable(handle)
        found.append(handle)
        scope.cancel()

    async def main():
        with trio.move_on_after(seconds) as scope:
            async with trio.open_nursery() as nursery:
                for handle in handles:
                    nursery.start_soon(wait_for, handle, scope)

    trio.run(main)
    return found


WAYS = {
    "select": by_select,
    "poll": by_poll,
    "epoll": by_epoll,
    "selectors": by_selectors,
    "asyncio": by_asyncio,
    "trio": by_trio,
    "multiprocessing": connection.wait,
    "ipc0cp": ipc0cp.wait,
}


@pytest.fixture(params=WAYS)
def wait(request):
    return WAYS[request.param]


@pytest.fixture
def two(ring_name):
    """Consumers of two rings, and their producers."""
    names = [ring_name + "-a", ring_name + "-b"]
    with Consumer(names[0], MIB) as first, Consumer(names[1], MIB) as second:
        with Producer(names[0], MIB) as to_first, Producer(names[1], MIB) as to_second:
            yield [first, second], [to_first, to_second]


def fill(producer) -> None:
    """Until there is no room, not even for one that has waited for long."""
    while producer.push(BLOCK, 0.3):
        pass


# ---- every way to wait ---------------------------------------------------------------------------


def test_a_message_makes_a_consumer_readable(two, wait):
    consumers, producers = two
    assert wait(consumers, 0.02) == []
    for index in (1, 0, 1):
        waiting = Background(wait, consumers, PATIENCE)
        producers[index].push("x")
        assert waiting.result() == [consumers[index]]
        assert wait([consumers[index]], 0.01) == [consumers[index]]  # As long as it is there.
        assert consumers[index].pop() == "x"
        assert wait(consumers, 0.01) == []


def test_the_end_of_the_stream(two, wait):
    consumers, producers = two
    waiting = Background(wait, consumers, PATIENCE)
    producers[1].close()
    assert waiting.result() == [consumers[1]]
    assert consumers[1].pop() is None
    assert wait(consumers, PATIENCE) == [consumers[1]]


def test_a_close_in_another_thread_wakes_who_waits(two, wait):
    consumers, _ = two
    wait(consumers, 0)
    waiting = Background(wait, consumers, PATIENCE)
    consumers[0].close()
    assert waiting.result() == [consumers[0]]
    with pytest.raises(ipc0cp.Closed):
        consumers[0].pop(0)


def test_room_makes_a_producer_readable(ring, wait):
    producer, consumer = ring
    assert wait([producer], PATIENCE) == [producer]
    fill(producer)
    assert wait([producer], 0.05) == []
    waiting = Background(wait, [producer], PATIENCE)
    consumer.pop(copy=True)
    assert waiting.result() == [producer]
    assert producer.push(BLOCK, 0)


# ---- consumers -----------------------------------------------------------------------------------


def test_every_pop_follows_the_queue(ring):
    producer, consumer = ring
    calls = {
        "pop": lambda: consumer.pop(0),
        "pop_raw": lambda: consumer.pop_raw(0),
        "pop_many": lambda: consumer.pop_many(1, 0),
        "next": lambda: next(consumer),
        "pop_async": lambda: asyncio.run(consumer.pop_async(0)),
    }
    for name, call in calls.items():
        producer.push(1)
        producer.push(2)
        assert by_poll([consumer], PATIENCE), name
        call()
        assert by_poll([consumer], 0), name
        call()
        assert not by_poll([consumer], 0), name


def test_what_another_consumer_took_is_seen(ring):
    producer, consumer = ring
    with Consumer(consumer.name) as other:
        for _ in range(20):
            producer.push(1)
            assert ipc0cp.wait([consumer], PATIENCE)
            assert other.pop(PATIENCE) == 1
            assert not by_select([consumer], 0)
            assert not ipc0cp.wait([consumer], 0)


def test_beside_asyncio_and_blocked_pops_of_one_handle(ring):
    """Whoever waits in whatever way, each message is got at once by one of them."""
    producer, consumer = ring
    received: list[int] = []
    count = 3000

    def by_wait():
        while ipc0cp.wait([consumer], PATIENCE):
            try:
                item = consumer.pop(0)
            except ipc0cp.Timeout:
                continue
            if item is None:
                return
            received.append(item)

    def by_pop():
        received.extend(consumer)

    async def by_await():
        async for item in consumer:
            received.append(item)

    threads = [Background(call) for call in (by_wait, by_pop, lambda: asyncio.run(by_await()))]
    for number in range(count):
        producer.push(number)
        if number % 100 == 0:
            time.sleep(0.001)
    producer.close()
    for thread in threads:
        thread.result()
    assert sorted(received) == list(range(count))


def test_in_a_forked_child(ring):
    producer, consumer = ring
    number = consumer.fileno()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            consumer.fileno()
        except ipc0cp.ForkedHandle:
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    producer.push(1)
    assert consumer.fileno() == number
    assert by_select([consumer], PATIENCE)
    assert consumer.pop() == 1


KILLED = """
import sys, ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20)
print("ready")
sys.stdin.read()
"""


def test_a_killed_producer_is_the_end(ring_name):
    with Consumer(ring_name, MIB) as consumer, start_python(KILLED, ring_name) as process:
        assert process.stdout.readline() == "ready\n"
        assert ipc0cp.wait([consumer], 0.02) == []
        process.kill()
        assert by_select([consumer], PATIENCE)
        assert consumer.pop() is None


# ---- the end of a handle -------------------------------------------------------------------------


def count(what: str) -> int:
    gc.collect()
    return len(list(Path("/proc/self", what).iterdir()))


def test_a_closed_handle_keeps_no_thread(ring_name):
    threads = count("task")
    with Consumer(ring_name, MIB) as consumer, Producer(ring_name, MIB) as producer:
        numbers = {consumer.fileno(), producer.fileno(), consumer.fileno()}
        assert len(numbers) == 2
        assert count("task") == threads + 2
    assert count("task") == threads
    assert ipc0cp.wait([consumer, producer], 0) == [consumer, producer]
    assert by_poll([consumer], 0)  # Whoever watches it wakes up, however late.
    files = count("fd")
    del consumer, producer
    assert count("fd") <= files - 2


def test_a_closed_handle_keeps_nothing_of_asyncio(ring_name):
    """Though it is still referred to."""
    threads = count("task")
    with Consumer(ring_name, MIB) as consumer, Producer(ring_name, MIB) as producer:
        files = count("fd")

        async def main():
            waiting = asyncio.ensure_future(consumer.pop_async())
            await asyncio.sleep(0.01)
            while await producer.push_async(BLOCK, 0.1):
                pass
            await waiting

        asyncio.run(main())
        assert (count("task"), count("fd")) == (threads + 2, files + 2)
    assert count("task") == threads
    assert count("fd") <= files


def test_a_close_amid_waits_of_several_loops_wakes_all(ring):
    _, consumer = ring
    waiting = threading.Barrier(4)

    async def one():
        with pytest.raises(ipc0cp.Closed):
            await consumer.pop_async()

    async def main():
        tasks = [asyncio.ensure_future(one()) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, waiting.wait)
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)

    loops = [Background(asyncio.run, main()) for _ in range(3)]
    waiting.wait(PATIENCE)
    consumer.close()
    for loop in loops:
        loop.result()


def test_a_handle_that_never_had_a_descriptor(ring_name):
    consumer = Consumer(ring_name, MIB, auto_attach=False)
    with pytest.raises(ipc0cp.Closed, match="attach"):
        consumer.fileno()
    with pytest.raises(ipc0cp.Closed, match="attach"):
        ipc0cp.wait([consumer], 0)
    consumer.attach()
    assert not by_select([consumer], 0)
    consumer.close()
    other = Consumer(ring_name, MIB)
    other.close()
    with pytest.raises(ValueError, match="closed"):
        other.fileno()
    assert ipc0cp.wait([other], PATIENCE) == [other]


LEFT = """
import select, sys, threading, ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1], 1 << 20)
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20)
producer.fileno()
threading.Thread(target=ipc0cp.wait, args=([consumer],), daemon=True).start()
threading.Thread(target=select.select, args=([consumer], [], []), daemon=True).start()
"""


def test_an_interpreter_ends_with_waits_under_way(ring_name):
    result = run_python(LEFT, ring_name, timeout=PATIENCE)
    assert (result.returncode, result.stderr) == (0, "")
