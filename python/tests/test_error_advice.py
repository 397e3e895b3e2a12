# SPDX-License-Identifier: Apache-2.0
"""Errors of encoding name a way out; here each of them is taken, and it works."""

from __future__ import annotations

import ast
import enum
import re
import traceback
from pathlib import Path

import numpy as np
import pytest
from helpers import encode, new_name, round_trip, same
from PIL import Image

import ipc0cp
from ipc0cp._codec import codec

PACKAGE = Path(codec.__file__).parent
#: Modules all of whose refusals are here. The others are named case by case.
WALKED = ("codec.py", "encoding.py", "plain.py", "metadata.py", "dtypes.py")
#: What is refused without an object to push instead: by readers, and by what a class has returned.
WITHOUT_ADVICE = (
    "the deserializer of type",
    "needs the package ml_dtypes",
    "is too old to know",
    "this NumPy does not know",
    "has no exact encoding; it would become",
    "is the 80-bit long double of x86",  # Followed in test_long_double.py.
    "otherwise} a buffer",
    "cannot be encoded: {(error|reason)}",  # Of JSON, which names the place and the value.
    "must return \\(metadata, payload\\)",
    "the metadata of .* nests",
    "the metadata cannot be encoded",
)


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


class Own:
    pass


class Items(list):
    pass


class Counts(dict):
    pass


class Meta(type):
    @property
    def serialize(cls):
        raise OSError("not now")


class Hostile(metaclass=Meta):
    pass


def masked() -> np.ma.MaskedArray:
    return np.ma.masked_array([1, 2, 3], [False, True, False])


def registered(obj):
    ipc0cp.register_type(
        "advice", lambda _, payload: bytes(payload), python_type=Own, serialize=own_parts
    )
    try:
        return round_trip(obj)
    finally:
        ipc0cp.unregister_type("advice")


def own_parts(_):
    return {"type": "advice"}, b"own"


def through_a_queue(obj):
    queue = ipc0cp.Queue(pickle=True)
    try:
        queue.put(obj)
        return queue.get(timeout=30)
    finally:
        queue.close()


def through_a_ring(obj):
    name = new_name()
    with (
        ipc0cp.SharedRingBufferConsumer(name, 1 << 16, pickle=True) as consumer,
        ipc0cp.SharedRingBufferProducer(name, 1 << 16, pickle=True) as producer,
    ):
        producer.push(obj, timeout=30)
        return consumer.pop(timeout=30)


def with_metadata(dtype):
    return np.zeros(2, np.dtype(dtype, metadata={"unit": "m"}))


def string_array():
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("this NumPy has no StringDType")
    return np.array(["a", "bcd"], np.dtypes.StringDType())


def rationals():
    """An array of the dtype of users that NumPy's own tests have."""
    module = pytest.importorskip("numpy._core._rational_tests")
    return np.array([module.rational(1, 2), module.rational(3, 1)])


TWO_HALVES = np.dtype((np.int32, {"low": (np.int16, 0), "high": (np.int16, 2)}))
TITLED = np.dtype({"names": ["a"], "formats": ["i4"], "titles": [1]})

# Name: (what is refused, words of the text, what following them gives, what that has to be).
CASES = {
    "None": (lambda: None, r"push \[None\]", lambda _: round_trip([None]), [None]),
    "set": (lambda: {1}, r"push list\(x\)", lambda x: round_trip(list(x)), [1]),
    "frozenset": (lambda: frozenset("a"), r"push list\(x\)", lambda x: round_trip(list(x)), ["a"]),
    "enum": (lambda: Colour.RED, r"push int\(x\)", lambda x: round_trip(int(x)), 1),
    "str class": (lambda: Name("n"), r"push str\(x\)", lambda x: round_trip(str(x)), "n"),
    "list class": (lambda: Items([1]), r"push list\(x\)", lambda x: round_trip(list(x)), [1]),
    "dict class": (lambda: Counts(a=1), r"push dict\(x\)", lambda x: round_trip(dict(x)), {"a": 1}),
    "registering": (lambda: Own(), "ipc0cp.register_type", registered, b"own"),
    "or bytes": (lambda: Own(), "or push bytes", lambda _: round_trip(b"own"), b"own"),
    "strided": (
        lambda: memoryview(b"abcd")[::2],
        r"push bytes\(x\)",
        lambda x: round_trip(bytes(x)),
        b"ac",
    ),
    "objects in a buffer": (
        lambda: memoryview(np.array([1, "a"], object)),
        "push a list of them",
        lambda x: round_trip(x.obj.tolist()),
        [1, "a"],
    ),
    "surrogate": (
        lambda: "a\ud800",
        r"push x\.encode\('utf-8', 'surrogatepass'\)",
        lambda x: round_trip(x.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass"),
        "a\ud800",
    ),
    "JsonData(None)": (
        lambda: ipc0cp.JsonData(None),
        r"JsonData\(\[None\]\)",
        lambda _: round_trip(ipc0cp.JsonData([None])),
        [None],
    ),
    "pickle": (
        lambda: Hostile(),
        "with pickle=True a Queue, or a ring on both ends, carries",
        lambda x: (type(through_a_queue(x)), type(through_a_ring(x))),
        (Hostile, Hostile),
    ),
    "keys": (
        lambda: {1.5: 2, None: 3},
        "str or int, 1.5 is float; push a list of pairs",
        lambda x: dict(round_trip(list(x.items()))),
        {1.5: 2, None: 3},
    ),
    "large keys": (
        lambda: dict.fromkeys(range(2**64, 2**64 + 1025), 1),
        "1024 keys beyond 64 bits; push a list of pairs",
        lambda x: len(dict(round_trip(list(x.items())))),
        1025,
    ),
    "masked, both": (
        masked,
        r"push \{'data': x\.data, 'mask': numpy\.ma\.getmaskarray\(x\)\}",
        lambda x: round_trip({"data": x.data, "mask": np.ma.getmaskarray(x)})["mask"].tolist(),
        [False, True, False],
    ),
    "masked, filled": (masked, r"x\.filled\(\)", lambda x: round_trip(x.filled())[0], np.int64(1)),
    "NumpyArray of a masked one": (
        masked,
        r"x\.filled\(\)",
        lambda x: round_trip(ipc0cp.NumpyArray(x.filled()))[2],
        np.int64(3),
    ),
    "array class": (
        lambda: np.zeros(2).view(np.recarray),
        r"push numpy\.asarray\(x\)",
        lambda x: round_trip(np.asarray(x)),
        np.zeros(2),
    ),
    "objects": (
        lambda: np.array([1, "a"], object),
        r"push x\.tolist\(\)",
        lambda x: round_trip(x.tolist()),
        [1, "a"],
    ),
    "StringDType, fixed": (
        string_array,
        r"push numpy\.array\(x\.tolist\(\), 'U'\)",
        lambda x: round_trip(np.array(x.tolist(), "U")),
        np.array(["a", "bcd"]),
    ),
    "StringDType, list": (
        string_array,
        r"x\.tolist\(\)",
        lambda x: round_trip(x.tolist()),
        ["a", "bcd"],
    ),
    "metadata of a dtype": (
        lambda: with_metadata("f4"),
        r"push x\.astype\(x\.dtype\.str\)",
        lambda x: round_trip(x.astype(x.dtype.str)),
        np.zeros(2, "f4"),
    ),
    "metadata of fields": (
        lambda: with_metadata("i4,f4"),
        r"push x\.astype\(numpy\.dtype\(x\.dtype\.descr\)\)",
        lambda x: round_trip(x.astype(np.dtype(x.dtype.descr))),
        np.zeros(2, "i4,f4"),
    ),
    "fields of a number": (
        lambda: np.zeros(2, TWO_HALVES),
        r"push x\.view\(numpy\.int32\)",
        lambda x: round_trip(x.view(np.int32)),
        np.zeros(2, np.int32),
    ),
    "dtype of a user": (
        rationals,
        r"push x\.astype\(d\) with a dtype d that is NumPy's own",
        lambda x: round_trip(x.astype(np.float64)),
        np.array([0.5, 3]),
    ),
    "title": (
        lambda: np.zeros(2, TITLED),
        "or without",
        lambda x: round_trip(x.astype([("a", "i4")])),
        np.zeros(2, [("a", "i4")]),
    ),
    "long long": (
        lambda: np.longlong(7),
        r"push numpy\.int64\(x\)",
        lambda x: round_trip(np.int64(x)),
        np.int64(7),
    ),
    "text that ends in NUL": (
        lambda: np.bytes_(b"a\0"),
        r"push bytes\(x\)",
        lambda x: round_trip(bytes(x)),
        b"a\0",
    ),
    "image file mode": (
        lambda: ipc0cp.ImageData(Image.new("CMYK", (2, 2)), "png"),
        "cannot be sent as png",
        lambda x: round_trip(ipc0cp.ImageData(x.image)).mode,
        "CMYK",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_advice_of_an_error_works(name):
    make, words, follow, expected = CASES[name]
    obj = make()
    with pytest.raises(ipc0cp.UnsupportedType, match=words):
        encode(obj)
    found = follow(obj)
    assert same(found, expected) or found is expected


def refusals_of(file: str):
    """First and last line of each statement that raises UnsupportedType, and its words."""
    source = (PACKAGE / file).read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Raise, ast.Return)):
            value = node.exc if isinstance(node, ast.Raise) else node.value
            if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "UnsupportedType":
                yield node.lineno, node.end_lineno, ast.get_source_segment(source, value)


def places_of(make) -> set[tuple[str, int]]:
    """Where in the package the refusal of an object comes by."""
    try:
        encode(make())
    except ipc0cp.UnsupportedType as error:
        frames = traceback.extract_tb(error.__traceback__)
        if error.__cause__ is not None:  # Raised by what `_refusal_of` has made.
            frames.extend(traceback.extract_tb(error.__cause__.__traceback__))
        return {(Path(frame.filename).name, frame.lineno) for frame in frames}
    return set()


def test_every_refusal_is_walked():
    places = set().union(*(places_of(make) for make, *_ in CASES.values()))
    missing = []
    for file in WALKED:
        for first, last, text in refusals_of(file):
            is_walked = any((file, line) in places for line in range(first, last + 1))
            plain = re.sub(r'"\s*f?"', "", text)
            is_without = any(re.search(words, plain) for words in WITHOUT_ADVICE)
            if not is_walked and not is_without and "with pickle=True" not in plain:
                missing.append(f"{file}:{first}: {plain[:90]}")
    assert not missing
