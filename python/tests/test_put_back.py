# SPDX-License-Identifier: Apache-2.0
"""What a pop_many took and did not hand out: it follows, or goes back, or is counted."""

from __future__ import annotations

import numpy as np
import pytest

import ipc0cp

DAMAGED = {"type": "ndarray", "version": "1.0", "dtype": "<f4", "shape": [3]}
SMALL, LARGE = 16, 64 << 10


def push_around_damage(producer: ipc0cp.SharedRingBufferProducer, payload_bytes: int) -> None:
    producer.push(b"1" * payload_bytes)
    producer.push_raw(DAMAGED, b"bad")
    producer.push(b"3" * payload_bytes)
    producer.push(b"4" * payload_bytes)


@pytest.fixture(params=[False, True], ids=["plain", "redelivery"])
def redeliver(request):
    return request.param


@pytest.fixture
def ends(ring_name, redeliver):
    """A producer and two consumers."""
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, 1 << 20, redeliver=redeliver) as producer,
        ipc0cp.SharedRingBufferConsumer(ring_name) as one,
        ipc0cp.SharedRingBufferConsumer(ring_name) as other,
    ):
        yield producer, one, other


@pytest.mark.parametrize("payload_bytes", [SMALL, LARGE])
def test_the_error_comes_out_next_and_the_rest_follows(ends, payload_bytes):
    producer, one, _ = ends
    push_around_damage(producer, payload_bytes)
    assert one.pop_many(10, 0) == [b"1" * payload_bytes]
    producer.push(b"5")
    with pytest.raises(ipc0cp.CorruptPayload):
        one.pop(0)
    got = []
    while len(got) < 3:
        got += one.pop_many(10, 0)
    assert got == [b"3" * payload_bytes, b"4" * payload_bytes, b"5"]


@pytest.mark.parametrize("payload_bytes", [SMALL, LARGE])
def test_close_gives_back_what_lies_in_the_ring_and_counts_the_rest(
    ends, redeliver, payload_bytes
):
    producer, one, other = ends
    push_around_damage(producer, payload_bytes)
    assert one.pop_many(10, 0) == [b"1" * payload_bytes]
    one.close()
    got = []
    while other.stats().messages:
        got.append(other.pop(0))
    gone_back = redeliver or payload_bytes == LARGE
    assert got == ([b"3" * payload_bytes, b"4" * payload_bytes] if gone_back else [])
    stats = other.stats()
    assert (stats.lost, stats.dropped) == (0 if gone_back else 2, 1)
    assert stats.used_bytes == 0 or redeliver


def test_what_was_not_handed_out_is_no_delivery(ends):
    producer, one, other = ends
    push_around_damage(producer, LARGE)
    one.pop_many(10, 0)
    one.close()
    message = other.pop_raw(0)
    assert (message.deliveries, bytes(message.payload)) == (1, b"3" * LARGE)


def test_a_closed_handle_says_so(ends):
    producer, one, _ = ends
    push_around_damage(producer, SMALL)
    one.pop_many(10, 0)
    one.close()
    rows = np.empty(SMALL, np.uint8)
    for call in (
        lambda: one.pop(0),
        lambda: one.pop_raw(0),
        lambda: one.pop_many(10, 0),
        lambda: one.pop_array(10, 0),
        lambda: one._handle.peek(0),
        lambda: one._handle.pop_rows(b"", rows, 1),
    ):
        with pytest.raises(ipc0cp.Closed):
            call()


def test_damage_at_the_beginning_is_raised_at_once(ends):
    producer, one, other = ends
    producer.push_raw(DAMAGED, b"bad")
    producer.push(b"2")
    with pytest.raises(ipc0cp.CorruptPayload):
        one.pop_many(10, 0)
    assert one.pop(0) == b"2"
    assert other.stats().dropped == 1


@pytest.mark.parametrize(
    ("metadata", "payload"),
    [
        (DAMAGED, b"bad"),
        ({"type": "text", "version": "1.0"}, b"\xff"),
        ({"type": "json", "version": "1.0"}, b"{"),
    ],
)
def test_what_cannot_be_decoded_is_counted_as_dropped(ends, metadata, payload):
    producer, one, other = ends
    for _ in range(2):
        producer.push_raw(metadata, payload)
    with pytest.raises(ipc0cp.CorruptPayload):
        one.pop(0)
    assert other.stats().dropped == 1
    with pytest.raises(ipc0cp.CorruptPayload):
        one.pop_many(3, 0)
    assert other.stats().dropped == 2
