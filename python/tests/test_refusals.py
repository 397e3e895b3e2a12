# SPDX-License-Identifier: Apache-2.0
"""Objects that would change on their way are refused, with the type in the message."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum

import numpy as np
import pytest
from helpers import encode

import ipc0cp


class Colour(enum.IntEnum):
    RED = 1


class Words(str):
    pass


@dataclasses.dataclass
class Point:
    x: int


def cyclic():
    value: list = []
    value.append(value)
    return value


def dtype_with_metadata():
    return np.zeros(2, np.dtype("<f4", metadata={"unit": "m"}))


REFUSED = {
    "none": None,
    "nan": float("nan"),
    "infinity": {"x": float("inf")},
    "too_large": 2**64,
    "too_small": [-(2**63) - 1],
    "lone_surrogate": "\ud800",
    "lone_surrogate_inside": {"a": ["\udfff"]},
    "lone_surrogate_key": {"\udfff": 1},
    "int_key": {1: 2},
    "none_key": {None: 2},
    "int_key_in_map": {"a": {1: b"x"}},
    "enum": Colour.RED,
    "enum_inside": [Colour.RED],
    "str_subclass": Words("a"),
    "bytes_subclass": type("B", (bytes,), {})(b"a"),
    "dict_subclass": collections.OrderedDict(a=1),
    "counter_inside": [collections.Counter("a")],
    "named_tuple": collections.namedtuple("P", "x")(1),
    "set": {1, 2},
    "complex": 1j,
    "decimal": decimal.Decimal("1.5"),
    "date": datetime.date(2024, 2, 29),
    "dataclass": Point(1),
    "function": len,
    "type": int,
    "object": object(),
    "cycle": cyclic(),
    "deep_list": __import__("functools").reduce(lambda inner, _: [inner], range(70), b"x"),
    "object_array": np.array([{}], object),
    "object_field": np.zeros(1, [("a", object)]),
    "masked": np.ma.masked_array([1], [True]),
    "matrix": np.asmatrix(np.ones((2, 2))),
    "record_array": np.rec.array([(1,)], dtype=[("a", "i4")]),
    "memmap_like": np.ones(3).view(type("A", (np.ndarray,), {})),
    "dtype_metadata": dtype_with_metadata(),
    "ending_in_zero": np.bytes_(b"a\0"),
    "long_long": np.longlong(1),
    "dtype": np.dtype("f4"),
    "strided_buffer": memoryview(b"abcdef")[::2],
    "generator": (n for n in ()),
}
if hasattr(np.dtypes, "StringDType"):
    REFUSED["string_dtype"] = np.array(["a"], np.dtypes.StringDType())
if np.longlong is np.int64:
    del REFUSED["long_long"]


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_refused(value):
    with pytest.raises(ipc0cp.UnsupportedType) as caught:
        encode(value)
    assert isinstance(caught.value, TypeError)
    assert caught.value.code is ipc0cp.ErrorCode.unsupported_type
    assert len(str(caught.value)) > 20


def test_the_place_is_named():
    with pytest.raises(ipc0cp.UnsupportedType, match=r"\['a'\]\[1\]"):
        encode({"a": [1, float("nan")]})


def test_a_refused_push_queues_nothing(ring):
    producer, consumer = ring
    for value in REFUSED.values():
        with pytest.raises(ipc0cp.UnsupportedType):
            producer.push(value)
    assert consumer.stats().messages == 0
    assert consumer.stats().used_bytes == 0


def test_subclasses_of_arrays_say_what_to_do():
    with pytest.raises(ipc0cp.UnsupportedType, match="asarray"):
        encode(np.asmatrix(np.ones((2, 2))))
