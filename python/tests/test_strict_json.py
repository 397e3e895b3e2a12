# SPDX-License-Identifier: Apache-2.0
"""JSON that keeps values exactly: what the extension checks and how Python explains it."""

from __future__ import annotations

import json
import sys

import pytest
from helpers import same
from hypothesis import given, settings
from hypothesis import strategies as st

from ipc0cp import strict_json
from ipc0cp.strict_json import NotJsonError

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
        with pytest.raises(ValueError, match="appears twice"):
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
        ("[NaN]", "NaN"),
        ("[-Infinity]", "-Infinity"),
        ('{"a":{"b":1,"b":2}}', "'b' appears twice"),
        ('{"k":1,"\\u006b":2}', "'k' appears twice"),
        ('["\\udc00"]', "surrogate"),
        ('{"\\ud800":1}', "surrogate"),
        ("[" * 513 + "]" * 513, "512 levels"),
        ("[" * 100_000, "512 levels|delimiter|Expecting"),
        ("\ufeff1", "BOM|Expecting"),
        ("[1,]", "Expecting|Illegal"),
    ],
    ids=lambda text: text[:20],
)
def test_refused_texts(text, words):
    with pytest.raises(ValueError, match=words):
        strict_json.loads(text.encode())


def test_digits_without_end():
    with pytest.raises(ValueError, match=r"digits|outside"):
        strict_json.loads(b"9" * 100_000)


def test_the_keys_of_metadata_are_bounded():
    def text(keys):
        return json.dumps({str(key): 0 for key in range(keys)}).encode()

    assert len(strict_json.loads(text(1024), is_metadata=True)) == 1024
    assert len(strict_json.loads(text(1025))) == 1025
    with pytest.raises(ValueError, match="1025 keys, the limit is 1024"):
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
    with pytest.raises(NotJsonError, match=words) as caught:
        strict_json.dumps(value, 3)
    assert caught.value.is_other_type is is_other_type


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


def test_a_stack_that_is_nearly_used_up():
    deep: object = 1
    for _ in range(200):
        deep = [deep]

    def at_depth(frames):
        if frames > 0:
            return at_depth(frames - 1)
        try:
            return strict_json.loads(strict_json.dumps(deep)) is not None
        except (NotJsonError, ValueError) as error:
            return str(error)

    limit = sys.getrecursionlimit()
    results = {at_depth(frames) for frames in range(0, limit - 150, 50)}
    assert True in results
    assert all(result is True or "levels" in result or "recursion" in result for result in results)
