# SPDX-License-Identifier: Apache-2.0
"""Damaged metadata and payloads: one of our errors, never another one, and the stream goes on.

All golden vectors are mutated at random; a failure names the seed. ``IPC0CP_FUZZ_ROUNDS`` asks for
more rounds than a test run should take.
"""

from __future__ import annotations

import json
import os
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers import decode, encode

import ipc0cp
from ipc0cp import type_registry

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors"
ROUNDS = int(os.environ.get("IPC0CP_FUZZ_ROUNDS", "12000"))
ODD_VALUES = (
    *(None, True, False, 0, 1, -1, 2, 3, 4, 63, 64, 65, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1),
    *(-(2**63), 0.5, -0.0, 1e308, "", "x", "1", "<f4", "|V0", "|O", "bfloat16", "RGB", "P", "png"),
    *([], [0], [1, 1], [2**31, 2**31], [-1, 1], [[]], {}, {"a": 1}, {"fields": []}),
    *({"base": "<f4", "shape": [2]}, {"mode": "RGBA", "bytes": 4}, {"table": "00"}, "\ud800"),
)


def messages():
    found = []
    for path in sorted(VECTORS.glob("*.json")):
        for vector in json.loads(path.read_text()):
            metadata = vector.get("metadata", "").encode()
            if "metadata_hex" in vector:
                metadata = bytes.fromhex(vector["metadata_hex"])
            found.append((metadata, bytes.fromhex(vector["payload_hex"])))
    return found


def mutate_json(value, choose):
    """The value with one part of it, anywhere inside, replaced, added or left out."""
    if isinstance(value, dict) and value and choose.random() < 0.85:
        key = choose.choice(list(value))
        changed = dict(value)
        if choose.random() < 0.1:
            del changed[key]
        elif choose.random() < 0.1:
            changed[choose.choice(("run", "key", "order", "scalar", "pixel_bytes", "x"))] = (
                choose.choice(ODD_VALUES)
            )
        else:
            changed[key] = mutate_json(value[key], choose)
        return changed
    if isinstance(value, list) and value and choose.random() < 0.85:
        index = choose.randrange(len(value))
        changed = list(value)
        if choose.random() < 0.2:
            changed.insert(index, value[index])
        else:
            changed[index] = mutate_json(value[index], choose)
        return changed
    return choose.choice(ODD_VALUES)


def mutate_bytes(data, choose):
    """A few bytes changed, inserted or cut off."""
    changed = bytearray(data)
    for _ in range(choose.randint(1, 3)):
        position = choose.randint(0, len(changed))
        action = choose.randrange(4)
        if action == 0 and position < len(changed):
            changed[position] ^= 1 << choose.randrange(8)
        elif action == 1:
            changed[position:position] = choose.choice(
                (b"\0", b'"', b"{", b"]", b"9" * 20, b"\xff")
            )
        elif action == 2:
            del changed[position:]
        else:
            changed += bytes(choose.randrange(256) for _ in range(choose.choice((1, 64))))
    return bytes(changed)


def mutate(message, choose):
    metadata, payload = message
    if choose.random() < 0.6:
        try:
            value = mutate_json(json.loads(metadata), choose)
            metadata = json.dumps(value, ensure_ascii=choose.random() < 0.5).encode(
                "utf-8", "surrogatepass"
            )
        except ValueError:
            pass  # One of the vectors whose metadata is no JSON.
    if choose.random() < 0.3:
        metadata = mutate_bytes(metadata, choose)
    if choose.random() < 0.5:
        payload = mutate_bytes(payload, choose)
    return metadata, payload


@pytest.fixture(autouse=True)
def _unknown_types_are_no_news(monkeypatch):
    monkeypatch.setattr(type_registry, "_warned", set())
    monkeypatch.setattr(type_registry, "_MOST_WARNINGS", 0)


@pytest.mark.timeout(600)
def test_only_our_errors_come_out():
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    good = messages()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(ROUNDS):
        metadata, payload = mutate(choose.choice(good), choose)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                decode(metadata, payload, copy=choose.random() < 0.3)
            outcomes["read"] += 1
        except ipc0cp.Error as error:
            outcomes["refused"] += 1
            assert 10 < len(str(error)) < 1000, (seed, metadata, payload)
            assert error.code.name in ("corrupt_payload", "unsupported_type"), (seed, metadata)
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {metadata!r} {payload!r}") from error
    assert min(outcomes.values()) > ROUNDS // 20, outcomes


def test_the_messages_around_a_damaged_one_arrive(ring):
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    producer, consumer = ring
    good = messages()
    array = np.arange(20_000)
    damaged = 0
    for number in range(300):
        metadata, payload = mutate(choose.choice(good), choose)
        producer.push({"before": number})
        try:
            producer.push_raw(metadata, payload)
        except ValueError:  # Not even a JSON object with a type.
            producer.push_raw({"type": "json"}, b"{")
        producer.push([array, number])
        assert consumer.pop(10) == {"before": number}
        try:
            consumer.pop(10)
        except ipc0cp.Error:
            damaged += 1
        found = consumer.pop(10)
        assert np.array_equal(found[0], array), seed
        assert found[1] == number
        del found
    assert damaged > 50
    assert consumer.stats().used_bytes == 0


def test_lying_lengths_allocate_nothing():
    for text in (
        '{"type":"ndarray","dtype":"<f8","shape":[1099511627776]}',
        '{"type":"ndarray","dtype":"|V2147483647","shape":[2147483647]}',
        '{"type":"image","encoding":"raw","mode":"I","size":[2147483647,2147483647]}',
        '{"type":"image","encoding":"raw","mode":"1","size":[2147483647,2147483647]}',
        '{"type":"image","encoding":"png","mode":"L","size":[2147483647,2147483647]}',
        '{"type":"list","count":9223372036854775807,"items":[]}',
        '{"type":"list","count":1,"items":[{"metadata":{"type":"bytes"},"offset":0,'
        '"payload_size":9223372036854775807}]}',
    ):
        with pytest.raises(ipc0cp.CorruptPayload):
            decode(text.encode(), b"x" * 8)


def test_endless_arrays_of_nothing():
    text = b'{"type":"ndarray","dtype":"|V0","shape":[9223372036854775807]}'
    for copy in (False, True):
        assert decode(text, b"", copy).shape == (2**63 - 1,)


def test_a_payload_that_ends_in_the_middle_of_a_list():
    metadata, payload = encode([np.arange(10), "text", b"bytes"])
    for end in range(len(payload)):
        with pytest.raises(ipc0cp.CorruptPayload):
            decode(metadata, payload[:end])


JSON = b'{"type":"json","version":"1.0"}'
MARKED_JSON = b'{"type":"python","version":"1.0","value":%b}' % JSON


@pytest.mark.parametrize("text", [b"null", b"", b"[1", b'"\xff"', b'{"a":1,"a":2}', b"NaN", b"1 2"])
def test_damaged_json_counts_as_dropped(ring, text):
    """The extension decodes it by itself."""
    producer, consumer = ring
    for pop in (consumer.pop, lambda timeout: consumer.pop_many(1, timeout)):
        dropped = consumer.stats().dropped
        producer.push_raw(JSON, text)
        with pytest.raises(ipc0cp.CorruptPayload):
            pop(10)
        assert consumer.stats().dropped == dropped + 1
    producer.push(1)
    assert consumer.pop(10) == 1


@pytest.mark.parametrize("text", [b"null", b"[1", b'{"":1}', b'{"":{"":1,"b":2}}'])
@pytest.mark.parametrize("many", [False, True])
def test_damaged_tuples_count_as_dropped(text, many):
    queue = ipc0cp.Queue(total_data_bytes=1 << 20)
    ends = queue._share.ends()
    queue.put((1, "a"))
    ends.producer.push_raw(MARKED_JSON, text)
    queue.put((2, "b"))
    assert queue.get(timeout=10) == (1, "a")
    with pytest.raises(ipc0cp.CorruptPayload):
        queue.get_many(1, timeout=10) if many else queue.get(timeout=10)
    assert ends.consumer.stats().dropped == 1
    assert queue.get(timeout=10) == (2, "b")
    queue.close()


def test_a_registered_json_is_asked_in_rings_and_queues(ring):
    producer, consumer = ring
    queue = ipc0cp.Queue(total_data_bytes=1 << 20)
    ipc0cp.register_type("json", lambda _, payload: bytes(payload))
    try:
        producer.push({"a": 1})
        assert consumer.pop(10) == b'{"a":1}'
        queue.put((1, "a"))
        assert queue.get(timeout=10) == b'{"":[1,"a"]}'
    finally:
        ipc0cp.unregister_type("json")
        queue.close()
    producer.push({"a": 1})
    assert consumer.pop(10) == {"a": 1}
