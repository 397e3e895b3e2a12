# SPDX-License-Identifier: Apache-2.0
"""JSON that keeps values exactly: what the extension checks and how Python explains it."""

from __future__ import annotations

import gc
import inspect
import json
import re
import sys

import pytest
from helpers import same
from hypothesis import given, settings
from hypothesis import strategies as st

import ipc0cp
from ipc0cp._codec import encoding, strict_json
from ipc0cp._codec.strict_json import NotJsonError

# Characters that a scan of the text could take for something else.
TRICKY = st.text('":\\{}[],/ u\ne\u00e9\U0001f600', max_size=8)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TRICKY | st.floats(-1, 1)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TRICKY, inner), max_leaves=20
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_any_spelling_of_a_value_is_read(value, is_ascii, indent):
    assert same(strict_json.loads(strict_json.dumps(value)), value)
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()
    assert same(strict_json.loads(text), value)
    assert same(strict_json.loads(memoryview(text)), value)


@settings(max_examples=60)
@given(st.dictionaries(TRICKY, VALUES, min_size=1, max_size=3), st.data())
def test_a_key_that_appears_twice_is_always_found(value, data):
    key = data.draw(st.sampled_from(sorted(value)))
    members = json.dumps(value)[1:-1]
    again = f"{json.dumps(key)}:{json.dumps(data.draw(VALUES))}"
    text = "{" + data.draw(st.sampled_from([f"{members},{again}", f"{again},{members}"])) + "}"
    for whole in (text, f"[1,{text}]", f'{{":":{text}}}'):
        with pytest.raises(ipc0cp.CorruptPayload, match="appears twice"):
            strict_json.loads(whole.encode())


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63), 0, -1, 10**18, 10**19])
def test_integers_of_64_bits(number):
    text = strict_json.dumps([number])
    assert same(strict_json.loads(text), [number])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[{2**64}]", "18446744073709551616.*64-1"),
        (f"[{-(2**63) - 1}]", "-9223372036854775809.*-2"),
        ("[1e309]", "1e309 overflows"),
        ('{"a":-1E+400}', "overflows"),
        ("9" * 400 + ".0", "overflows"),
        ("[NaN]", "byte 1 of 5: a JSON value is missing"),
        ("[-Infinity]", "byte 2 of 11: a digit is missing"),
        ('{"a":{"b":1,"b":2}}', '"b" appears twice'),
        ('{"k":1,"\\u006b":2}', '"k" appears twice'),
        ('["\\udc00"]', "surrogate"),
        ('["\\ud800\\u0041"]', "surrogate"),
        ('{"\\ud800":1}', "surrogate"),
        ("[" * 513 + "]" * 513, "512 levels"),
        ("[" * 100_000, "512 levels"),
        ("\ufeff1", "byte order mark"),
        ("[1,]", "byte 3 of 4: a JSON value is missing"),
        ('{"a":1,}', "a key in quotes is missing"),
        ('{"a" 1}', "':' is missing"),
        ("[1 2]", "',' or '\\]' is missing"),
        ('"\\x"', "an escape that JSON does not have"),
        ('"\\u12G4"', "four hex digits"),
        ('"a\tb"', "without a closing quote or an escape"),
        ('"abc', "without a closing quote or an escape"),
        ("01", "the value has ended"),
        ("1.", "a digit is missing"),
        ("tru", "a JSON value is missing"),
        ("", "byte 0 of 0: a JSON value is missing"),
        ("[1]\0", "byte 3 is zero"),
    ],
    ids=lambda text: text[:20],
)
def test_refused_texts(text, words):
    with pytest.raises(ipc0cp.CorruptPayload, match=words):
        strict_json.loads(text.encode())


def test_digits_without_end():
    with pytest.raises(ipc0cp.CorruptPayload, match=r"digits|outside"):
        strict_json.loads(b"9" * 100_000)


def test_the_keys_of_metadata_are_bounded():
    def text(keys):
        return json.dumps({str(key): 0 for key in range(keys)}).encode()

    assert len(strict_json.loads(text(1024), is_metadata=True)) == 1024
    assert len(strict_json.loads(text(1025))) == 1025
    with pytest.raises(ipc0cp.CorruptPayload, match="more than 1024 keys"):
        strict_json.loads(b"[" + text(1025) + b"]", is_metadata=True)


@pytest.mark.parametrize(
    ("value", "words", "is_other_type"),
    [
        ({"a": [1, 2.5, {1, 2}]}, r"\['a'\]\[2\]: set is not a JSON type", True),
        ({1: 2}, "a key is int, not str", True),
        ([True, float("nan")], r"\[1\]: JSON has no nan", False),
        ([float("-inf")], r"\[0\]: JSON has no -inf", False),
        ([2**64], r"\[0\]: an int must be within", False),
        ({"\ud800": 1}, "key '.ud800' holds a lone surrogate", False),
        (["é", "\udfff"], r"\[1\]: the str holds a lone surrogate", False),
        ([[[[]]]], "64 levels", False),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_refused_values(value, words, is_other_type):
    with pytest.raises(NotJsonError, match=words):
        strict_json.dumps(value, 3)
    if is_other_type:
        assert not strict_json.is_json(value, 3)
    elif "surrogate" not in words:  # Those are found when they are written.
        with pytest.raises(NotJsonError, match=words.rpartition(": ")[2]):
            strict_json.is_json(value, 3)


def test_the_first_fault_decides():
    assert not strict_json.is_json([{1, 2}, float("nan")])
    with pytest.raises(NotJsonError, match="nan"):
        strict_json.is_json([float("nan"), {1, 2}])


def test_long_places_are_shortened():
    value: object = float("nan")
    for _ in range(100):
        value = {"x" * 200: [value]}
    with pytest.raises(NotJsonError) as caught:
        strict_json.dumps(value)
    assert "nan" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_bytes_that_are_not_utf_8():
    for text in (b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82'):
        with pytest.raises(ipc0cp.CorruptPayload, match="not UTF-8"):
            strict_json.loads(text)


@pytest.mark.parametrize(
    "text", ["1e-400", "-0.1e-999999999999999999999", "0e99999999999999999999"]
)
def test_numbers_that_are_too_small_are_zero(text):
    assert same(strict_json.loads(text.encode()), float(text))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back_bit_by_bit(value):
    text = strict_json.dumps([value])
    assert same(strict_json.loads(text), [value])
    assert same(json.loads(text), [value])
    assert same(strict_json.loads(f"[{value!r}]".encode()), [value])


@settings(max_examples=300)
@given(st.text('[]{}":,\\ 01e.-+"utrfalsn\x00\x1f\n\u00e9', max_size=12))
def test_exactly_what_python_reads_is_read(text):
    def refuse(_):
        raise ValueError

    try:
        expected = json.loads(text, parse_constant=refuse)
    except ValueError:
        with pytest.raises(ipc0cp.CorruptPayload):
            strict_json.loads(text.encode())
        return
    try:
        assert same(strict_json.loads(text.encode()), expected)
    except ipc0cp.CorruptPayload as error:
        assert re.search("twice|surrogate|outside|overflows", str(error))


def test_a_stack_that_is_nearly_used_up():
    deep: object = 1
    for _ in range(512):
        deep = [deep]

    def at_depth(frames):
        if frames > 0:
            return at_depth(frames - 1)
        return strict_json.dumps(strict_json.loads(strict_json.dumps(deep)))

    frames = sys.getrecursionlimit() - len(inspect.stack(0)) - 10
    assert at_depth(frames) == b"[" * 512 + b"1" + b"]" * 512


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="no finalizer runs between two values")
def test_a_text_that_changes_while_it_is_read_is_read_as_it_was():
    text = bytearray(b"[" + b"[]," * 5000 + b'"aaaa"]')

    def scribble(*_):
        text[-6:-2] = b"bbbb"

    gc.callbacks.append(scribble)
    try:
        value = strict_json.loads(memoryview(text))
    finally:
        gc.callbacks.remove(scribble)
    assert text.endswith(b'"bbbb"]'), "the collector ran"
    assert value[-1] == "aaaa"


def test_keys_that_are_freed_while_a_fault_is_explained(monkeypatch):
    def dropping(call):
        def dropped(value):
            outer.clear()
            keep.append([b"\xff" * size for size in range(200)])  # What was freed is used anew.
            return call(value)

        return dropped

    keep: list[object] = []
    for name in ("type_name", "shorten"):
        monkeypatch.setattr(encoding, name, dropping(getattr(encoding, name)))
    outer: dict[str, object] = {}
    outer["".join(["first", " key"])] = {"".join(["second", " key"]): [{1, 2}]}
    with pytest.raises(NotJsonError, match=r"^\['first key'\]\['second key'\]\[0\]: set is not"):
        strict_json.dumps(outer)
    assert outer == {}
