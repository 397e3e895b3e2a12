# SPDX-License-Identifier: Apache-2.0
"""Values that something else changes while they are encoded: one moment of them, or a refusal."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from helpers import MIB, Background, decode, encode, new_name, round_trip

import ipc0cp
from ipc0cp._codec import codec, typed_json


class Changer:
    """Changes the value around it when it is encoded."""

    def __init__(self, change) -> None:
        self.change = change


@pytest.fixture(autouse=True)
def changers():
    def serialize(changer):
        changer.change()
        return {"type": "test_changer"}, b""

    ipc0cp.register_type(
        "test_changer", lambda *_: "changer", python_type=Changer, serialize=serialize
    )
    yield
    ipc0cp.unregister_type("test_changer")


@pytest.mark.parametrize("change", ["clear", "popitem"])
def test_a_dict_goes_out_as_it_was(change):
    value = {}
    value |= {"x": Changer(lambda: getattr(value, change)()), "y": b"1", 3: "z"}
    assert round_trip(value) == {"x": "changer", "y": b"1", 3: "z"}


@pytest.mark.parametrize("change", [list.clear, list.pop, lambda items: items.append(b"")])
def test_a_list_goes_out_as_it_was(change):
    value = [b"1", "z"]
    value.insert(0, Changer(lambda: change(value)))
    assert round_trip(value) == ["changer", b"1", "z"]


def test_a_dict_that_another_thread_changes_keeps_its_keys():
    value = {f"key {n}": f"key {n}".encode() for n in range(50)}
    ends = []

    def change():
        while not ends:
            for n in range(50, 80):
                value[f"key {n}"] = f"key {n}".encode()
            for n in range(50, 80):
                del value[f"key {n}"]

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    changing = Background(change)
    try:
        for _ in range(300):
            back = round_trip(value)
            assert all(key.encode() == item for key, item in back.items())
            assert len(back) >= 50
    finally:
        ends.append(True)
        sys.setswitchinterval(before)
        changing.result()


class ChangingKey:
    """Of one hash, so that keys are compared; from then on that changes the dict around them."""

    def __init__(self, around) -> None:
        self.around = around

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other) -> bool:
        self.around[object()] = 1
        return False


def test_a_dict_whose_keys_change_it_is_refused():
    value = dict.fromkeys(range(100, 200), 0)
    value |= {ChangingKey({}): 0, ChangingKey({}): 1}
    for key in range(100, 200):  # A dict with gaps is copied key by key.
        del value[key]
    for key in value:
        key.around = value
    with pytest.raises(ipc0cp.UnsupportedType, match="changed"):
        typed_json.snapshot_of(value)
    with pytest.raises(ipc0cp.UnsupportedType):
        codec.encode(value)


@pytest.fixture
def late_object(monkeypatch):
    """A list into which an object comes right after it was found to be JSON with marks."""
    inner = [float("nan")]
    check = typed_json.check

    def check_and_change(value, levels):
        check(value, levels)
        if len(inner) == 1:
            inner.append({1, 2})

    monkeypatch.setattr(typed_json, "check", check_and_change)
    return inner


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"a": b"", "b": x}])
def test_what_comes_in_late_is_refused(late_object, wrap):
    with pytest.raises(ipc0cp.UnsupportedType, match="set is nothing that JSON has"):
        codec.encode(wrap(late_object))


def test_what_comes_in_late_is_pickled(late_object):
    name = new_name()
    with (
        ipc0cp.SharedRingBufferProducer(name, MIB, pickle=True) as producer,
        ipc0cp.SharedRingBufferConsumer(name, MIB, pickle=True) as consumer,
    ):
        assert producer.push([late_object])
        assert repr(consumer.pop(30)) == "[[nan, {1, 2}]]"


def set_dtype(array):
    array.dtype = "i4"


def set_shape(array):
    array.shape = (2, 2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("change", [set_dtype, set_shape])
def test_an_array_of_a_run_that_is_relabelled_is_refused(change):
    arrays = [np.ones(4) for _ in range(5)]
    encoded = codec.encode(arrays)
    change(arrays[2])
    with pytest.raises(ipc0cp.UnsupportedType, match="ndarray cannot be encoded"):
        encoded.write_to(memoryview(bytearray(encoded.payload_bytes)))
    again = [np.ones(4) for _ in range(5)]
    assert np.array_equal(decode(*encode(again)), again)
