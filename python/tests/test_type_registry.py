# SPDX-License-Identifier: Apache-2.0
"""Own types, and built-in types that users have replaced."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
from helpers import decode, encode, new_name, same

import ipc0cp
from ipc0cp import register_type, unregister_type
from ipc0cp.type_registry import TypeRegistry


class Point:
    def __init__(self, x: float) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and other.x == self.x

    __hash__ = None


class Point3D(Point):
    pass


@pytest.fixture(autouse=True)
def _nothing_stays_registered():
    yield
    for name, version in list(TypeRegistry.instance()._registrations):
        assert unregister_type(name, version)
    assert same(decode(*encode([np.arange(3), "a", 1])), [np.arange(3), "a", 1])


@pytest.fixture
def kind():
    return f"type-{new_name()}"


def register_point(kind, **options):
    register_type(
        kind,
        lambda _, payload: Point(float(bytes(payload))),
        python_type=Point,
        serialize=lambda point: ({"type": kind, "n": [1]}, str(point.x).encode()),
        **options,
    )


def test_registered_types(ring, kind):
    producer, consumer = ring
    register_point(kind)
    for value in (Point(1.5), [Point(2.5), 1, {"p": Point(3.5)}], {"p": Point(1), "q": 2}):
        producer.push(value)
        assert consumer.pop(10) == value


def test_metadata_comes_as_strings(ring, kind):
    seen = []
    register_type(kind, lambda metadata, payload: seen.append((metadata, payload)) or 1)
    producer, consumer = ring
    producer.push_raw(
        {"type": kind, "text": "é", "n": [1, None], "m": {"a": 1.5}, "yes": True, "no": None},
        bytearray(b"x"),
    )
    assert consumer.pop(10) == 1
    expected = {"text": "é", "n": "[1,null]", "m": '{"a":1.5}', "yes": "true", "no": "null"}
    assert seen == [({"type": kind} | expected, b"x")]
    assert type(seen[0][1]) is bytes


def test_versions(ring, kind):
    register_type(kind, lambda *_: "any")
    register_type(kind, lambda *_: "exact", "1.0")
    producer, consumer = ring

    def popped(**version):
        producer.push_raw({"type": kind, **version}, b"")
        return consumer.pop(10)

    assert popped(version="1.0") == popped() == "exact"
    assert popped(version="1.1") == popped(version="2.0") == "any"
    assert unregister_type(kind, "1.0")
    assert popped(version="1.0") == "any"
    assert unregister_type(kind)
    assert not unregister_type(kind)
    assert type(popped()) is ipc0cp.BytesData


def test_the_last_registration_counts(kind):
    register_point(kind)
    register_point(f"{kind}-2")
    assert kind.encode() + b"-2" in encode(Point(1))[0]
    register_point(kind)
    assert kind.encode() + b'"' in encode(Point(1))[0]
    unregister_type(kind)
    assert kind.encode() + b"-2" in encode(Point(1))[0]
    unregister_type(f"{kind}-2")
    with pytest.raises(ipc0cp.UnsupportedType):
        encode(Point(1))


def test_exact_types_only(kind):
    register_point(kind)
    with pytest.raises(ipc0cp.UnsupportedType, match="Point3D"):
        encode(Point3D(1))


def test_views(ring, kind):
    register_type(kind, lambda _, payload: payload, view=True)
    producer, consumer = ring
    producer.push_raw({"type": kind}, bytes(100_000))
    popped = consumer.pop(10)
    assert isinstance(popped, memoryview)
    assert popped.readonly
    assert consumer.stats().used_bytes > 0
    del popped
    assert consumer.stats().used_bytes == 0


def test_views_inside_a_list(ring, kind):
    register_type(kind, lambda _, payload: np.frombuffer(payload, "u1"), view=True)
    producer, consumer = ring
    payload = bytes(range(256)) * 100
    producer.push([1, ipc0cp.BytesData(payload, {"type": kind}), "a"])
    popped = consumer.pop(10)
    assert popped[1].tobytes() == payload
    assert popped[1].ctypes.data % 64 == 0
    assert not popped[1].flags.writeable
    assert consumer.stats().used_bytes > 0
    del popped
    assert consumer.stats().used_bytes == 0


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [1, {"a": one}]], ids=["", "list"])
def test_errors_of_users_pass_through(ring, kind, wrap):
    producer, consumer = ring

    def fail(*_):
        raise ZeroDivisionError("of the user")

    producer.push(b"before")
    register_type(kind, fail, python_type=Point, serialize=fail)
    with pytest.raises(ZeroDivisionError):
        producer.push(wrap(Point(1)))
    assert consumer.stats().messages == 1
    producer.push(wrap(ipc0cp.BytesData(b"x", {"type": kind})))
    producer.push(b"next")
    assert consumer.pop(10) == b"before"
    with pytest.raises(ZeroDivisionError):
        consumer.pop(10)
    assert consumer.pop(10) == b"next"
    assert consumer.stats().used_bytes == 0


def test_none_is_no_result_of_a_pop(ring, kind):
    register_type(kind, lambda *_: None)
    producer, consumer = ring
    nothing = ipc0cp.BytesData(b"", {"type": kind})
    producer.push(nothing)
    producer.push([nothing])
    with pytest.raises(ipc0cp.UnsupportedType, match=f"{kind}.*end of stream"):
        consumer.pop(10)
    assert consumer.pop(10) == [None]


class Own(ipc0cp.SerializableObject):
    def __init__(self, result):
        self.result = result

    def serialize(self):
        return self.result


class Duck:
    def serialize(self):
        return {"type": "text"}, "é".encode()


def test_objects_that_serialize_themselves(ring):
    producer, consumer = ring
    for value, expected in (
        (Own(({"type": "bytes"}, b"own")), b"own"),
        (Own(('{"type":"text", "more": [1]}', b"text")), "text"),
        (Own((b"", bytearray(b"bytes"))), b"bytes"),
        (Duck(), "é"),
    ):
        producer.push(value)
        assert consumer.pop(10) == expected
        producer.push([1, value, {"a": value}])
        assert consumer.pop(10) == [1, expected, {"a": expected}]


def nested(levels):
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "result",
    [
        *("no pair", None, (), ({"type": "a"},), ({"type": "a"}, "no buffer"), ({}, b"")),
        *(({"type": 1}, b""), ({"type": ""}, b""), ({"type": "a", "x": {1, 2}}, b"")),
        *(([], b""), ("{", b""), ("\ud800", b""), (b"\xff", b""), (b'{"a":1,"a":1}', b"")),
        ({"type": "a", "version": 1}, b""),
        ({"type": "a", "x": float("nan")}, b""),
        ({"type": "a"}, memoryview(b"abcd")[::2]),
        ({"type": "a"}, np.array([{}], object)),
        ({"type": "a"} | {str(key): 0 for key in range(1024)}, b""),
        ({"type": "a", "x": nested(512)}, b""),
    ],
    ids=lambda result: repr(result)[:30],
)
def test_bad_results_of_serialize(ring, result):
    producer, consumer = ring
    for value in (Own(result), [1, Own(result)]):
        with pytest.raises(ipc0cp.Error) as caught:
            producer.push(value)
        assert caught.value.code.name in ("unsupported_type", "invalid_argument")
        assert isinstance(caught.value, (TypeError, ValueError))
    assert consumer.stats().messages == 0


def test_deep_metadata_inside_lists():
    """64 levels of lists around it must leave the metadata readable."""
    deep = Own(({"type": "unknown", "x": nested(255)}, b"x"))
    value: object = deep
    for _ in range(64):
        value = [value]
    found = decode(*encode(value))
    while isinstance(found, list):
        found = found[0]
    assert found.metadata["x"] == nested(255)
    deeper = Own(({"type": "unknown", "x": nested(256)}, b"x"))
    assert decode(*encode(deeper)).metadata["x"] == nested(256)
    with pytest.raises(ipc0cp.UnsupportedType, match="257 levels"):
        encode([deeper])


def test_a_replaced_deserializer_of_arrays(ring):
    producer, consumer = ring
    array = np.arange(6.0)
    for _ in range(2):  # Remembered by the handles.
        producer.push(array)
        consumer.pop(10)

    def mine(metadata, payload):
        return ("mine", metadata["dtype"], metadata["shape"], len(payload))

    register_type("ndarray", mine)
    producer.push(array)
    assert consumer.pop(10) == ("mine", "<f8", "[6]", 48)
    producer.push([array, {"a": array}])
    found = ("mine", "<f8", "[6]", 48)
    assert consumer.pop(10) == [found, {"a": found}]
    unregister_type("ndarray")
    producer.push(array)
    assert same(consumer.pop(10), array)


@pytest.mark.parametrize(
    ("tag", "value"),
    [("bytes", b"x"), ("text", "x"), ("json", {"a": 1}), ("list", [1]), ("map", {"a": b"x"})],
)
def test_replaced_deserializers(ring, tag, value):
    producer, consumer = ring
    register_type(tag, lambda metadata, payload: (metadata["type"], bytes(payload)))
    producer.push(value)
    found = consumer.pop(10)
    assert found[0] == tag
    assert found[1]
    unregister_type(tag)
    producer.push(value)
    assert consumer.pop(10) == value


def as_repr(kind):
    return lambda value: ({"type": kind}, repr(value).encode())


@pytest.mark.parametrize(
    "value", [b"b", "s", 1, 1.5, True, {"a": 2}, [3], (4,), None, np.float64(5)], ids=repr
)
def test_replaced_serializers(ring, kind, value):
    producer, consumer = ring
    register_type(
        kind,
        lambda _, payload: f"mine {payload.decode()}",
        python_type=type(value),
        serialize=as_repr(kind),
    )
    producer.push(value)
    assert consumer.pop(10) == f"mine {value!r}"
    if not isinstance(value, (list, dict)):
        producer.push([value, {"key": [value]}])
        assert consumer.pop(10) == [f"mine {value!r}", {"key": [f"mine {value!r}"]}]
    unregister_type(kind)
    if value is not None:
        producer.push(value)
        assert consumer.pop(10) == (list(value) if type(value) is tuple else value)


def test_a_replaced_serializer_of_arrays(ring, kind):
    producer, consumer = ring
    array = np.arange(3)
    producer.push(array)
    consumer.pop(10)
    register_type(
        kind, lambda *_: "mine", python_type=np.ndarray, serialize=lambda _: ({"type": kind}, b"")
    )
    producer.push(array)
    assert consumer.pop(10) == "mine"
    producer.push({"a": [array]})
    assert consumer.pop(10) == {"a": ["mine"]}
    unregister_type(kind)
    for _ in range(2):
        producer.push(array)
        assert same(consumer.pop(10), array)


def test_unknown_types_arrive_as_bytes_data(ring, kind, caplog):
    producer, consumer = ring
    metadata = {"type": kind, "version": "3.1", "a": [1, {"b": None}]}
    for _ in range(2):
        producer.push_raw(metadata, b"payload")
        popped = consumer.pop(10)
        assert type(popped) is ipc0cp.BytesData
        assert bytes(popped) == b"payload"
        assert popped.metadata == metadata
        popped.metadata["a"].append("changed by the user")
    assert sum(kind in record.getMessage() for record in caplog.records) == 1
    assert caplog.records[-1].levelno == logging.WARNING


def test_unknown_types_go_out_unchanged(ring, kind):
    producer, consumer = ring
    producer.push_raw({"type": kind, "z": 1.5, "a": "é"}, b"payload")
    first = consumer.pop_raw(10)
    producer.push_raw(first.metadata_json, first.payload)
    producer.push(consumer.pop(10))
    second = consumer.pop_raw(10)
    assert second.metadata_json == first.metadata_json
    assert second.payload == first.payload
    popped = decode(first.metadata_json, bytes(first.payload))
    producer.push([popped, {"a": popped}])
    assert consumer.pop(10) == [popped, {"a": popped}]


def test_a_later_major_version_of_a_builtin_type(ring):
    producer, consumer = ring
    producer.push_raw({"type": "ndarray", "version": "2.0"}, b"x")
    assert type(consumer.pop(10)) is ipc0cp.BytesData


def test_bad_registrations(kind):
    def anything(*_):
        return None

    for arguments, options in (
        (("", anything), {}),
        ((3, anything), {}),
        (("pickle", anything), {}),
        ((kind, None), {}),
        ((kind, anything, 1.0), {}),
        ((kind, anything), {"python_type": Point}),
        ((kind, anything), {"serialize": anything}),
        ((kind, anything), {"python_type": "Point", "serialize": anything}),
        ((kind, anything), {"python_type": Point, "serialize": "no function"}),
    ):
        with pytest.raises(ValueError, match=r"."):
            register_type(*arguments, **options)
    assert TypeRegistry.instance().find(kind) is None


def test_there_is_one_registry():
    assert TypeRegistry() is TypeRegistry.instance() is ipc0cp.TypeRegistry.instance()


def test_many_threads_register(kind):
    def work(number):
        for _ in range(50):
            register_type(f"{kind}-{number}", lambda *_: number)
            assert TypeRegistry.instance().find(f"{kind}-{number}") is not None
            unregister_type(f"{kind}-{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not TypeRegistry.instance()._registrations
