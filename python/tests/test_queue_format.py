# SPDX-License-Identifier: Apache-2.0
"""Section 9 of docs/object_format.md: the bytes of a queue's messages, and who reads them."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from helpers import encode as encode_for_a_ring

import ipc0cp
from ipc0cp._codec import codec
from ipc0cp._codec.encoding import Received
from ipc0cp._queue import codec as queue_codec


def encode(value, may_pickle=False) -> tuple[dict, bytes]:
    """Metadata and payload of a message, as put would write them."""
    encoded = queue_codec.encode(value, may_pickle)
    target = bytearray(encoded.payload_bytes)
    with memoryview(target) as view:
        encoded.write_to(view)
    return json.loads(codec.metadata_text(encoded.metadata)), bytes(target)


def decode(metadata: dict, payload: bytes, may_pickle=False):
    received = Received(memoryview(payload).toreadonly(), copy=True)
    return queue_codec.decode(metadata, received, may_pickle)


def python(value: dict | None) -> dict:
    return {"type": "python", "version": "1.0", "value": value}


JSON = {"type": "json", "version": "1.0"}
BYTES = {"type": "bytes", "version": "1.0"}


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        ((1, "a"), b'{"":[1,"a"]}'),
        ([(), None], b'[{"":[]},null]'),
        ({"a": (1, (2.5,))}, b'{"a":{"":[1,{"":[2.5]}]}}'),
        ({"": ()}, b'{"":{"":{"":[]}}}'),
        ([{"": 1}, ()], b'[{"":{"":1}},{"":[]}]'),
    ],
)
def test_marks_in_json(value, payload):
    metadata, written = encode(value)
    if type(value) is list:
        run = {"metadata": JSON, "run": 2, "offset": 0, "payload_size": len(payload)}
        inner = {"type": "list", "version": "1.0", "count": 2, "items": [run]}
        assert metadata == python(inner)
    else:
        assert metadata == python(JSON)
    assert written == payload
    assert decode(metadata, written) == value


def test_none_has_no_payload():
    assert encode(None) == (python(None), b"")
    assert decode(python(None), b"") is None


def test_worked_example():
    """As printed in section 9."""
    metadata, payload = encode((7, np.array([1, 2], "<u2")))
    assert json.dumps(metadata, separators=(",", ":")) == (
        '{"type":"python","version":"1.0","value":{"type":"map","version":"1.0","count":1,'
        '"items":[{"metadata":{"type":"list","version":"1.0","count":2,"items":['
        '{"metadata":{"type":"json","version":"1.0"},"run":1,"offset":0,"payload_size":3},'
        '{"metadata":{"type":"ndarray","version":"1.0","dtype":"<u2","shape":[2]},'
        '"offset":64,"payload_size":4}]},"key":"","offset":0,"payload_size":68}]}}'
    )
    assert payload == b"[7]" + bytes(61) + b"\1\0\2\0"


def test_pickle_is_its_stream():
    metadata, payload = encode({1.5: np.arange(100, dtype=np.uint8)}, may_pickle=True)
    assert metadata == {"type": "pickle", "version": "1.0", "value": BYTES}
    assert payload[:2] == b"\x80\x05"
    assert decode(metadata, payload, may_pickle=True)[1.5].tolist() == list(range(100))


def test_pickle_with_buffers_is_a_list():
    arrays = [np.arange(2000, dtype=np.uint8), np.arange(3000, dtype=np.uint8)]
    metadata, payload = encode({1.5: arrays}, may_pickle=True)
    items = metadata["value"].pop("items")
    assert metadata == {
        "type": "pickle",
        "version": "1.0",
        "value": {"type": "list", "version": "1.0", "count": 3},
    }
    assert all(item["metadata"] == BYTES for item in items)
    assert all(item["offset"] % 64 == 0 for item in items)
    assert payload[:2] == b"\x80\x05"
    for item, array in zip(items[1:], arrays, strict=True):
        start = item["offset"]
        assert payload[start : start + item["payload_size"]] == array.tobytes()


@pytest.mark.parametrize("value", [1, "text", [1, [2]], {"a": 1}, b"x", np.arange(3), [b"x", 1]])
def test_whatever_a_ring_keeps_is_encoded_as_in_a_ring(value):
    metadata, payload = encode(value)
    expected, expected_payload = encode_for_a_ring(value)
    assert (metadata, payload) == (json.loads(expected), expected_payload)


# ---- bad messages --------------------------------------------------------------------------------


def marked(payload: bytes) -> tuple[dict, bytes]:
    return python(JSON), payload


def pickled(inner, payload=b"", **changes) -> tuple[dict, bytes]:
    return {"type": "pickle", "version": "1.0", "value": inner, **changes}, payload


def listing(*items: dict) -> dict:
    return {"type": "list", "version": "1.0", "count": len(items), "items": list(items)}


@pytest.mark.parametrize(
    ("metadata", "payload"),
    [
        marked(b'{"":1}'),
        marked(b'{"":null}'),
        marked(b'{"":"text"}'),
        marked(b'{"":{"a":1}}'),
        marked(b'[{"":{"a":1,"":2}}]'),
        marked(b'{"":[1]'),
        marked(b"null"),
        marked(b"[" * 65 + b"]" * 65),
        marked(b'{"":[' * 65 + b"]}" * 65),
        (python(7), b"1"),
        ({"type": "python", "version": "1.0"}, b""),
        (python({"value": 1}), b""),
        ({"type": "python", "version": 1, "value": JSON}, b"1"),
        pickled(None),
        pickled(JSON, b"[]"),
        pickled(listing()),
        pickled(listing({"metadata": JSON, "run": 1, "offset": 0, "payload_size": 3}), b"[1]"),
        pickled(listing({"metadata": JSON, "offset": 0, "payload_size": 1}), b"1"),
        pickled(listing({"metadata": BYTES, "offset": 0, "payload_size": 2}), b"N"),
        pickled(listing({"metadata": BYTES, "offset": 1, "payload_size": 1}), b"NN"),
        pickled({**listing({"metadata": BYTES, "offset": 0, "payload_size": 2}), "count": 2}, b"N"),
    ],
)
def test_bad_messages(metadata, payload):
    with pytest.raises(ipc0cp.CorruptPayload):
        decode(metadata, payload, may_pickle=True)


def test_bad_messages_are_taken_out():
    with ipc0cp.Queue() as queue:
        producer = queue._share.writing()
        producer.push_raw(python(JSON), b'{"":1}')
        queue.put("next")
        with pytest.raises(ipc0cp.CorruptPayload, match="a mark has no meaning around int"):
            queue.get()
        assert queue.get() == "next"


# ---- nobody unpickles unasked --------------------------------------------------------------------


class RunsCode:
    """Unpickling it would say so in the environment."""

    def __reduce__(self):
        return os.putenv, ("IPC0CP_TEST_RAN", "1")


def test_only_queues_made_with_pickle_unpickle(caplog):
    metadata, payload = encode(RunsCode(), may_pickle=True)
    with ipc0cp.Queue() as queue:
        queue._share.writing().push_raw(metadata, payload)
        queue._share.writing().push_raw(metadata, payload)
        received = queue.get()
        assert isinstance(received, ipc0cp.BytesData)
        assert received.metadata == metadata
        assert bytes(received) == payload
        with ipc0cp.SharedRingBufferConsumer(queue.name) as consumer:
            assert consumer.pop() == received
    assert decode(metadata, payload) == received
    assert len([line for line in caplog.messages if "'pickle'" in line]) <= 1


def test_readers_of_rings_do_not_know_the_tags():
    with ipc0cp.Queue() as queue:
        queue.put((1, 2))
        with ipc0cp.SharedRingBufferConsumer(queue.name) as consumer:
            received = consumer.pop()
        assert isinstance(received, ipc0cp.BytesData)
        assert bytes(received) == b'{"":[1,2]}'


@pytest.mark.parametrize("tag", ["pickle", "python"])
def test_the_tags_cannot_be_registered(tag):
    with pytest.raises(ipc0cp.InvalidArgument, match="reserved"):
        ipc0cp.register_type(tag, lambda *_: None)


@pytest.mark.parametrize("tag", ["pickle", "python"])
def test_later_versions_are_unknown(tag):
    metadata = {"type": tag, "version": "2.0", "value": None}
    assert decode(metadata, b"later", may_pickle=True) == ipc0cp.BytesData(b"later", metadata)
    assert decode({"type": "python", "version": "1.9", "value": None, "more": 1}, b"") is None
