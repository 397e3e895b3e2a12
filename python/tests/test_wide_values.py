# SPDX-License-Identifier: Apache-2.0
"""Values that JSON does not have: NaN, infinities, large integers, keys that are integers."""

from __future__ import annotations

import json
from functools import reduce

import numpy as np
import pytest
from helpers import decode, encode, same

import ipc0cp

NAN, INFINITY = float("nan"), float("inf")
ARRAY = np.arange(3.0)
VALUES = [
    NAN, INFINITY, -INFINITY, 2**64, -(2**63) - 1, 10**4000, -(10**4000),
    {1: 2}, {1: "a", "1": "b"}, {2**70: 1, -(2**70): 2, 0: 3}, {-1: {2: {3: []}}},
    [1.0, NAN], {"x": [INFINITY, {"y": -INFINITY}]}, [[[NAN]]], [2**64, 2**64 - 1, "x", None],
    {"a": ARRAY, "loss": NAN}, {1: ARRAY, 2: "two", "3": 2**80}, [ARRAY, NAN, ARRAY, {1: b"x"}],
    {1: {2: {3: ARRAY}}}, {"$x": NAN}, {"$float": "nan"}, [{"$float": "nan"}, NAN], {"$": 2**64},
    {"$object": {"$map": INFINITY}}, {1: {"$int": "0x1"}}, {"frame": b"x", "$loss": NAN},
    {"": NAN}, {"": {1: 2}}, reduce(lambda value, _: [value], range(63), {1: b"x"}),
    reduce(lambda value, _: {1: value}, range(64), NAN),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
def test_come_back_equal_in_value_and_type(value):
    assert same(decode(*encode(value)), value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
def test_in_a_list_a_dict_and_a_data_class(value):
    if not isinstance(value, (list, dict)):
        for around in ([value, 1], {"a": value}, {7: value}, [b"x", value]):
            assert same(decode(*encode(around)), around)
        assert same(decode(*encode(ipc0cp.JsonData(value))), value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
def test_through_a_queue_also_in_tuples(value):
    with_tuples = (value, [(value,)])
    levels = 64 if repr(value).count("[") + repr(value).count("{") > 60 else 0
    queue = ipc0cp.Queue()
    try:
        for sent in (value,) if levels else (value, with_tuples):
            queue.put(sent)
            assert same_with_tuples(queue.get(timeout=10), sent)
    finally:
        queue.close()


def same_with_tuples(left, right) -> bool:
    if type(left) is tuple:
        left, right = list(left), list(right) if type(right) is tuple else right
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(map(same_with_tuples, left, right))
    return same(left, right)


@pytest.mark.parametrize(
    "value", [{1.5: 2}, {True: 2}, {None: 1}, {(1, 2): 3}, {b"a": 1}, {np.int64(1): 2}], ids=repr
)
def test_other_keys_are_refused_with_a_way_out(value):
    for sent in (value, [value], {"a": value}, {"a": [ARRAY, value]}):
        with pytest.raises(ipc0cp.UnsupportedType, match=r"str or int.*list of pairs"):
            encode(sent)
    pairs = [list(pair) for pair in value.items() if not isinstance(pair[0], tuple)]
    decode(*encode(pairs))  # The way out.


def test_the_error_of_json_names_what_marks_cannot_say():
    with pytest.raises(ipc0cp.UnsupportedType, match=r"set is nothing that JSON has"):
        encode(ipc0cp.JsonData({"a": NAN, "b": {1}}))
    with pytest.raises(ipc0cp.UnsupportedType, match=r"a key of type float"):
        encode(ipc0cp.JsonData([NAN, {1.5: 1}]))


def test_messages_that_need_no_marks_are_written_as_ever():
    for value in (1, 1.5, {"a": [1]}, {"$float": "nan"}, {"$a": {"$b": 1}}):
        metadata, payload = encode(value)
        assert metadata == b'{"type":"json","version":"1.0"}'
        assert json.loads(payload) == value
    metadata, _ = encode([1, 2, "x", {"$x": 1}])
    assert b"2.0" not in metadata


def test_a_registered_encoding_of_int_is_asked_inside_marks_too():
    ipc0cp.register_type(
        "test_int",
        lambda *_: "registered",
        python_type=int,
        serialize=lambda _: ({"type": "test_int"}, b""),
    )
    try:
        assert decode(*encode([NAN, 7]))[1] == "registered"
    finally:
        ipc0cp.unregister_type("test_int")


def test_marks_may_be_escaped():
    text = rb'[1,{"\u0024float":"inf"}]'
    metadata = (
        b'{"type":"list","version":"2.0","count":2,"items":[{"metadata":{"type":"json",'
        b'"version":"2.0"},"run":2,"offset":0,"payload_size":%d}]}' % len(text)
    )
    assert decode(metadata, text) == [1, INFINITY]


def test_at_most_1024_keys_beyond_64_bits():
    # Python's hash of all of them is 0: looking for one of n would take n steps.
    keys = [(2**61 - 1) * (n + 9) for n in range(1025)]
    assert len(set(map(hash, keys))) == 1
    most = dict.fromkeys(keys[:1024], 1)
    for value in (most, {**most, 7: 1}, {**most, "a": ARRAY}):
        assert same(decode(*encode(value)), value)
    for value in (dict.fromkeys(keys, 1), [dict.fromkeys(keys, 1)], dict.fromkeys(keys, ARRAY)):
        with pytest.raises(ipc0cp.UnsupportedType, match=r"1024 keys beyond 64 bits.*pairs"):
            encode(value)


def test_as_many_levels_as_json_has():
    # The mark of the number is a level of the text.
    deepest = {"a": reduce(lambda value, _: [value], range(510), NAN)}
    assert repr(decode(*encode(deepest))) == repr(deepest)
    with pytest.raises(ipc0cp.UnsupportedType, match="more than 512 levels"):
        encode({"a": [deepest]})


def test_too_many_levels():
    deepest = reduce(lambda value, _: {1: value}, range(65), NAN)
    with pytest.raises(ipc0cp.UnsupportedType, match="64 levels"):
        encode([deepest])


def test_integers_longer_than_python_prints():
    value = 10**100_000
    assert decode(*encode({value: [-value]})) == {value: [-value]}
