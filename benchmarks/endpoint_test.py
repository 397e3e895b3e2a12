#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the C++ endpoint over every transport that is there, briefly, and compares check sums.

    endpoint_test.py ENDPOINT_PROGRAM

Every message is compared with what was sent. Runs on a bare Python.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from typing import IO, Any

SECONDS_TO_HANG = 60
OVER_DESCRIPTORS = {"pipe", "stdio_raw", "stdio_api"}
SIZES = (64, 65536)
# Seen to lose messages between several brief producers and consumers, one stream in about a
# hundred. In a benchmark that ends the run; here it would say nothing about us.
TESTED_WITH_ONE_PAIR = {"zeromq"}
scenario_numbers = iter(range(1_000_000))
program = ""


def command(role: str, transport: str, address: str, **other: object) -> list[str]:
    keys: dict[str, object] = {
        "transport": transport, "address": address, "index": 0, "producers": 1, "consumers": 1,
        "min_size": 64, "max_size": 64, "seconds": 0.1, "mode": "copy", "touch": "yes",
        "check": "all", "core": -1, "slow_us": 0, "gap_us": 0,
    }
    keys.update(other)
    pairs = ((f"--{key.replace('_', '-')}", str(value)) for key, value in keys.items())
    return [program, role, *(word for pair in pairs for word in pair)]


class Endpoint:
    """One process, started and not yet told to go."""

    def __init__(self, words: list[str], descriptors: tuple[int, ...], errors: IO[str]) -> None:
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            pass_fds=descriptors)

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise AssertionError(f"{self.process.args}: {line!r} instead of ready")

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        output, _ = self.process.communicate(timeout=SECONDS_TO_HANG)
        if self.process.returncode != 0:
            raise AssertionError(f"{self.process.args}: exit code {self.process.returncode}")
        figures: dict[str, Any] = json.loads(output)
        return figures


Plan = list[tuple[list[str], tuple[int, ...]]]


def run(endpoints: Plan, descriptors: list[int]) -> list[dict[str, Any]]:
    """`descriptors` belong to the endpoints once these are started."""
    started: list[Endpoint] = []
    with tempfile.TemporaryFile("w+") as errors:
        try:
            try:
                started.extend(Endpoint(words, files, errors) for words, files in endpoints)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            for endpoint in started:
                endpoint.wait_until_ready()
            for endpoint in started:
                endpoint.go()
            return [endpoint.answer() for endpoint in started]
        except (AssertionError, subprocess.TimeoutExpired) as error:
            errors.seek(0)
            raise AssertionError(f"{error}\n{errors.read()}") from error
        finally:
            for endpoint in started:
                endpoint.process.kill()
                endpoint.process.communicate()


def transports() -> dict[str, dict[str, Any]]:
    output = subprocess.run([program, "transports"], capture_output=True, text=True, check=True)
    listed: dict[str, dict[str, Any]] = json.loads(output.stdout)
    return listed


def address() -> str:
    return f"test-{os.getpid()}-{next(scenario_numbers)}"


class EndpointTest(unittest.TestCase):
    def stream(self, transport: str, producers: int, consumers: int, **other: object) -> int:
        """One scenario: what was sent is what came. Returns how many messages."""
        other.update(producers=producers, consumers=consumers)
        if transport in OVER_DESCRIPTORS:
            reader, writer = os.pipe()
            source, target = f"fd:{reader},-1", f"fd:-1,{writer}"
            to_consumer, to_producer = (reader,), (writer,)
        else:
            source = target = address()
            to_consumer = to_producer = ()
        consume = [(command("consume", transport, source, index=index, **other), to_consumer)
                   for index in range(consumers)]
        produce = [(command("produce", transport, target, index=index, **other), to_producer)
                   for index in range(producers)]
        answers = run(consume + produce, [*to_consumer, *to_producer])
        received, sent = answers[:consumers], answers[consumers:]
        for key in ("messages", "bytes"):
            self.assertEqual(sum(each[key] for each in received), sum(each[key] for each in sent))
        self.assertEqual(sum(each["check_sum"] for each in received) % 2**64,
                         sum(each["check_sum"] for each in sent) % 2**64)
        self.assertEqual([each["checked"] for each in received],
                         [each["messages"] for each in received])
        for each in sent:
            self.assertGreater(each["messages"], 0)
            self.assertGreater(each["seconds"], 0)
        return sum(each["messages"] for each in sent)

    def ping_pong(self, transport: str, **other: object) -> None:
        if transport in OVER_DESCRIPTORS:
            there, back = os.pipe(), os.pipe()
            to_pong, to_ping = (there[0], back[1]), (back[0], there[1])
            addresses = ["fd:{},{}".format(*to_pong), "fd:{},{}".format(*to_ping)]
        else:
            to_pong = to_ping = ()
            addresses = [address()] * 2
        answers = run([(command("pong", transport, addresses[0], **other), to_pong),
                       (command("ping", transport, addresses[1], **other), to_ping)],
                      [*to_pong, *to_ping])
        self.assertGreater(answers[1]["round_trips"], 0)
        # Those before the clock started are not ping's, but pong answered them.
        self.assertGreaterEqual(answers[0]["round_trips"], answers[1]["round_trips"])
        self.assertLessEqual(answers[1]["p50_us"], answers[1]["p99_us"])

    def test_every_transport_that_is_there(self) -> None:
        for name, facts in transports().items():
            if not facts["available"]:
                print(f"{name}: {facts['why']}", file=sys.stderr)
                continue
            several = facts["mpmc"] and name not in TESTED_WITH_ONE_PAIR
            for size in SIZES:
                for mode in facts["modes"]:
                    for count in (1, 2) if several else (1,):
                        with self.subTest(name, size=size, mode=mode, count=count):
                            self.stream(name, count, count, min_size=64, max_size=size, mode=mode)
                    with self.subTest(name, size=size, mode=mode, role="ping-pong"):
                        self.ping_pong(name, min_size=size, max_size=size, mode=mode)

    def test_a_slow_consumer_gets_everything(self) -> None:
        self.stream("ring", 1, 1, slow_us=200, min_size=4096, max_size=65536)

    def test_a_producer_with_gaps_sends_less(self) -> None:
        # A producer looks at the clock after 16 messages at most.
        self.assertLessEqual(self.stream("ring", 1, 1, seconds=0.1, gap_us=2000), 100 / 2 + 16)

    def test_unequal_numbers(self) -> None:
        for name in ("ring", "ring_batch", "floor"):
            with self.subTest(name):
                self.stream(name, 3, 1)
                self.stream(name, 1, 3)

    def refused(self, words: list[str]) -> tuple[int, str]:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS_TO_HANG)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1)
        return done.returncode, done.stderr

    def test_wrong_words_are_one_line_and_exit_code_2(self) -> None:
        for words, said in (
            (command("produce", "telepathy", "a"), "telepathy"),
            (command("listen", "ring", "a"), "listen"),
            (command("produce", "ring", "a", min_size=63), "63"),
            (command("produce", "ring", "a", seconds="soon"), "soon"),
            (command("produce", "pipe", "fd:-1,9", producers=2), "one producer"),
            (command("produce", "pipe", "fd:x"), "fd:x"),
            (command("produce", "pipe", "fd:-1,9", mode="loan"), "loans"),
            (command("produce", "ring", "a", colour="red"), "colour"),
        ):
            with self.subTest(said):
                code, line = self.refused(words)
                self.assertEqual(code, 2)
                self.assertIn(said, line)

    def test_a_missing_library_is_one_line_and_exit_code_3(self) -> None:
        for name, facts in transports().items():
            if not facts["available"]:
                code, line = self.refused(command("produce", name, "a"))
                self.assertEqual(code, 3)
                self.assertIn(facts["why"], line)

    def test_no_go(self) -> None:
        done = subprocess.run(command("consume", "ring", address()), input="", text=True,
                              capture_output=True, timeout=SECONDS_TO_HANG)
        self.assertEqual((done.returncode, done.stdout), (1, "ready\n"))


if __name__ == "__main__":
    program = sys.argv.pop(1)
    unittest.main()
