# SPDX-License-Identifier: Apache-2.0
"""Every mix of Python and C++: each message to exactly one consumer, every byte checked."""

from __future__ import annotations

import pytest

MIB = 1 << 20


@pytest.mark.parametrize(
    ("producers", "consumers"),
    [
        pytest.param("c", "c", id="C++ to C++"),
        pytest.param("c", "p", id="C++ to Python"),
        pytest.param("p", "c", id="Python to C++"),
        pytest.param("p", "p", id="Python to Python"),
        pytest.param("ccpp", "ccpp", id="4x4"),
        pytest.param("p", "ccpp", id="1x4"),
        pytest.param("cccppp", "c", id="6x1, C++ reads"),
        pytest.param("cccppp", "p", id="6x1, Python reads"),
    ],
)
def test_each_message_reaches_one_consumer(team, producers, consumers):
    languages = {"c": "cpp", "p": "python"}
    made = team(total=MIB, max=300_000, expected=len(producers))
    for index, language in enumerate(consumers):
        made.consume(languages[language], hold=index % 3 * 2)
    made.wait_ready()
    for language in producers:
        made.produce(languages[language], count=2000 if language == "c" else 400)
    made.finish()
    made.expect_everything_delivered()


def test_producers_that_come_one_after_the_other_are_one_stream(team):
    made = team(total=MIB, expected=3)
    consumer = made.consume()
    for number in range(3):
        made.produce(count=50).finish()
        if number < 2:
            assert consumer.is_running(), "one of three is still to come"
    made.finish()
    made.expect_everything_delivered()


def test_a_message_of_the_whole_ring(team):
    made = team(total=MIB, min=MIB - 200, max=MIB - 100)
    made.consume(hold=2)
    made.produce(count=100)
    made.finish()
    made.expect_everything_delivered()
