# SPDX-License-Identifier: Apache-2.0
"""Attaching later: close() ends it, and who waits for another thread heeds its own time-out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import PATIENCE

import ipc0cp


def waits(consumer, pool):
    """An attach(None) that is known to wait: a second one finds it at work."""
    attaching = pool.submit(consumer.attach, None)
    while True:
        try:
            consumer.attach(0.01)
        except ipc0cp.Timeout as error:
            if "another thread" in str(error):
                return attaching


def test_close_ends_an_attach_of_another_thread(ring_name):
    consumer = ipc0cp.SharedRingBufferConsumer(ring_name, auto_attach=False)
    with ThreadPoolExecutor(1) as pool:
        attaching = waits(consumer, pool)
        consumer.close()
        with pytest.raises(ipc0cp.Closed):
            attaching.result(PATIENCE)
    with ipc0cp.SharedRingBufferProducer(ring_name, 1 << 20, consumer_wait_timeout=0) as producer:
        assert producer.stats().active_consumers == 0
        for call in (consumer.attach, consumer.pop):
            with pytest.raises(ipc0cp.Closed):
                call(0)
        ipc0cp.SharedRingBufferConsumer(ring_name).close()


def test_a_second_attach_has_a_time_out_of_its_own(ring_name):
    consumer = ipc0cp.SharedRingBufferConsumer(ring_name, auto_attach=False)
    with ThreadPoolExecutor(1) as pool:
        attaching = waits(consumer, pool)
        for timeout in (0, 0.05):
            with pytest.raises(ipc0cp.Timeout):
                consumer.attach(timeout)
        with ipc0cp.SharedRingBufferProducer(ring_name, 1 << 20) as producer:
            attaching.result(PATIENCE)
            consumer.attach(0)
            producer.push(b"x")
            assert consumer.pop(PATIENCE) == b"x"
            consumer.close()
