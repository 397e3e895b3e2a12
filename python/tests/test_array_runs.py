# SPDX-License-Identifier: Apache-2.0
"""Many small arrays in a list or dict travel as one record and come back as they were."""

from __future__ import annotations

import gc
import json
import weakref

import numpy as np
import pytest
from helpers import decode, encode, new_name, same

import ipc0cp


def ragged(dtype="<i8", count=100):
    return [np.arange(n % 7).astype(dtype) for n in range(count)]


def records_of(value):
    return json.loads(encode(value)[0])["items"]


SEVERAL = {
    "ragged": ragged(),
    "big_endian": ragged(">i4"),
    "dates": [np.array(["2024-01-01", "NaT"], "M8[D]")] * 3,
    "text": [np.array(["a", "\u00e9"]), np.array(["b", "cd"])[:1]],
    "planes": [np.full((2, 3, 4), n, "f4") for n in range(5)],
    "ragged_planes": [np.ones((n, 2), "u1") for n in range(5)],
    "no_dimensions": [np.array(n, "f8") for n in range(5)],
    "empty": [np.zeros((0, 3))] * 4,
    "structured": list(np.array([[(1, 2.0)], [(3, 4.0)]], [("a", "i4"), ("b", "f8")])),
    "not_a_number": [np.array([np.nan, -0.0])] * 2,
    "long_double": [np.ones(2, "f16")] * 2,
    "zero_item_bytes": [np.zeros(2, "V0")] * 2,
    "most_dimensions": [np.ones((1,) * 32, "u1")] * 3,
    "mixed": [np.ones(1), np.ones(2), 1, "x", np.ones(3), np.float32(1), np.ones(4), np.ones(5)],
    "kinds": [np.ones(1), np.ones(1, "f4"), np.ones((1, 1)), np.ones(1)],
    "fortran": [np.ones((2, 2)), np.asfortranarray(np.ones((2, 2))), np.ones((2, 2))],
    "strided": [np.arange(10)[::2], np.arange(3), np.arange(4)[::-1]],
    "large": [np.ones(513)] * 2 + [np.ones(512)] * 2,
    "broadcast": [np.broadcast_to(np.int64(3), (3,)), np.arange(3)],
}


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("value", SEVERAL.values(), ids=SEVERAL)
def test_come_back_as_they_were(value, copy):
    back = decode(*encode(value), copy=copy)
    assert same(back, value)
    by_name = {f"k{n}": item for n, item in enumerate(value)}
    assert same(decode(*encode(by_name), copy=copy), by_name)
    by_number = dict(enumerate(value))
    assert same(decode(*encode(by_number), copy=copy), by_number)
    for array in back:
        if type(array) is np.ndarray:
            assert array.flags.writeable == copy
            assert array.flags.aligned


def test_a_run_is_one_record():
    assert len(records_of(ragged())) == 1
    assert len(records_of([np.ones(3)] * 1000)) == 1
    assert records_of([np.ones((2, 3))] * 2)[0]["shape"] == [2, 3]
    assert records_of(ragged())[0]["dimensions"] == 1
    assert len(records_of([np.ones(512)] * 2)) == 1
    assert len(records_of([np.ones(513)] * 2)) == 2, "larger ones are aligned to 64 bytes"


def test_arrays_with_fields_are_items():
    records = records_of([*SEVERAL["structured"], np.ones(1), np.ones(1)])
    assert [record.get("run", "item") for record in records] == ["item", "item", 2]


def test_one_array_is_an_item_as_ever():
    metadata, _ = encode([np.ones(3), 1, np.ones(3, "f4")])
    assert b"2.0" not in metadata


def test_a_popped_run_is_pushed_as_a_run():
    for name in SEVERAL.keys() - {"strided", "broadcast"}:  # They come back in C order.
        metadata, payload = encode(SEVERAL[name])
        assert encode(decode(metadata, payload)) == (metadata, payload)


def test_dtypes_that_only_look_equal_share_no_record():
    fields = [("a", "i4"), ("b", "i4")]
    plain, record = np.dtype(fields), np.dtype((np.record, fields))
    arrays = [np.zeros(2, plain), np.zeros(2, record).view(np.ndarray), np.zeros(2, plain)]
    assert [item.dtype.type for item in decode(*encode(arrays))] == [np.void, np.record, np.void]


def test_a_field_renamed_in_one_array_is_not_renamed_in_others():
    first, second = decode(*encode(SEVERAL["structured"]))
    first.dtype.names = ("x", "y")
    assert second.dtype.names == ("a", "b")


def test_views_keep_the_block_and_let_it_go():
    name = new_name()
    with (
        ipc0cp.SharedRingBufferConsumer(name, 1 << 16) as consumer,
        ipc0cp.SharedRingBufferProducer(name, 1 << 16) as producer,
    ):
        arrays = ragged(count=50)
        producer.push(arrays)
        back = consumer.pop(timeout=10)
        last = back[6][1:3]
        del back
        gc.collect()
        producer.push(bytes(30_000))
        consumer.pop(timeout=10)
        assert last.tolist() == [1, 2]
        with pytest.raises(ValueError, match="read-only"):
            last[0] = 5
        watcher = weakref.ref(last)
        del last
        gc.collect()
        assert watcher() is None
        assert producer.push(bytes(60_000), timeout=0)


def test_a_registered_encoding_of_arrays_is_asked():
    ipc0cp.register_type(
        "test_array",
        lambda *_: "registered",
        python_type=np.ndarray,
        serialize=lambda _: ({"type": "test_array"}, b""),
    )
    try:
        assert decode(*encode([np.ones(1)] * 3)) == ["registered"] * 3
    finally:
        ipc0cp.unregister_type("test_array")


def test_gaps_with_objects_in_them_do_not_travel():
    whole = np.array([(1, [], 2.5), (2, [], 3.5)], [("a", "i4"), ("b", "O"), ("c", "f8")])
    part = whole[["a", "c"]]
    back = decode(*encode([part, part]))
    assert [array.tolist() for array in back] == [part.tolist()] * 2
    assert same(back[0], decode(*encode(part)))


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4"])
def test_types_of_ml_dtypes(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    arrays = [np.ones(n, getattr(ml_dtypes, name)) for n in range(5)]
    assert same(decode(*encode(arrays)), arrays)
    assert len(records_of(arrays)) == 1


@pytest.mark.parametrize("period", [1, 2, 3, 5, 100, 300])
def test_runs_of_any_length(period):
    dtypes = ("i4", "f8", "u2")
    arrays = [np.full(n % 3, n % 7, dtypes[n // period % 3]) for n in range(700)]
    assert same(decode(*encode(arrays)), arrays)
    assert len(records_of(arrays)) == -(-700 // period)


def test_object_arrays_are_refused():
    with pytest.raises(ipc0cp.UnsupportedType, match="object"):
        encode([np.array([{}], object)] * 2)
