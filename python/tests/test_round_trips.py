# SPDX-License-Identifier: Apache-2.0
"""What comes out equals what went in, in value and type, for any value of the supported types."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import decode, encode, round_trip, same
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from ipc0cp._codec import dtypes

JSON_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON_VALUES = st.recursive(
    JSON_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20
)
SIMPLE_DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64, 128)),
    npst.complex_number_dtypes(endianness="?", sizes=(64, 128, 256)),
    npst.datetime64_dtypes(endianness="?"),
    npst.timedelta64_dtypes(endianness="?"),
    npst.byte_string_dtypes(endianness="?"),
    npst.unicode_string_dtypes(endianness="?"),
)
DTYPES = SIMPLE_DTYPES | npst.nested_dtypes(SIMPLE_DTYPES)


@st.composite
def array_dtypes(draw):
    """Dtypes an array of its own can have: a subarray at the top becomes dimensions."""
    dtype = draw(DTYPES)
    return dtype.base if dtype.subdtype is not None else dtype


@st.composite
def arrays(draw):
    """Arrays of any dtype, shape and strides; the bytes are random, only dates are made whole."""
    dtype = draw(array_dtypes())
    shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    seed = draw(st.integers(0, 2**32 - 1))
    count = int(np.prod(shape, dtype=int)) * dtype.itemsize
    raw = np.random.default_rng(seed).integers(0, 256, count, np.uint8)
    if dtype.hasobject or "U" in str(dtype):  # Random bytes are no UCS-4 text.
        raw[:] = 0
    array = np.ndarray(shape, dtype, raw.tobytes())
    array = array.transpose(draw(st.permutations(range(array.ndim))))
    steps = [draw(st.sampled_from([1, -1, 2, -2])) for _ in shape]
    return array[tuple(slice(None, None, step) for step in steps)] if shape else array


@given(JSON_VALUES.filter(lambda value: value is not None))
def test_json_values(value):
    assert same(round_trip(value), value)


@given(st.binary(max_size=300))
def test_bytes(value):
    assert same(round_trip(value), value)
    assert same(round_trip(bytearray(value)), value)
    assert same(round_trip(memoryview(value)), value)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text(value):
    assert same(round_trip(value), value)


@settings(max_examples=400)
@given(arrays())
def test_arrays(array):
    assert same(round_trip(array), np.array(array, order="K", copy=True))


@settings(max_examples=300)
@given(arrays())
def test_writing_again_gives_the_same_message(array):
    metadata, payload = encode(array)
    again = encode(decode(metadata, payload))
    assert again == (metadata, payload)


@given(array_dtypes())
def test_dtype_descriptions(dtype):
    back = dtypes.parse(dtypes.describe(dtype))
    assert back == dtype
    assert back.isalignedstruct == dtype.isalignedstruct


@st.composite
def images(draw):
    """Small images of any mode, with palettes and transparency."""
    mode = draw(st.sampled_from(Image.MODES))
    width, height = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    image = Image.new(mode, (width, height))
    if width and height:
        size = len(image.tobytes())
        image.frombytes(draw(st.binary(min_size=size, max_size=size)))
    if mode in ("P", "PA"):
        palette_mode = draw(st.sampled_from(["RGB", "RGBA"]))
        entries = draw(st.lists(st.binary(min_size=len(palette_mode), max_size=len(palette_mode))))
        image.putpalette(b"".join(entries[:256]), palette_mode)
    if mode in ("1", "L", "P") and draw(st.booleans()):
        image.info["transparency"] = draw(st.integers(0, 255))
    return image


@given(images())
def test_images(image):
    back = round_trip(image)
    assert same(back, image)
    if image.palette is not None:
        assert bytes(back.palette.palette) == bytes(image.palette.palette)
        assert back.palette.mode == image.palette.mode


@settings(max_examples=100)
@given(st.data())
def test_lists_and_maps(data):
    leaves = JSON_VALUES | st.binary(max_size=80) | arrays() | images()
    values = st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=10
    )
    value = data.draw(st.lists(values, max_size=6) | st.dictionaries(KEYS, values, max_size=6))
    assert same(round_trip(value), value)


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype([("a", "u1"), ("b", "<f8")], align=True),
        np.dtype([(("a title", "a"), "<i2"), ("b", "S3", (2, 3))]),
        np.dtype(
            {"names": ["b", "a"], "formats": ["<i4", "<i4"], "offsets": [8, 2], "itemsize": 20}
        ),
        np.dtype({"names": ["x", "y"], "formats": ["<i4", "<f4"], "offsets": [0, 0]}),
        np.dtype((np.record, [("r", "<f4")])),
        np.dtype([("inner", [("x", "<c8"), ("y", "<M8[ns]")]), ("z", "<U2")]),
        np.dtype({"names": [], "formats": [], "itemsize": 4}),
    ],
    ids=str,
)
def test_structured_dtypes_keep_everything(dtype):
    back = round_trip(np.zeros((2, 3), dtype)).dtype
    assert back == dtype
    assert back.fields == dtype.fields
    assert back.itemsize == dtype.itemsize
    assert back.isalignedstruct == dtype.isalignedstruct
    assert back.type is dtype.type


def test_overlapping_fields_keep_all_bytes():
    dtype = np.dtype({"names": ["whole", "low"], "formats": ["<u4", "<u2"], "offsets": [0, 0]})
    array = np.array([(0x01020304, 0x0506)], dtype).repeat(4)[::2]
    assert round_trip(array).tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "scalar",
    [
        *(np.float64(0.1), np.float32("nan"), np.int8(-1), np.uint64(2**64 - 1), np.bool_(True)),
        *(np.str_("é"), np.bytes_(b"a"), np.datetime64("NaT"), np.timedelta64(3, "h")),
        *(np.complex64(1j), np.longdouble(1) / 3, np.zeros((), "i4,f4")[()]),
    ],
    ids=repr,
)
def test_scalars(scalar):
    back = round_trip(scalar)
    assert same(back, scalar)
    if isinstance(back, np.void):
        assert back.base.flags.owndata  # Not a view into the ring.


@pytest.mark.parametrize("array_module", ["array", "ctypes", "mmap"])
def test_other_buffers_come_out_as_bytes(array_module):
    import array
    import ctypes
    import mmap

    data = b"\x01\x02\x03\x04" * 4
    if array_module == "array":
        buffer = array.array("I", data)
    elif array_module == "ctypes":
        buffer = (ctypes.c_ubyte * 16)(*data)
    else:
        buffer = mmap.mmap(-1, 16)
        buffer[:] = data
    assert round_trip(buffer) == data


def test_tuples_come_back_as_lists():
    assert same(round_trip((1, (2, b"x"))), [1, [2, b"x"]])


def test_long_lists_of_numbers_are_one_record():
    values = list(range(10_000))
    metadata, _ = encode(values)
    assert metadata.count(b'"run"') == 1
    assert same(round_trip(values), values)


def test_long_mixed_lists_and_maps(ring):
    producer, consumer = ring
    small = np.arange(3, dtype=np.uint8)
    items = [small if number % 10 == 0 else number for number in range(10_000)]
    for value in (items, {str(number): item for number, item in enumerate(items)}, [items] * 3):
        producer.push(value)
        assert same(consumer.pop(10), value)
    metadata, _ = encode(items)
    assert metadata.count(b'"run":9') == 1000


@pytest.mark.parametrize("value", [[], {}, [[]], {"a": {}}, [None], {"a": None}], ids=repr)
def test_empty_things_and_none_inside(value):
    assert same(round_trip(value), value)


def test_arrays_inside_lists_are_aligned_views():
    metadata, payload = encode([b"x", np.arange(3.0), {"deep": [np.ones(2, np.float32)]}])
    _, first, inner = decode(metadata, payload)
    for array in (first, inner["deep"][0]):
        assert array.flags.aligned
        assert array.ctypes.data % 64 == 0
        assert not array.flags.writeable
