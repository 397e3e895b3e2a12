# SPDX-License-Identifier: Apache-2.0
"""JSON that a hostile or careless sender makes: very deep, very wide, with chosen keys."""

from __future__ import annotations

import inspect
import sys

import pytest
from helpers import new_name, same

import ipc0cp


@pytest.fixture
def ring():
    name = new_name()
    with (
        ipc0cp.SharedRingBufferProducer(name, 64 << 20) as producer,
        ipc0cp.SharedRingBufferConsumer(name, 64 << 20) as consumer,
    ):
        yield producer, consumer


def nested(levels):
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def near_the_end_of_the_stack(call, left=40):
    """Calls where Python has `left` frames left."""

    def at_depth(frames):
        return at_depth(frames - 1) if frames > 0 else call()

    return at_depth(sys.getrecursionlimit() - len(inspect.stack(0)) - left)


#: What a message of metadata can be: of an unknown type, an array, an image, a list.
METADATA = [
    {"type": "unknown-here", "deep": nested(511)},
    {"type": "ndarray", "dtype": "|u1", "shape": [1], "deep": nested(511)},
    {"type": "ndarray", "dtype": nested(511), "shape": [1]},
    {"type": "ndarray", "dtype": "|u1", "shape": nested(511)},
    {"type": "ndarray", "dtype": "|u1", "shape": [1], "order": nested(511)},
    {"type": "image", "encoding": nested(511), "mode": "L", "size": [1, 1]},
    {"type": "image", "encoding": "raw", "mode": "L", "size": [1, 1], "transparency": nested(511)},
    {"type": "list", "count": nested(511), "items": []},
    {"type": "map", "count": 1, "items": [nested(510)]},
    {"type": "flatbuffer", "identifier": nested(511)},
    {"type": "bytes", "deep": nested(511)},
    {"type": nested(511)},
]


@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize("metadata", METADATA[:-1], ids=range(len(METADATA) - 1))
def test_deep_metadata_are_an_answer_not_a_recursion(ring, metadata, is_deep):
    producer, consumer = ring
    producer.push_raw(metadata, b"1")
    producer.push("next")

    def pop():
        try:
            return consumer.pop(30)
        except ipc0cp.Error as error:
            return error

    found = near_the_end_of_the_stack(pop) if is_deep else pop()
    assert not isinstance(found, ipc0cp.Error) or isinstance(found, ipc0cp.CorruptPayload)
    if isinstance(found, ipc0cp.BytesData):
        assert same(found.metadata, metadata)
    assert consumer.pop(30) == "next"


def test_deep_metadata_come_back_from_pop_raw(ring):
    producer, consumer = ring
    producer.push_raw(METADATA[0], b"")
    with consumer.pop_raw(30) as message:
        assert same(near_the_end_of_the_stack(lambda: message.metadata), METADATA[0])


def test_deep_metadata_for_a_registered_type(ring):
    producer, consumer = ring
    ipc0cp.register_type("deep", lambda metadata, _: metadata["deep"])
    try:
        producer.push_raw({"type": "deep", "deep": nested(511)}, b"")
        assert consumer.pop(30) == "[" * 511 + "1" + "]" * 511
    finally:
        ipc0cp.unregister_type("deep")


def test_a_type_that_is_no_string_is_refused(ring):
    with pytest.raises(ipc0cp.InvalidArgument, match='"type" is an array'):
        ring[0].push_raw(METADATA[-1], b"")


@pytest.mark.parametrize("is_deep", [False, True])
def test_json_of_512_levels(ring, is_deep):
    producer, consumer = ring
    value = {"a": nested(511)}

    def round_trip():
        producer.push(value)
        return consumer.pop(30)

    found = near_the_end_of_the_stack(round_trip) if is_deep else round_trip()
    assert same(found, value)


def test_an_object_of_many_keys_of_one_hash(ring):
    """Python hashes integers to themselves and text by a secret; JSON has text only."""
    producer, consumer = ring
    keys = [f"{'a' * 50}{number:07d}" for number in range(200_000)]
    value = dict.fromkeys(keys, 0)
    producer.push(value)
    assert consumer.pop(60) == value
    text = "{" + ",".join(f'"{key}":0' for key in [*keys, keys[0]]) + "}"
    producer.push_raw({"type": "json"}, text.encode())
    with pytest.raises(ipc0cp.CorruptPayload, match="appears twice"):
        consumer.pop(60)
