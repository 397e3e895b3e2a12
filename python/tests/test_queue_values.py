# SPDX-License-Identifier: Apache-2.0
"""What a queue carries: equal in value and type, or refused, or pickled on request."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import enum
import json
import pickle

import numpy as np
import pytest
from helpers import same_leaves
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import ipc0cp
from ipc0cp._queue import codec as queue_codec


@pytest.fixture
def plain():
    with ipc0cp.Queue() as queue:
        yield queue


@pytest.fixture
def pickling():
    with ipc0cp.Queue(pickle=True) as queue:
        yield queue


def same(left, right) -> bool:
    """Equal in value and type all the way down, tuples and pickled objects included."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(map(same, left.values(), right.values()))
    return same_leaves(left, right)


def through(queue, value):
    queue.put(value)
    return queue.get(timeout=0)


class Colour(enum.IntEnum):
    RED = 1


Pair = collections.namedtuple("Pair", "left right")


@dataclasses.dataclass
class Sample:
    label: str
    image: np.ndarray
    small: np.ndarray

    def __eq__(self, other: object) -> bool:
        return type(other) is Sample and same(vars(self), vars(other))


ARRAY = np.arange(20_000, dtype=np.int32).reshape(100, 200)
PLAIN_CONTAINERS = [
    (), ((),), (None,), (1,), (1, "a", 2.5, None, True), (1, (2, [3, (4,)])), [(1, 2), (3, 4)],
    [], {}, {1: "int key"}, {1: (2,)}, [2**64],
    [float("nan")], [None, (None,), [None]],
    {"a": (1, (2,))}, {"a": [{"b": ({},)}]}, {"a": [1, 2.5]},
    [bytearray(b"x"), b"x"],
    # Dicts that look like the marks themselves.
    {"": 1}, {"": None}, {"": []}, {"": [1]}, {"": {}}, {"": {"": {"": []}}}, ({"": ()},),
    {"": (1,)}, {"": bytearray(b"x")}, {"": b"x"}, {"": {"": (1,)}, "a": ()}, [{"": {"": 1}}, ()],
]  # fmt: skip
LEAVES_AND_ARRAYS = [
    None, True, 7, -(2**63), 1.5, -0.0, "", "tëxt", b"", b"bytes", bytearray(), bytearray(b"bytes"),
    (ARRAY,), (7, ARRAY), {"frame": ARRAY, "size": (100, 200)}, [(ARRAY, 0), (ARRAY.T, 1)],
    ARRAY, ARRAY.T, ARRAY[::2, ::3], np.float32(1.5), (np.int8(3), np.array(5)),
]  # fmt: skip
PLAIN_VALUES = PLAIN_CONTAINERS + LEAVES_AND_ARRAYS
NEEDS_PICKLE = [
    {1.5: "key"}, {(1, 2): 3}, {1, 2}, frozenset({1}), {None: 1}, {True: 1}, 1 + 2j,
    range(3), Colour.RED, Pair(1, [2]), datetime.date(2026, 2, 3), collections.OrderedDict(a=1),
    collections.deque([1]), (1, {2, 3}), [Pair(1, 2)], {"deep": [({"key": {b"": 2}},)]}, "\ud800",
    slice(1, 2), len,
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN_VALUES, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("queue", ["plain", "pickling"])
def test_carried_as_it_is(queue, value, request):
    assert same(through(request.getfixturevalue(queue), value), value)


@pytest.mark.parametrize("value", PLAIN_VALUES, ids=lambda value: repr(value)[:40])
def test_pickled_only_where_that_is_better(value):
    """Plain lists, tuples and dicts: there it is faster than JSON. Never without being asked."""
    assert is_pickled(value, may_pickle=True) == any(value is one for one in PLAIN_CONTAINERS)
    assert not is_pickled(value, may_pickle=False)


def is_pickled(value, may_pickle: bool) -> bool:
    return b'"pickle"' in queue_codec.encode(value, may_pickle).metadata


class Registered:
    """Cannot be pickled, but has a registered encoding."""

    def __reduce__(self):
        raise AssertionError("must not be pickled")


def test_registered_types_are_not_pickled(pickling):
    ipc0cp.register_type(
        "queue-test",
        lambda *_: "registered",
        python_type=Registered,
        serialize=lambda _: ({"type": "queue-test"}, b""),
    )
    try:
        assert through(pickling, Registered()) == "registered"
        assert through(pickling, (1, [Registered()])) == (1, ["registered"])
    finally:
        ipc0cp.unregister_type("queue-test")


@pytest.mark.parametrize("value", NEEDS_PICKLE, ids=lambda value: repr(value)[:40])
def test_needs_pickle(plain, pickling, value):
    with pytest.raises(ipc0cp.UnsupportedType, match=r"; a Queue made with pickle=True carries it"):
        plain.put(value)
    assert plain.empty()
    assert same(through(pickling, value), value)


json_leaves = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.binary()
    | st.binary().map(bytearray)
)  # fmt: skip
keys = st.sampled_from(["", "a", "type"]) | st.text()
values = st.recursive(
    json_leaves,
    lambda children: st.lists(children) | st.lists(children).map(tuple)
    | st.dictionaries(keys, children),
    max_leaves=30,
)  # fmt: skip


@pytest.fixture(scope="module")
def one_for_all():
    with ipc0cp.Queue() as queue:
        yield queue


@given(value=values)
def test_any_value_comes_back_as_it_was(one_for_all, value):
    assert same(through(one_for_all, value), value)


@pytest.mark.parametrize("levels", [1, 64])
def test_nesting(plain, levels):
    value = ()
    for _ in range(levels - 1):
        value = (value,)
    assert same(through(plain, value), value)
    with pytest.raises(ipc0cp.UnsupportedType, match="64 levels"):
        deep = ()
        for _ in range(64):
            deep = (deep,)
        plain.put(deep)


def test_values_that_hold_themselves(plain, pickling):
    value = [1, (2,)]
    value.append(value)
    with pytest.raises(ipc0cp.UnsupportedType):
        plain.put(value)
    received = through(pickling, value)
    assert received[2] is received
    assert received[:2] == [1, (2,)]


def test_object_arrays(plain, pickling):
    value = np.array([1, "a", None, (2,)], dtype=object)
    with pytest.raises(ipc0cp.UnsupportedType, match="pickle=True"):
        plain.put(value)
    received = through(pickling, value)
    assert received.dtype == object
    assert same(received.tolist(), value.tolist())


def test_images(plain):
    image = Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 20).convert("RGB")
    label, received = through(plain, ("label", image))
    assert label == "label"
    assert received.tobytes() == image.tobytes()


def test_what_changes_its_type_unless_it_is_pickled(plain, pickling):
    """As a ring does it: other buffers come back as bytes."""
    numbers = array.array("i", [1, 2, 3])
    assert through(plain, numbers) == numbers.tobytes()
    assert same(through(pickling, numbers), numbers)
    for queue in (plain, pickling):
        assert through(queue, memoryview(b"abc")) == b"abc"


class HasSerialize:
    """Has a method of that name, which means something else."""

    def serialize(self):
        raise AssertionError("not meant for ipc0cp")

    def __eq__(self, other):
        return type(other) is HasSerialize

    __hash__ = None


def test_classes_with_a_method_called_serialize(pickling):
    assert through(pickling, HasSerialize()) == HasSerialize()
    assert through(pickling, [HasSerialize(), (1,)]) == [HasSerialize(), (1,)]


# ---- pickled objects -----------------------------------------------------------------------------


def make_sample() -> Sample:
    return Sample("cat", np.arange(500_000.0).reshape(500, 1000), np.arange(5))


def test_arrays_inside_objects_travel_beside_the_stream():
    sample = make_sample()
    encoded = queue_codec.encode(sample, may_pickle=True)
    items = json.loads(encoded.metadata)["value"]["items"]
    assert len(items) == 2, "the stream and the large array; the small one is in the stream"
    assert items[0]["payload_size"] < 2000
    assert items[1]["payload_size"] == sample.image.nbytes
    assert items[1]["offset"] % 64 == 0


def test_what_was_unpickled_is_owned_and_writable(pickling):
    sample = make_sample()
    received = through(pickling, sample)
    assert received == sample
    received.image[0, 0] = received.small[0] = 7
    assert sample.image[0, 0] == 0
    assert pickling._share.writing().stats().used_bytes == 0


def test_views_inside_objects_on_request(pickling):
    sample = make_sample()
    pickling.put(sample)
    received = pickling.get(copy=False)
    assert received == sample
    assert not received.image.flags.writeable
    assert received.image.ctypes.data % 64 == 0
    assert pickling._share.writing().stats().used_bytes >= sample.image.nbytes
    del received
    assert pickling._share.writing().stats().used_bytes == 0


def test_read_only_and_shared_arrays_stay_so(pickling):
    frozen = np.arange(10_000)
    frozen.flags.writeable = False
    received = through(pickling, {1.5: frozen, 2.5: frozen})
    assert received[1.5] is received[2.5]
    assert not received[1.5].flags.writeable
    assert same(received[1.5], frozen)


def test_objects_that_cannot_be_pickled_fail_at_once(pickling):
    with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
        pickling.put(lambda: None)
    assert pickling.empty()


class FailsToLoad:
    def __reduce__(self):
        return int, ("no number",)


def test_errors_of_unpickling_pass_through(pickling):
    pickling.put(FailsToLoad())
    pickling.put("next")
    with pytest.raises(ValueError, match="no number"):
        pickling.get()
    assert pickling.get() == "next"


def test_reducers_of_multiprocessing_count(pickling):
    from multiprocessing.reduction import ForkingPickler

    class Local:
        pass

    ForkingPickler.register(Local, lambda _: (complex, (1, 2)))
    try:
        assert through(pickling, Local()) == 1 + 2j
    finally:
        ForkingPickler._extra_reducers.pop(Local)
