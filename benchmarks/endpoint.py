#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One process of a measurement: a producer, a consumer, or one side of a ping-pong.

run_benchmark.py starts it. It opens its end, makes its messages, prints `ready`, waits for a line
on its standard input, and prints what it found as one line of JSON. cpp/endpoint.cpp is the same in
C++. `endpoint.py transports` prints what there is. Exit code 1: wrong contents, or it failed;
2: no such transport; 3: the library of the transport is not installed.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

import numpy as np
import transports
from payload_pool import HEAD, MODULUS, PIECES, SMALL_BYTES, PayloadPool, touch
from transports.base import Link, Receiver, Sender, Transport

CHECKED_ONE_IN = 64
BYTES_PER_LOOK = 1 << 20
WARM_UP_TRIPS = 200
MOST_TRIPS = 4_000_000

Figures = dict[str, float]


class WrongMessageError(Exception):
    """A message is not what was sent."""


@dataclasses.dataclass
class Control:
    """The lines exchanged with the process that has started this one."""

    commands: TextIO
    answers: TextIO

    def say(self, text: str) -> None:
        print(text, file=self.answers, flush=True)

    def wait_for_go(self) -> None:
        self.say("ready")
        if self.commands.readline().strip() != "go":
            raise SystemExit("nobody said go")


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="endpoint.py", description=__doc__)
    parser.add_argument("role", choices=("produce", "consume", "ping", "pong"))
    parser.add_argument("--transport", required=True)
    parser.add_argument("--address", required=True, help="a unique name, or fd:IN,OUT")
    for name in ("index", "producers", "consumers", "min-size", "max-size", "core"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--mode", choices=("copy", "loan"), required=True)
    parser.add_argument("--touch", choices=("yes", "no"), required=True)
    parser.add_argument("--check", choices=("sample", "all"), required=True)
    parser.add_argument("--slow-us", type=float, required=True)
    parser.add_argument("--gap-us", type=float, required=True)
    return parser.parse_args(words)


def make_link(options: argparse.Namespace, shared: Any = None) -> Link:
    return Link(options.address, options.index, options.producers, options.consumers,
                options.min_size, options.max_size, options.mode, shared)


def pin_to_core(core: int) -> None:
    """To be called after a handle is opened, which looks at how many cores there are."""
    if core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})


def produce(sender: Sender, transport: Transport, options: argparse.Namespace,
            control: Control) -> Figures:
    pool = PayloadPool(options.min_size, options.max_size)
    send, messages = steps_of(sender, transport, options, pool)
    if options.gap_us:
        send = with_gaps(send, options.gap_us)
    # A look at the clock costs as much as a fifth of a small message, so not each gets one.
    per_look = max(1, min(16, BYTES_PER_LOOK // options.max_size))
    clock = time.monotonic
    control.wait_for_go()
    cpu_start = time.process_time()
    start = clock()
    end = start + options.seconds
    count = 0
    while True:
        collections.deque(map(send, itertools.islice(messages, per_look)), maxlen=0)
        count += per_look
        if clock() >= end:
            break
    # Sends what the transport has kept back.
    sender.end()
    sender.close()
    seconds = clock() - start
    cpu_seconds = time.process_time() - cpu_start
    size, check_sum = pool.totals(count)
    return {"messages": count, "bytes": size, "seconds": seconds, "cpu_seconds": cpu_seconds,
            "checked": 0, "check_sum": check_sum}


def with_gaps(send: Callable[[Any], Any], gap_us: float) -> Callable[[Any], Any]:
    """The same, and sleeps after each message."""
    def send_and_sleep(message: Any) -> None:
        send(message)
        time.sleep(gap_us * 1e-6)

    return send_and_sleep


def steps_of(sender: Sender, transport: Transport, options: argparse.Namespace,
             pool: PayloadPool) -> tuple[Callable[[Any], Any], Iterator[Any]]:
    """A function that sends one message, and what to call it with, without end."""
    producer = options.index
    if options.mode == "copy":
        messages = pool.messages_with_heads if transport.reads_later else pool.messages
        return sender.send, messages(producer)

    def make(sequence: int) -> None:
        size = pool.sizes[sequence % PIECES]
        sender.send_made(size, lambda target: pool.generate(producer, sequence, target))

    return make, itertools.count()


def work_for(microseconds: float) -> None:
    end = time.perf_counter() + microseconds * 1e-6
    while time.perf_counter() < end:
        pass


class Inspector:
    """Holds messages against what was sent."""

    def __init__(self, pool: PayloadPool) -> None:
        self._pool = pool
        self.checked = 0
        self.check_sum = 0

    def check(self, payload: Any) -> None:
        """
        Raises:
            WrongMessageError: it is not what was sent.
        """
        head, sequence = HEAD.unpack_from(payload)
        piece = head >> 32
        if piece != sequence % PIECES or len(payload) != self._pool.sizes[piece]:
            raise WrongMessageError(f"message {sequence}: {len(payload)} bytes, piece {piece}")
        if not self._pool.is_intact(payload, piece):
            raise WrongMessageError(f"message {sequence}: other contents than were sent")
        self.checked += 1
        self.check_sum += (sequence + 1) * (piece + 1)


def consume(receiver: Receiver, options: argparse.Namespace, control: Control) -> Figures:
    inspector = Inspector(PayloadPool(options.min_size, options.max_size))
    checks_all = options.check == "all"
    unchecked = 0 if checks_all else CHECKED_ONE_IN - 1
    receive, read = receiver.receive, reading_of(options)
    read_some = read_objects if options.max_size < SMALL_BYTES else read_arrays
    count = size = 0
    control.wait_for_go()
    payload = receive()
    # The first message ends the set-up of all processes.
    start, cpu_start = time.monotonic(), time.process_time()
    while payload is not None:
        inspector.check(payload)
        sizes = [read(payload)]
        # Given back first: two views of 64 MiB at a time would be half of the ring.
        payload = None
        sizes += read_some(receive, read, unchecked)
        count += len(sizes)
        size += sum(sizes)
        payload = receive() if len(sizes) > unchecked else None
    seconds = time.monotonic() - start
    figures = {"messages": count, "bytes": size, "seconds": seconds,
               "cpu_seconds": time.process_time() - cpu_start, "checked": inspector.checked}
    # In a sample there is nothing to hold against what was sent.
    return {**figures, "check_sum": inspector.check_sum % MODULUS} if checks_all else figures


def reading_of(options: argparse.Namespace) -> Callable[[Any], int]:
    """What a consumer does with each message; returns how long it is."""
    slow_us = options.slow_us
    # Of a small message, the head is what one reads.
    is_touched = options.touch == "yes" and options.max_size >= SMALL_BYTES

    def read(payload: Any) -> int:
        if is_touched:
            touch(payload)
        if slow_us:
            work_for(slow_us)
        return len(payload)

    return read if is_touched or slow_us else len


def read_objects(receive: Callable[[], Any], read: Callable[[Any], int], most: int) -> list[int]:
    """The sizes of the next messages, fewer than `most` at the end of the stream. Bytes objects
    only, which can be compared with None: without a line of Python between two messages."""
    return list(map(read, itertools.islice(iter(receive, None), most)))


def read_arrays(receive: Callable[[], Any], read: Callable[[Any], int], most: int) -> list[int]:
    """The same for arrays."""
    sizes: list[int] = []
    while len(sizes) < most and (payload := receive()) is not None:
        sizes.append(read(payload))
        payload = None
    return sizes


def stamp_of(head: bytes) -> Callable[[Any], None]:
    """Writes nothing but the head: what a hand-over costs."""
    def write(target: Any) -> None:
        memoryview(target)[: len(head)] = head

    return write


def ping(sender: Sender, receiver: Receiver, options: argparse.Namespace,
         control: Control) -> Figures:
    pool = PayloadPool(options.min_size, options.max_size)
    messages = pool.messages(0)
    trips_ns: list[int] = []
    clock, receive, size = time.perf_counter_ns, receiver.receive, options.max_size

    def send_next() -> None:
        if options.mode == "loan":
            sender.send_made(size, stamp_of(HEAD.pack(0, len(trips_ns) % pool.repeats_after)))
        else:
            sender.send(next(messages))

    def trip() -> None:
        start = clock()
        send_next()
        answer = receive()
        trips_ns.append(clock() - start)
        number = (len(trips_ns) - 1) % pool.repeats_after
        if answer is None or HEAD.unpack_from(answer)[1] != number:
            raise WrongMessageError(f"round trip {len(trips_ns)}: another message came back")

    control.wait_for_go()
    for _ in range(WARM_UP_TRIPS):
        trip()
    cpu_start = time.process_time()
    end = time.monotonic() + options.seconds
    while time.monotonic() < end and len(trips_ns) < MOST_TRIPS:
        trip()
    sender.end()
    if receive() is not None:
        raise WrongMessageError("more came back than was sent")
    cpu_seconds = time.process_time() - cpu_start
    p50, p99, p999 = np.percentile(trips_ns[WARM_UP_TRIPS:], (50, 99, 99.9)) / 1e3
    return {"round_trips": len(trips_ns), "p50_us": float(p50), "p99_us": float(p99),
            "p999_us": float(p999), "cpu_seconds": cpu_seconds}


def pong(sender: Sender, receiver: Receiver, options: argparse.Namespace,
         control: Control) -> Figures:
    control.wait_for_go()
    cpu_start = time.process_time()
    trips = 0
    while (message := receiver.receive()) is not None:
        if options.mode == "loan":
            head = bytes(memoryview(message)[: HEAD.size])
            sender.send_made(len(message), stamp_of(head))
        else:
            sender.send(message)
        del message
        trips += 1
    sender.end()
    return {"round_trips": trips, "cpu_seconds": time.process_time() - cpu_start}


def run_pair(transport: Transport, options: argparse.Namespace, shared: Any,
             control: Control) -> Figures:
    """A ping-pong has two links, each in one direction."""
    link = make_link(options)
    if options.address.startswith("fd:"):
        there = back = link
    else:
        there, back = (
            dataclasses.replace(link, address=f"{link.address}-{name}", shared=one)
            for name, one in zip(("there", "back"), shared or (None, None), strict=True))
    # The receiver first: some transports lose what is sent before there is one.
    receiver = transport.receiver(back if options.role == "ping" else there)
    sender = transport.sender(there if options.role == "ping" else back)
    pin_to_core(options.core)
    figures = (ping if options.role == "ping" else pong)(sender, receiver, options, control)
    receiver.close()
    sender.close()
    return figures


def run(options: argparse.Namespace, control: Control, shared: Any = None) -> Figures:
    transport = transports.find(options.transport)
    if options.role in ("ping", "pong"):
        return run_pair(transport, options, shared, control)
    link = make_link(options, shared)
    if options.role == "produce":
        sender = transport.sender(link)
        pin_to_core(options.core)
        return produce(sender, transport, options, control)
    receiver = transport.receiver(link)
    pin_to_core(options.core)
    figures = consume(receiver, options, control)
    receiver.close()
    return figures


def main(words: Sequence[str], shared: Any = None) -> int:
    """`shared` are objects of multiprocessing, for transports that are made of such."""
    control = Control(sys.stdin, sys.stdout)
    if list(words) == ["transports"]:
        control.say(json.dumps(transports.describe()))
        return 0
    options = parse_arguments(words)
    try:
        control.say(json.dumps(run(options, control, shared)))
    except transports.MissingLibraryError as missing:
        print(f"endpoint.py: {missing}", file=sys.stderr)
        return 3
    except ValueError as error:
        print(f"endpoint.py: {error}", file=sys.stderr)
        return 2
    except WrongMessageError as error:
        print(f"endpoint.py: {options.transport}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
