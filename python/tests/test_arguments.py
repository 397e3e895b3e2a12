# SPDX-License-Identifier: Apache-2.0
"""Bad arguments: each is refused before anything is made, by an error that says how to go on."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import MIB, file_of

import ipc0cp

Producer, Consumer = ipc0cp.SharedRingBufferProducer, ipc0cp.SharedRingBufferConsumer
HUGE = 10**5000  # More digits than Python spells out.

# Argument -> (value, what the error says besides the argument's name).
WRONG_TYPES = {
    "total_data_bytes": [
        (1.5, "an int, not 1.5 (float)"),
        (1e6, "an int, not 1000000.0 (float)"),
        (True, "an int, not True (bool)"),
        ("1", "an int, not '1' (str)"),
        (np.float64(4096), "an int, not np.float64(4096.0) (float64)"),
    ],
    "blocking": [(1, "True or False, not 1 (int)"), (None, "not None"), ("yes", "not 'yes'")],
    "stale": [(None, "a str, not None"), (3, "a str, not 3"), (b"discard", "not b'discard'")],
    "trusted_owners": [
        (5, "user ids (ints), not 5 (int)"),
        (None, "not None"),
        ("root", "not 'root' (str)"),
        (b"ab", "not b'ab' (bytes)"),
        (["root"], "an int, not 'root' (str)"),
        ([1.5], "an int, not 1.5"),
        ([True], "an int, not True"),
    ],
}
OUT_OF_RANGE = {
    "total_data_bytes": [
        (0, "1024 .. 35184372088832, not 0"),
        (-1, "not -1"),
        (1023, "not 1023"),
        (2**45 + 1, "1024 .. 35184372088832, not 35184372088833"),
        (HUGE, "not an int of 16610 bits"),
    ],
    "stale": [("", "'resume' or 'discard', not ''"), ("Resume", "not 'Resume'")],
    "trusted_owners": [([-1], "0 .. 4294967295, not -1"), ({2**32}, "not 4294967296")],
}
PRODUCER_TYPES = {
    **WRONG_TYPES,
    "total_data_bytes": [*WRONG_TYPES["total_data_bytes"], (None, "an int, not None")],
    "redeliver": WRONG_TYPES["blocking"],
    "reserve": WRONG_TYPES["blocking"],
    "max_messages": [(1.5, "an int, not 1.5"), ("x", "not 'x'"), (True, "not True")],
    "overflow": [(None, "a str, not None"), (1, "a str, not 1"), (b"block", "not b'block'")],
    "depth": [(1.5, "an int, not 1.5"), ("x", "not 'x'"), (True, "not True")],
    "mode": [(1.5, "an int, not 1.5"), ("rw", "not 'rw'"), (None, "not None"), (True, "not True")],
    "consumer_wait_timeout": [
        ("x", "a number of seconds or None, not 'x' (str)"),
        ([], "not [] (list)"),
        (True, "not True (bool)"),
    ],
}
PRODUCER_RANGE = {
    **OUT_OF_RANGE,
    "max_messages": [(0, "1 .. 1048576, not 0"), (-1, "not -1"), (2**20 + 1, "not 1048577")],
    "overflow": [("", "'block', 'drop_oldest' or 'drop_newest', not ''"), ("drop", "not 'drop'")],
    "depth": [(0, "1 .. 1048576, not 0"), (-1, "not -1"), (2**20 + 1, "not 1048577")],
    "mode": [
        (0, "0o600 .. 0o777, not 0o0"),
        (0o400, "not 0o400"),
        (0o1600, "not 0o1600"),
        (-1, "not -0o1"),
    ],
}
CONSUMER_TYPES = {
    **WRONG_TYPES,
    "auto_attach": WRONG_TYPES["blocking"],
    "auto_unlink": WRONG_TYPES["blocking"],
    "expected_producers": [(1.5, "an int, not 1.5"), ("1", "not '1'")],
}
CONSUMER_RANGE = {
    **OUT_OF_RANGE,
    "expected_producers": [(-1, "0 .. 4294967294, not -1"), (2**32, "not 4294967296")],
}
BAD_NAMES = [
    ("", "has 1..200 characters", "not 0: ''"),
    ("/", "[A-Za-z0-9._-]", "not 0: '/'"),
    ("a" * 201, "has 1..200 characters", "not 201: 'aaaa"),
    ("a/b", "[A-Za-z0-9._-]", "not 'a/b'"),
    ("//a", "optional '/'", "not '//a'"),
    ("a b", "[A-Za-z0-9._-]", "not 'a b'"),
    ("frame\N{LATIN SMALL LETTER E WITH ACUTE}", "[A-Za-z0-9._-]", r"not 'frame\xe9'"),
    ("\ud800", "[A-Za-z0-9._-]", r"not '\ud800'"),
    ("a\0b", "[A-Za-z0-9._-]", r"not 'a\x00b'"),
    ("../x", "[A-Za-z0-9._-]", "not '../x'"),
]
TIMEOUTS = [
    (float("nan"), ValueError, "0 (does not wait) or more seconds, not nan"),
    (-1, ValueError, "not -1.0"),
    (-1e-9, ValueError, "or more seconds, not -0.0"),
    (float("-inf"), ValueError, "not -inf"),
    (-HUGE, ValueError, "not -inf"),
    ("1", TypeError, "timeout must be a number of seconds or None, not '1' (str)"),
    (b"1", TypeError, "not b'1' (bytes)"),
    (True, TypeError, "not True (bool)"),
    ([1], TypeError, "not [1] (list)"),
]


def rows(table, error):
    return [
        pytest.param(argument, value, error, text, id=f"{argument}-{index}")
        for argument, values in table.items()
        for index, (value, text) in enumerate(values)
    ]


def check(call, error, *texts) -> None:
    with pytest.raises(error) as caught:
        call()
    for text in texts:
        assert text in str(caught.value)
    if error is ValueError:
        assert isinstance(caught.value, ipc0cp.InvalidArgument)


@pytest.mark.parametrize(
    ("argument", "value", "error", "text"),
    rows(PRODUCER_TYPES, TypeError) + rows(PRODUCER_RANGE, ValueError),
)
def test_producer_refuses(argument, value, error, text, ring_name):
    options = {"total_data_bytes": MIB, argument: value}
    check(lambda: Producer(ring_name, **options), error, argument, text)
    assert not file_of(ring_name).exists()


@pytest.mark.parametrize(
    ("argument", "value", "error", "text"),
    rows(CONSUMER_TYPES, TypeError) + rows(CONSUMER_RANGE, ValueError),
)
def test_consumer_refuses(argument, value, error, text, ring_name):
    options = {"total_data_bytes": MIB, argument: value}
    check(lambda: Consumer(ring_name, **options), error, argument, text)
    assert not file_of(ring_name).exists()


@pytest.mark.parametrize("kind", [Producer, Consumer])
@pytest.mark.parametrize(("name", "limit", "value"), BAD_NAMES)
def test_names_are_refused(kind, name, limit, value):
    check(lambda: kind(name, MIB), ValueError, limit, value)


@pytest.mark.parametrize("kind", [Producer, Consumer])
@pytest.mark.parametrize("name", [None, 3, b"bytes"])
def test_names_of_other_types_are_refused(kind, name):
    check(lambda: kind(name, MIB), TypeError, "shm_name must be a str", repr(name))


@pytest.mark.parametrize("kind", [Producer, Consumer])
def test_unknown_and_missing_arguments_are_named(kind, ring_name):
    check(lambda: kind(ring_name, MIB, nonsense=1), TypeError, "'nonsense'")
    check(kind, TypeError, "'shm_name'")


@pytest.mark.parametrize(("timeout", "error", "text"), TIMEOUTS, ids=range(len(TIMEOUTS)))
def test_every_call_refuses_the_same_timeouts(timeout, error, text, ring):
    producer, consumer = ring
    calls = [
        lambda: producer.push(b"x", timeout),
        lambda: producer.push([b"x"], timeout),
        lambda: producer.push_raw({"type": "bytes"}, b"x", timeout),
        lambda: producer.loan(3, "u1", timeout),
        lambda: consumer.pop(timeout),
        lambda: consumer.pop_raw(timeout),
        lambda: consumer.attach(timeout),
    ]
    for call in calls:
        check(call, error, text)
    if error is ValueError:
        with pytest.raises(ValueError, match="or more seconds"):
            Producer(consumer.name, 4 * MIB, consumer_wait_timeout=timeout)
    assert producer.stats().pushed == 0


SHAPES = [
    ("ab", TypeError, "an int, not 'ab' (str)"),
    (None, TypeError, "not None"),
    (1.5, TypeError, "not 1.5 (float)"),
    ((1, 2.5), TypeError, "not 2.5 (float)"),
    ([[1]], TypeError, "not [1] (list)"),
    (True, TypeError, "not True (bool)"),
    ((1, -2), ValueError, "0 or more, not (1, -2)"),
]


@pytest.mark.parametrize(("shape", "error", "text"), SHAPES)
def test_shapes_of_loans(shape, error, text, ring):
    check(lambda: ring[0].loan(shape), error, "shape", text)
    assert ring[1].stats().used_bytes == 0


def test_pop_takes_queue_arguments_for_mistakes(ring):
    producer, consumer = ring
    producer.push(b"x")
    check(lambda: consumer.pop(0, 5), TypeError, "copy must be True or False, not 5 (int)")
    assert consumer.pop(0) == b"x"


def test_unusual_but_good_arguments(ring_name):
    with (
        Consumer(f"/{ring_name}", np.int64(MIB), expected_producers=0, trusted_owners={0}) as c,
        Producer(ring_name, MIB, consumer_wait_timeout=float("inf"), mode=0o640) as p,
    ):
        assert c.name == p.name == ring_name
        assert p.push(b"x", HUGE)
        assert c.pop(np.float32(1)) == b"x"
    for name in ("...", "-", "A.b_c-9", "a" * 200):
        with Consumer(name, MIB) as consumer:
            assert consumer.name == name
