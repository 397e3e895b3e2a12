# SPDX-License-Identifier: Apache-2.0
"""The data classes: what they say about how a value travels, and how they compare and print."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import decode, encode, round_trip, same
from PIL import Image

import ipc0cp
from ipc0cp import (
    BytesData,
    ImageData,
    JsonData,
    ListData,
    MapData,
    NumpyArray,
    SerializableObject,
    TextData,
)

ARRAY = np.arange(6, dtype="<i2").reshape(2, 3)

#: Object, tag, what a pop returns.
TRAVELS = {
    "bytes": (BytesData(b"a\0"), "bytes", b"a\0"),
    "no_bytes": (BytesData(), "bytes", b""),
    "bytes_of_a_buffer": (BytesData(bytearray(b"a")), "bytes", b"a"),
    "text": (TextData("é"), "text", "é"),
    "json_list": (JsonData([1, {"a": None}]), "json", [1, {"a": None}]),
    "json_text": (JsonData("x"), "json", "x"),
    "json_number": (JsonData(2.5), "json", 2.5),
    "json_object": (JsonData({"a": 1}), "json", {"a": 1}),
    "array": (NumpyArray(ARRAY), "ndarray", ARRAY),
    "array_of_a_list": (NumpyArray([1.5, 2.5]), "ndarray", np.array([1.5, 2.5])),
    "array_of_a_subclass": (NumpyArray(np.asmatrix([[1, 2]])), "ndarray", np.array([[1, 2]])),
    "array_of_a_scalar": (NumpyArray(np.int8(3)), "ndarray", np.array(3, np.int8)),
    "list": (ListData([1, ARRAY, None]), "list", [1, ARRAY, None]),
    "empty_list": (ListData(), "list", []),
    "list_of_a_range": (ListData(range(3)), "list", [0, 1, 2]),
    "map": (MapData({"a": ARRAY, "b": 1}), "map", {"a": ARRAY, "b": 1}),
    "json_as_a_map": (MapData([("a", 1)]), "map", {"a": 1}),
    "empty_map": (MapData(), "map", {}),
    "nested": (
        ListData([MapData({"a": JsonData(None)}), TextData("x"), BytesData(b"y")]),
        "list",
        [{"a": None}, "x", b"y"],
    ),
}


@pytest.mark.parametrize(("data", "tag", "expected"), TRAVELS.values(), ids=TRAVELS)
def test_travels_as_its_type(data, tag, expected):
    metadata, payload = encode(data)
    assert json.loads(metadata)["type"] == tag
    assert same(decode(metadata, payload), expected)
    assert isinstance(data, SerializableObject)
    assert data.serialize() == (json.loads(metadata), payload)


@pytest.mark.parametrize(("data", "tag", "expected"), TRAVELS.values(), ids=TRAVELS)
def test_inside_lists_and_maps(data, tag, expected):
    metadata, payload = encode([1, data, {"a": data}])
    assert f'{{"metadata":{{"type":"{tag}"' in metadata.decode()
    assert same(decode(metadata, payload), [1, expected, {"a": expected}])


def test_images():
    image = Image.linear_gradient("L")
    data = ImageData(image)
    assert round_trip(data) == image
    assert (data.mode, data.size, data.encoding, data.options) == ("L", (256, 256), "raw", {})
    assert data == ImageData(image.copy())
    assert data != ImageData(image, "png")
    assert ImageData(image, "jpeg", quality=3) != ImageData(image, "jpeg", quality=4)
    assert "'jpeg', quality=3)" in repr(ImageData(image, "jpeg", quality=3))
    assert same(round_trip([data, ImageData(image, "png")]), [image, image])


def test_equality_in_value_and_type():
    assert JsonData([1]) == JsonData([1])
    assert JsonData(1) != JsonData(True)
    assert JsonData(1) != JsonData(1.0)
    assert JsonData({"a": [1]}) == JsonData({"a": [1]})
    assert TextData("a") != BytesData(b"a")
    assert NumpyArray(ARRAY) == NumpyArray(ARRAY.copy())
    assert NumpyArray(ARRAY) != NumpyArray(ARRAY.astype("<i4"))
    assert NumpyArray(ARRAY) != NumpyArray(ARRAY[:1])
    assert ListData([ARRAY, {"a": ARRAY}]) == ListData([ARRAY.copy(), {"a": ARRAY.copy()}])
    assert ListData([ARRAY]) != ListData([ARRAY + 1])
    assert ListData([1]) != ListData([1, 2])
    assert MapData({"a": ARRAY}) == MapData({"a": ARRAY.copy()})
    assert MapData({"a": ARRAY}) != MapData({"b": ARRAY})
    assert BytesData(b"a") != BytesData(b"a", {"type": "other"})
    assert JsonData(1) != 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(TextData("a"))


def test_they_print_what_they_hold():
    for data, text in (
        (TextData("é"), "TextData('é')"),
        (JsonData([1, None]), "JsonData([1, None])"),
        (ListData([1, b"x"]), "ListData([1, b'x'])"),
        (MapData({"a": 1}), "MapData({'a': 1})"),
        (NumpyArray(np.arange(2)), "NumpyArray(array([0, 1]))"),
    ):
        assert repr(data) == text
    assert "3 bytes" in repr(BytesData(b"abc", {"type": "mine"}))
    assert "mine" in repr(BytesData(b"abc", {"type": "mine"}))


def test_they_behave_like_what_they_hold():
    assert bytes(BytesData(b"ab")) == b"ab"
    assert len(BytesData(b"ab")) == len(TextData("ab")) == len(ListData([1, 2])) == 2
    assert str(TextData("ab")) == "ab"
    assert list(ListData([1, 2])) == [1, 2]
    assert ListData([1, 2])[1] == 2
    assert MapData({"a": 1})["a"] == 1
    assert list(MapData({"a": 1})) == ["a"]
    assert (NumpyArray(ARRAY).shape, NumpyArray(ARRAY).dtype) == ((2, 3), np.dtype("<i2"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (JsonData(None), "None"),
        (JsonData([ARRAY]), r"\[0\].*ndarray"),
        (JsonData((1, 2)), "tuple"),
        (TextData("\ud800"), "surrogate"),
        (TextData(b"x"), "bytes"),
        (NumpyArray([{}]), "object"),
        (ListData([{1.5: 2}]), "str or int"),
        (MapData({None: 2}), "str or int"),
        (BytesData(b"", {"type": "a", "x": 2**64}), "2\\*\\*64"),
    ],
    ids=repr,
)
def test_refused(data, words):
    for value in (data, [data, b"x"]):
        if data == JsonData(None) and value is not data:
            continue  # Inside a list it is fine.
        with pytest.raises(ipc0cp.UnsupportedType, match=words):
            encode(value)


def test_refused_when_made():
    with pytest.raises(ValueError, match="mask"):
        NumpyArray(np.ma.masked_array([1], [True]))
    with pytest.raises(TypeError):
        BytesData("text")


class Sentence(TextData):
    pass


class Labelled(np.ndarray):
    """A type of NumPy that knows how to serialize itself."""

    def serialize(self):
        return {"type": "text"}, self.tobytes()


def test_subclasses():
    assert round_trip(Sentence("a")) == "a"
    assert round_trip([Sentence("a"), b"x"]) == ["a", b"x"]
    assert Sentence("a").serialize() == ({"type": "text", "version": "1.0"}, b"a")
    assert Sentence("a") != TextData("a")
    assert repr(Sentence("a")) == "Sentence('a')"
    assert round_trip(np.frombuffer(b"abc", "u1").view(Labelled)) == "abc"


def test_a_deserializer_may_return_them(ring):
    name = "returns-data"
    ipc0cp.register_type(name, lambda _, payload: JsonData(json.loads(payload)))
    try:
        producer, consumer = ring
        producer.push_raw({"type": name}, b"[1,2]")
        assert consumer.pop(10) == JsonData([1, 2])
    finally:
        ipc0cp.unregister_type(name)


def test_json_of_many_levels():
    value = 1
    for _ in range(512):
        value = [value]
    assert same(round_trip(JsonData(value)), value)
    with pytest.raises(ipc0cp.UnsupportedType, match="512 levels"):
        encode(JsonData([value]))
    with pytest.raises(ipc0cp.UnsupportedType, match="64 levels"):
        encode([JsonData(value)])
