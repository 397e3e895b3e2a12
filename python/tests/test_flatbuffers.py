# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers: builders in, roots out, in place; what is refused. Which bytes: tests/vectors/."""

from __future__ import annotations

import gc
import pickle
import struct

import numpy as np
import pytest
from helpers import MIB, decode, encode, round_trip, run_python
from hypothesis import given
from hypothesis import strategies as st

import ipc0cp

VALUES = np.arange(50_000, dtype=np.float32)
# The smallest buffer: a root table without fields, with an identifier in front.
SMALLEST = struct.pack("<I4sHHi", 12, b"TEST", 4, 4, 4)


@pytest.fixture(scope="session")
def message_class(messages):
    return messages.Message.Message


def test_a_builder_is_pushed_without_registering_anything(ring, messages, message_class):
    producer, consumer = ring
    assert producer.push(messages.finished(number=7, labels=("cat", "dog"), tags=("one",)))
    popped = consumer.pop(30)
    assert type(popped) is ipc0cp.FlatBuffer
    assert (popped.identifier, popped.size_prefixed) == (b"MESG", False)
    root = popped.root(message_class)
    assert type(root) is message_class
    assert root.Number() == 7
    assert messages.labels_of(root) == ["cat", "dog"]
    assert messages.tags_of(root) == ["one"]


def test_the_root_is_read_in_place_and_keeps_its_block(ring_name, messages, message_class):
    with ipc0cp.SharedRingBufferConsumer(ring_name, 4 * MIB) as consumer:
        with ipc0cp.SharedRingBufferProducer(ring_name, 4 * MIB) as producer:
            producer.push(messages.finished(values=VALUES))
            popped = consumer.pop(30)
            assert popped.buffer.readonly
            values = messages.tensor_of(popped.root(message_class)).ValuesAsNumpy()
            assert np.shares_memory(values, np.frombuffer(popped.buffer, np.uint8))
            assert not values.flags.writeable
            del popped
            gc.collect()
            assert consumer.stats().used_bytes > VALUES.nbytes
    # The handles are closed and the ring has no name any more.
    np.testing.assert_array_equal(values, VALUES)


def test_blocks_come_back_with_the_last_part(ring, messages, message_class):
    producer, consumer = ring
    builder = messages.finished(values=VALUES)
    for _ in range(50):
        assert producer.push(builder, timeout=30)
        root = consumer.pop(30).root(message_class)
        assert messages.tensor_of(root).ValuesAsNumpy()[-1] == VALUES[-1]
        del root
    gc.collect()
    assert consumer.stats().used_bytes == 0


def test_copies_own_their_memory(ring, messages, message_class):
    producer, consumer = ring
    producer.push(messages.finished(values=VALUES))
    copied = consumer.pop(30, copy=True)
    assert consumer.stats().used_bytes == 0
    assert messages.tensor_of(copied.root(message_class)).ValuesAsNumpy()[-1] == VALUES[-1]


def test_builders_do_not_copy_what_they_push(messages):
    builder = messages.finished()
    planned = ipc0cp.FlatBuffer(builder).buffer
    assert np.shares_memory(
        np.frombuffer(planned, np.uint8), np.frombuffer(builder.Bytes, np.uint8)
    )
    assert bytes(planned) == bytes(builder.Output())


@pytest.mark.parametrize("size_prefixed", [False, True])
@pytest.mark.parametrize("identifier", [b"MESG", None])
def test_prefixes_and_identifiers(messages, message_class, identifier, size_prefixed):
    builder = messages.finished(identifier=identifier, size_prefixed=size_prefixed, values=VALUES)
    found = round_trip(builder)
    assert (found.identifier, found.size_prefixed) == (identifier, size_prefixed)
    assert bytes(found) == bytes(builder.Output())
    root = found.root(message_class)
    assert messages.labels_of(root) == ["cat", "dog"]
    assert messages.tensor_of(root).ValuesAsNumpy()[-1] == VALUES[-1]
    assert found == round_trip(found) == ipc0cp.FlatBuffer(builder.Output())
    assert found == pickle.loads(pickle.dumps(found))
    assert found != ipc0cp.FlatBuffer(SMALLEST)


def test_unfinished_builders_are_refused_with_the_way_out(ring, messages):
    producer, consumer = ring
    builder, _ = messages.make_builder()
    with pytest.raises(ipc0cp.UnsupportedType, match=r"Finish\(root\)"):
        producer.push(builder)
    with pytest.raises(ipc0cp.UnsupportedType, match=r"Finish\(root\)"):
        producer.push([1, builder])
    with pytest.raises(ipc0cp.InvalidArgument, match=r"Finish\(root\)"):
        ipc0cp.FlatBuffer(builder)
    assert consumer.stats().messages == consumer.stats().used_bytes == 0


def test_the_identifier_is_checked(messages, message_class):
    good = round_trip(messages.finished())
    assert good.root(message_class, b"MESG").Number() == 7
    with pytest.raises(ipc0cp.UnsupportedType, match=r"MESG.*OTHR"):
        good.root(message_class, b"OTHR")
    other = round_trip(messages.finished(identifier=b"OTHR"))
    with pytest.raises(ipc0cp.UnsupportedType, match=r"OTHR.*Message"):
        other.root(message_class)
    assert other.root(message_class, b"OTHR").Number() == 7
    # A buffer without identifier may be anything, unless one is asked for.
    none = round_trip(messages.finished(identifier=None))
    assert none.root(message_class).Number() == 7
    with pytest.raises(ipc0cp.UnsupportedType, match="None"):
        none.root(message_class, b"MESG")
    with pytest.raises(ipc0cp.InvalidArgument, match="GetRootAs"):
        good.root(dict)


def test_lists_and_dicts_hold_them(ring, messages, message_class):
    producer, consumer = ring
    producer.push({"first": messages.finished(number=1), "rest": [messages.finished(number=2), 3]})
    popped = consumer.pop(30)
    assert popped["first"].root(message_class).Number() == 1
    assert popped["rest"][0].root(message_class).Number() == 2
    assert popped["rest"][1] == 3
    # Numbers inside are aligned because payloads of items are.
    address = np.frombuffer(popped["rest"][0].buffer, np.uint8).ctypes.data
    assert address % 64 == 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda x: np.frombuffer(x, "<u4")])
def test_made_of_bytes(kind):
    made = ipc0cp.FlatBuffer(kind(SMALLEST))
    assert (bytes(made), len(made), made.identifier) == (SMALLEST, len(SMALLEST), b"TEST")
    assert made.buffer.readonly
    assert repr(made) == "<ipc0cp.FlatBuffer: 16 bytes, identifier b'TEST'>"
    metadata, payload = encode(made)
    assert metadata == b'{"type":"flatbuffer","version":"1.0","identifier":"TEST"}'
    assert payload == SMALLEST


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (np.zeros((0, 3)), "0 bytes"),
        (b"no FlatBuffer at all", "root table"),
        (SMALLEST[:-1], "15"),
        (np.zeros(20, np.uint8)[::2], "strides"),
        (7, "int"),
        ("text", "str"),
    ],
)
def test_made_of_anything_else(data, reason):
    with pytest.raises(ipc0cp.InvalidArgument, match=reason):
        ipc0cp.FlatBuffer(data)


def test_errors_of_readers_name_value_and_limit():
    metadata, _ = encode(ipc0cp.FlatBuffer(SMALLEST))
    with pytest.raises(ipc0cp.CorruptPayload, match=r"root table .* bytes 64 \.\. 68 of 16"):
        decode(metadata, b"\x40" + SMALLEST[1:])
    with pytest.raises(ipc0cp.CorruptPayload, match=r"5 bytes, expected 12 \.\. 2147483646"):
        decode(metadata, b"short")
    with pytest.raises(ipc0cp.CorruptPayload, match='"TEST", its bytes "TESS"'):
        decode(metadata, SMALLEST.replace(b"TEST", b"TESS"))


def test_a_damaged_one_is_dropped_and_later_ones_arrive(ring):
    producer, consumer = ring
    metadata = {"type": "flatbuffer", "version": "1.0", "identifier": "TEST"}
    producer.push_raw(metadata, b"\x40" + SMALLEST[1:])
    producer.push(ipc0cp.FlatBuffer(SMALLEST))
    with pytest.raises(ipc0cp.CorruptPayload):
        consumer.pop(30)
    assert consumer.pop(30).identifier == b"TEST"


@given(data=st.data())
def test_damaged_ones_raise_ordinary_exceptions(messages, message_class, data):
    builder = messages.finished(values=VALUES[:100], size_prefixed=data.draw(st.booleans()))
    metadata, payload = encode(builder)
    content = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    # What a reader of this library may meet; anything else, a crash above all, fails the test.
    meets = (ipc0cp.CorruptPayload, ipc0cp.UnsupportedType, struct.error, TypeError, ValueError,
             AttributeError, RecursionError, UnicodeDecodeError)
    try:
        found = decode(metadata, bytes(content)).root(message_class)
        messages.read_all(found)
    except meets:
        return


def test_the_flatbuffers_library_is_not_imported():
    program = f"""
import sys, ipc0cp
class Builder: finished = False
name = sys.argv[1]
with ipc0cp.SharedRingBufferConsumer(name, 1 << 20) as consumer:
    with ipc0cp.SharedRingBufferProducer(name, 1 << 20) as producer:
        producer.push(ipc0cp.FlatBuffer({SMALLEST!r}))
        assert consumer.pop(30).identifier == b"TEST"
        try:
            producer.push(Builder())
        except ipc0cp.UnsupportedType as error:
            assert "Finish" not in str(error)
        else:
            raise SystemExit("took a Builder of something else")
assert "flatbuffers" not in sys.modules and "numpy" not in sys.modules
"""
    finished = run_python(program, f"test-flatbuffers-{id(program)}")
    assert finished.returncode == 0, finished.stderr


def test_the_type_can_be_replaced():
    registry = ipc0cp.TypeRegistry.instance()
    ipc0cp.register_type("flatbuffer", lambda metadata, payload: (metadata["identifier"], payload))
    try:
        assert round_trip(ipc0cp.FlatBuffer(SMALLEST)) == ("TEST", SMALLEST)
    finally:
        registry.unregister_type("flatbuffer")
    assert round_trip(ipc0cp.FlatBuffer(SMALLEST)).identifier == b"TEST"
