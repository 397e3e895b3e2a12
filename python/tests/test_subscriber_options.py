# SPDX-License-Identifier: Apache-2.0
"""Options of subscribers and of broadcast rings that are refused, and what the refusal says."""

from __future__ import annotations

import contextlib

import pytest
from helpers import MIB, PATIENCE, file_of

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer


def refused(error, *arguments, make=Consumer, **options) -> str:
    with pytest.raises(error) as caught:
        make(*arguments, **options).close()
    return str(caught.value)


def test_what_is_refused_says_what_to_do(ring_name):
    text = refused(ipc0cp.InvalidArgument, ring_name, MIB, overflow="drop_oldest")
    assert "subscribe=True" in text
    text = refused(ipc0cp.InvalidArgument, ring_name, MIB, subscribe=True, overflow="drop_newest")
    assert 'not "drop_newest"' in text and '"drop_oldest"' in text
    text = refused(ValueError, ring_name, MIB, subscribe=True, overflow="drop")
    assert "drop" in text
    assert "subscribe" in refused(TypeError, ring_name, MIB, subscribe="yes")
    for wrong in (0, -1, 1024):
        text = refused(ValueError, ring_name, MIB, make=Producer, expected_consumers=wrong)
        assert "expected_consumers" in text and str(wrong) in text and "1023" in text
    assert "broadcast" in refused(TypeError, ring_name, MIB, make=Producer, broadcast=1)
    text = refused(
        ipc0cp.InvalidArgument, ring_name, MIB, make=Producer, broadcast=True, redeliver=True
    )
    assert "leave one of them out" in text
    text = refused(
        ipc0cp.InvalidArgument, ring_name, MIB, make=Producer, broadcast=True, depth=1,
        overflow="drop_oldest",
    )  # fmt: skip
    assert "pop_latest" in text
    assert not file_of(ring_name).exists()


def test_options_that_differ_from_the_rings(ring_name):
    with (
        Producer(ring_name, 4 * MIB, broadcast=True) as producer,
        Consumer(ring_name, subscribe=True) as reader,
    ):
        assert "subscribe=True" in refused(ipc0cp.OptionMismatch, ring_name)
        text = refused(ipc0cp.OptionMismatch, ring_name, 4 * MIB, make=Producer)
        assert "broadcast" in text
        producer.push("unharmed")
        assert reader.pop(PATIENCE) == "unharmed"


def test_a_worker_that_was_there_first_is_told(ring_name):
    with (
        Consumer(ring_name, MIB) as early,
        Producer(ring_name, MIB, broadcast=True),
        pytest.raises(ipc0cp.OptionMismatch, match="subscribe=True"),
    ):
        early.pop(PATIENCE)


def test_forty_at_most(ring, ring_name):
    producer, worker = ring
    with contextlib.ExitStack() as readers:
        made = [readers.enter_context(Consumer(ring_name, subscribe=True)) for _ in range(40)]
        text = refused(ipc0cp.TooManyParticipants, ring_name, subscribe=True)
        assert "has 40 subscribers already" in text and "close some" in text
        producer.push(1)
        assert [reader.pop(PATIENCE) for reader in made] == [1] * 40
        made[7].close()
        Consumer(ring_name, subscribe=True).close()
    assert worker.pop(PATIENCE) == 1
