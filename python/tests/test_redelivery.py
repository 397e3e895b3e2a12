# SPDX-License-Identifier: Apache-2.0
"""Rings made with redeliver=True: what a dead consumer had not finished comes again."""

from __future__ import annotations

import pytest
from helpers import MIB, start_python

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

POP_AND_DIE = """
import os, sys, ipc0cp
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1])
popped = consumer.pop()
if sys.argv[2] == "done":
    consumer.done()
elif sys.argv[2] == "next":
    consumer.pop()
print(len(popped))
sys.stdin.read()
"""


@pytest.fixture
def producer(ring_name):
    with Producer(ring_name, 4 * MIB, redeliver=True) as producer:
        yield producer


def let_a_consumer_die(name: str, what: str) -> None:
    with start_python(POP_AND_DIE, name, what) as process:
        assert process.stdout.readline()
        process.kill()


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_unfinished_message_comes_again(producer, size):
    with Consumer(producer.name) as consumer:
        producer.push(b"x" * size)
        let_a_consumer_die(producer.name, "nothing")
        message = consumer.pop_raw(20)
        assert (len(message), message.deliveries) == (size, 2)
        message.done()
        del message
        producer.close()
        assert consumer.pop(20) is None


def test_done_finishes(producer):
    with Consumer(producer.name) as consumer:
        producer.push(b"first")
        let_a_consumer_die(producer.name, "done")
        producer.push(b"second")
        assert consumer.pop(20) == b"second"


def test_the_next_pop_finishes(producer):
    with Consumer(producer.name) as consumer:
        for text in ("first", "second", "third"):
            producer.push(text)
        let_a_consumer_die(producer.name, "next")
        # What is queued may be taken before the death has been noticed.
        assert {consumer.pop(20), consumer.pop(20)} == {"second", "third"}


def test_a_with_block_left_by_an_exception_gives_back(producer):
    with Consumer(producer.name) as consumer:
        producer.push(b"x")
        with pytest.raises(ZeroDivisionError), consumer.pop_raw():
            _ = 1 / 0
        message = consumer.pop_raw(20)
        assert message.deliveries == 2
        with message:
            pass
        del message
        producer.close()
        assert consumer.pop(20) is None


def test_without_redelivery_nothing_comes_again(ring):
    producer, consumer = ring
    producer.push(b"x")
    with pytest.raises(ZeroDivisionError), consumer.pop_raw():
        _ = 1 / 0
    with pytest.raises(ipc0cp.Timeout):
        consumer.pop(0.02)
