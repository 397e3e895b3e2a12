# SPDX-License-Identifier: Apache-2.0
"""What a push makes of every kind of Python value: it comes out the same, or as the table says, or
it is refused with its type and the way out in the message. Nothing changes silently.
"""

from __future__ import annotations

import array
import collections
import ctypes
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import mmap
import pathlib
import types
import uuid

import numpy as np
import pytest
from helpers import encode, round_trip, same

import ipc0cp


class Colour(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Flags(enum.IntFlag):
    A = 1
    B = 2


class Word(enum.StrEnum):
    A = "a"


class Whole(int):
    pass


class Real(float):
    pass


class Words(str):
    pass


class Raw(bytes):
    pass


class Sequence(list):
    pass


class Mapping(dict):
    pass


class Frame(np.ndarray):
    pass


@dataclasses.dataclass
class Point:
    x: int


Pair = collections.namedtuple("Pair", "x y")


class Record(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int32), ("y", ctypes.c_double))


class Tensor:
    """An object of another library that shares memory through DLPack."""

    def __init__(self, array, error=None):
        self._array = array
        self._error = error

    def __dlpack__(self, **options):
        if self._error is not None:
            raise self._error
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def mapped(data):
    memory = mmap.mmap(-1, len(data))
    memory[:] = data
    return memory


def nested(levels, innermost):
    return functools.reduce(lambda inner, _: [inner], range(levels), innermost)


SHARED = np.arange(3)

#: Comes out equal in value and type.
SAME = {
    "bytes": b"a\0b",
    "no_bytes": b"",
    "text": "é\U0001f600",
    "no_text": "",
    "text_with_zeros": "\0a\0",
    "noncharacters": "\uffff\ufdd0\x7f\x80",
    "true": True,
    "false": False,
    "zero": 0,
    "smallest": -(2**63),
    "largest": 2**64 - 1,
    "beyond_doubles": 2**53 + 1,
    "float": 0.1,
    "whole_float": 1.0,
    "minus_zero": -0.0,
    "minus_zero_inside": [-0.0, 0.0, {"a": -0.0}],
    "denormal": 5e-324,
    "largest_float": 1.7976931348623157e308,
    "dict": {"b": [1, 2.5, None, "x"], "a": {}},
    "empty_dict": {},
    "empty_key": {"": ""},
    "keys_with_zeros": {"\0": 1, 'é\n"\\': 2},
    "bools_and_ints": [True, 1, 1.0, False, 0, 0.0, {"a": True, "b": 1}],
    "none_inside": [None, {"a": None}],
    "empty_list": [],
    "nested_empties": [[], {}, [[]], "", b""],
    "list_of_bytes": [b"", b"a"],
    "map": {"frame": SHARED, "label": 3, "": b"", "deep": {"a": [SHARED]}},
    "shared_references": [SHARED, SHARED, {"a": SHARED}],
    "most_levels": nested(64, b"x"),
    "most_json_levels_in_a_list": nested(64, 1),
    "float64_in_a_dict": {"score": np.float64(0.5)},
    "numpy_bool_in_a_list": [np.True_, True],
    "numpy_scalars": [np.int8(1), np.uint64(2**64 - 1), np.float16(0.5), np.complex64(1j)],
    "numpy_text_scalar": np.str_("é"),
    "numpy_bytes_scalar": np.bytes_(b"a\0b"),
    "numpy_void_scalar": np.void(b"\0ab\0"),
    "numpy_date_scalar": np.datetime64("2024-02-29", "D"),
    "numpy_nat": np.datetime64("NaT"),
    "numpy_nan": np.float32("nan"),
    "record_scalar": np.rec.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", "<f8")])[0],
    "structured_scalar": np.zeros((), "i4,f4")[()],
    "array": np.arange(6.0).reshape(2, 3),
    "array_of_nothing": np.zeros((0, 3)),
    "array_of_one": np.array(5),
    "array_of_nan": np.array([np.nan, -0.0, np.inf]),
    "big_endian": np.arange(3, dtype=">u4"),
    "fortran": np.asfortranarray(np.ones((2, 3))),
    "unicode_array": np.array(["", "é\U0001f600"]),
    "surrogates_in_an_array": np.array(["\ud800"]),
    "dates": np.array(["2024-02-29", "NaT"], "M8[ns]"),
    "long_double": np.array([1, 2], np.longdouble) / 3,
    "titles": np.zeros(2, [(("a title", "a"), "<i2"), ("b", "S3", (2, 3))]),
    "aligned": np.zeros(2, np.dtype([("a", "u1"), ("b", "<f8")], align=True)),
    "record_dtype": np.zeros(2, np.dtype((np.record, [("a", "<i4")]))),
    "no_fields": np.zeros(3, np.dtype([])),
}

#: Comes out as something else, as documented.
BECOMES = {
    "tuple": ((1, (2, b"x")), [1, [2, b"x"]]),
    "empty_tuple": ((), []),
    "tuple_in_a_dict": ({"a": (1, 2)}, {"a": [1, 2]}),
    "bytearray": (bytearray(b"abc"), b"abc"),
    "memoryview": (memoryview(b"abcd")[1:3], b"bc"),
    "memoryview_of_floats": (memoryview(np.ones((2, 1))), np.ones(2).tobytes()),
    "array_module": (array.array("h", [1, 2]), b"\x01\0\x02\0"),
    "ctypes_array": ((ctypes.c_ubyte * 3)(1, 2, 3), b"\x01\x02\x03"),
    "ctypes_structure": (Record(1, 0), b"\x01" + bytes(15)),
    "mmap": (mapped(b"abcd"), b"abcd"),
    "bytes_io_buffer": (io.BytesIO(b"abc").getbuffer(), b"abc"),
    "tensor": (Tensor(np.arange(3.0)), np.arange(3.0)),
    "tensor_inside": ([Tensor(SHARED), 1], [SHARED, 1]),
    "tensor_of_no_dimensions": (Tensor(np.array(2.5)), np.array(2.5)),
    "strided_array": (np.arange(10)[::2], np.arange(0, 10, 2)),
    "repeated_array": (np.broadcast_to(np.int8(1), (2, 3)), np.ones((2, 3), np.int8)),
    "read_only_array": (np.frombuffer(b"ab", "u1"), np.array([97, 98], "u1")),
    "long_long_array": (np.array([1], np.longlong), np.array([1], np.int64)),
}

#: Raises UnsupportedType.
REFUSED = {
    "none": None,
    "lone_surrogate": "\ud800",
    "lone_surrogate_inside": {"a": ["\udfff"]},
    "lone_surrogate_in_a_run": ["a", b"b", "\udfff"],
    "lone_surrogate_key": {"\udfff": 1},
    "lone_surrogate_key_of_a_map": {"\udfff": b"1"},
    "bool_key": {True: 2},
    "none_key": {None: 2},
    "tuple_key": {(1, 2): 3},
    "bytes_key": {b"a": 1},
    "numpy_text_key": {np.str_("a"): 1},
    "float64_key": {np.float64(1): 1},
    "str_subclass_key": {Words("a"): 1},
    "enum": Colour.RED,
    "int_enum": Number.ONE,
    "int_enum_inside": [Number.ONE],
    "int_flag": Flags.A | Flags.B,
    "str_enum": Word.A,
    "int_subclass": Whole(1),
    "float_subclass": {"a": Real(1)},
    "str_subclass": Words("a"),
    "bytes_subclass": Raw(b"a"),
    "bytearray_subclass": type("B", (bytearray,), {})(b"a"),
    "list_subclass": Sequence([1]),
    "dict_subclass": Mapping(a=1),
    "ordered_dict": collections.OrderedDict(a=1),
    "default_dict": collections.defaultdict(int, a=1),
    "counter_inside": [collections.Counter("a")],
    "chain_map": collections.ChainMap({"a": 1}),
    "deque": collections.deque([1]),
    "named_tuple": Pair(1, 2),
    "named_tuple_inside": [Pair(1, 2)],
    "user_dict": collections.UserDict(a=1),
    "user_list": collections.UserList([1]),
    "mapping_proxy": types.MappingProxyType({"a": 1}),
    "namespace": types.SimpleNamespace(a=1),
    "set": {1, 2},
    "frozen_set": frozenset({1}),
    "range": range(3),
    "slice": slice(1, 2),
    "generator": (n for n in ()),
    "iterator": iter([1]),
    "dict_view": {"a": 1}.keys(),
    "complex": 1j,
    "complex_inside": [1, 1j],
    "decimal": decimal.Decimal("1.5"),
    "fraction": fractions.Fraction(1, 3),
    "date": datetime.date(2024, 2, 29),
    "date_time": datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
    "time_delta": datetime.timedelta(1),
    "uuid": uuid.UUID(int=1),
    "path": pathlib.Path("a"),
    "dataclass": Point(1),
    "ellipsis": ...,
    "not_implemented": NotImplemented,
    "function": len,
    "method": "".join,
    "type": int,
    "own_class": ipc0cp.SerializableObject,
    "module": io,
    "exception": ValueError("x"),
    "file": io.BytesIO(b"abc"),
    "object": object(),
    "object_inside": {"a": [object()]},
    "cycle": (lambda value: value.append(value) or value)([]),
    "cyclic_dict": (lambda value: value.update(a=value) or value)({}),
    "cycle_of_a_map": (lambda value: value.update(a=[value]) or value)({"b": b"x"}),
    "deep_list": nested(65, b"x"),
    "deep_json_list": nested(65, 1),
    "deep_json": {"a": nested(512, 1)},
    "object_array": np.array([{}], object),
    "object_array_inside": [np.array([{}], object)],
    "object_field": np.zeros(1, [("a", object)]),
    "masked_array": np.ma.masked_array([1], [True]),
    "masked": np.ma.masked,
    "matrix": np.asmatrix(np.ones((2, 2))),
    "record_array": np.rec.array([(1,)], dtype=[("a", "i4")]),
    "char_array": np.char.array(["a"]),
    "array_subclass": np.ones(3).view(Frame),
    "dtype_metadata": np.zeros(2, np.dtype("<f4", metadata={"unit": "m"})),
    "dtype_metadata_of_a_field": np.zeros(2, [("a", np.dtype("<f4", metadata={"unit": "m"}))]),
    "title_that_is_no_text": np.zeros(1, [((1, "a"), "i4")]),
    "ending_in_zero": np.bytes_(b"a\0"),
    "text_ending_in_zero": np.str_("a\0"),
    "long_long": np.longlong(1),
    "dtype": np.dtype("f4"),
    "numpy_type": np.float32,
    "numpy_iterator": np.nditer(np.ones(2)),
    "tensor_on_a_device": Tensor(SHARED, BufferError("this tensor is on a GPU")),
    "tensor_that_needs_gradients": Tensor(SHARED, RuntimeError("it requires grad")),
    "tensor_of_an_unknown_type": Tensor(np.array(["a"])),
    "strided_buffer": memoryview(b"abcdef")[::2],
    "fortran_buffer": memoryview(np.asfortranarray(np.ones((2, 3)))),
    "buffer_of_objects": memoryview(np.array([{}], object)),
    "buffer_of_objects_in_fields": memoryview(np.zeros(1, [("O", "i4"), ("b", object)])),
    "ctypes_object": (ctypes.py_object * 1)(1),
    "released_buffer": (lambda view: view.release() or view)(memoryview(b"a")),
    "closed_map": (lambda memory: memory.close() or memory)(mapped(b"a")),
}
if hasattr(np.dtypes, "StringDType"):
    REFUSED["string_dtype"] = np.array(["a"], np.dtypes.StringDType())
if np.longlong is np.int64:
    del REFUSED["long_long"]


def memory_map(tmp_path):
    return np.memmap(tmp_path / "file", np.uint8, "w+", shape=(3,))


@pytest.mark.parametrize("value", SAME.values(), ids=SAME)
def test_the_same_comes_out(value):
    assert same(round_trip(value), value)


@pytest.mark.parametrize(
    "name", sorted(SAME.keys() - {"most_levels", "most_json_levels_in_a_list"})
)
def test_the_same_comes_out_of_lists_and_maps(name):
    value = [1, SAME[name], {"a": SAME[name]}, b""]
    assert same(round_trip(value), value)


@pytest.mark.parametrize(("value", "expected"), BECOMES.values(), ids=BECOMES)
def test_what_becomes_something_else(value, expected):
    assert same(round_trip(value), expected)
    assert same(round_trip([value, {"a": value}]), [expected, {"a": expected}])


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_refused(value):
    with pytest.raises(ipc0cp.UnsupportedType) as caught:
        encode(value)
    assert isinstance(caught.value, TypeError)
    assert caught.value.code is ipc0cp.ErrorCode.unsupported_type
    assert 20 < len(str(caught.value)) < 600


def test_a_memory_map_is_refused(tmp_path):
    with pytest.raises(ipc0cp.UnsupportedType, match=r"memmap.*asarray"):
        encode(memory_map(tmp_path))
    assert same(round_trip(np.asarray(memory_map(tmp_path))), np.zeros(3, np.uint8))


def test_all_pass_through_a_ring(ring):
    producer, consumer = ring
    for value in SAME.values():
        producer.push(value)
        assert same(consumer.pop(10), value)
    for value, expected in BECOMES.values():
        producer.push(value)
        assert same(consumer.pop(10), expected)


def test_a_refused_push_queues_nothing(ring):
    producer, consumer = ring
    producer.push(b"before")
    for value in REFUSED.values():
        with pytest.raises(ipc0cp.UnsupportedType):
            producer.push(value)
    producer.push(b"next")
    assert consumer.stats().messages == 2
    assert [consumer.pop(10), consumer.pop(10)] == [b"before", b"next"]
    assert consumer.stats().used_bytes == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": {"b\n": "\ud800"}}, r"\['a'\]\['b\\n'\].*surrogate"),
        (nested(65, b"x"), "64 levels"),
        ({1.5: 2}, r"str or int.*1\.5 is float.*list of pairs"),
        (Number.ONE, r"Number.*int\(x\)"),
        (Pair(1, 2), r"Pair.*list\(x\)"),
        (np.asmatrix(np.ones((2, 2))), r"matrix.*numpy\.asarray"),
        (memoryview(b"abcdef")[::2], r"bytes\(x\)"),
        (np.array(["a"], object), "object"),
        (np.longlong(1), "longlong"),
        (Tensor(SHARED, BufferError("on a GPU")), "Tensor.*GPU.*CPU"),
        (Point(1), "Point.*register_type"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_messages_name_place_limit_and_way_out(value, words):
    with pytest.raises(ipc0cp.UnsupportedType, match=words):
        encode(value)
