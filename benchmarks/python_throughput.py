# SPDX-License-Identifier: Apache-2.0
"""One way from one Python process to another, as fast as it goes.

    python_throughput.py TRANSPORT SECONDS MIN_BYTES MAX_BYTES [all]

The receiver reads every cache line of every message and compares one in 64 with what was sent, or
every one with `all`. Wrong, lost or missing messages fail the program.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from multiprocessing.connection import Connection

import numpy as np
from python_transports import SPAWN, TRANSPORTS, Payload, Transport

PIECES = 67
COMPARED_ONE_IN = 64


@dataclasses.dataclass(frozen=True)
class Order:
    seconds: float
    min_bytes: int
    max_bytes: int
    compared_one_in: int


@dataclasses.dataclass
class Answer:
    """What the receiver found."""

    messages: int = 0
    bytes: int = 0
    compared: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    checksum: int = 0


def make_pool(order: Order) -> list[Payload]:
    """The same in both processes: pieces of one block, which stays in the cache."""
    random = np.random.default_rng(20)
    block = random.integers(0, 256, order.max_bytes + PIECES * 64, np.uint8)
    sizes = random.integers(order.min_bytes, order.max_bytes, PIECES, endpoint=True) // 64 * 64
    return [block[i * 64 : i * 64 + size] for i, size in enumerate(sizes)]


def pin_to_core(core: int) -> None:
    if core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})


def touch(payload: Payload) -> int:
    """Reads one word of each cache line."""
    return int(payload.view(np.uint64)[::8].sum())


def receive_all(transport: Transport, order: Order, connection: Connection) -> None:
    transport.open_receiver()
    pin_to_core(1)
    pool = make_pool(order)
    connection.send("ready")
    answer = Answer()
    start = cpu_start = 0.0
    while (payload := transport.receive()) is not None:
        # The first message ends the set-up of both processes; it is not counted.
        if answer.messages == 0:
            start, cpu_start = time.monotonic(), time.process_time()
        else:
            answer.bytes += payload.nbytes
        answer.checksum ^= touch(payload)
        expected = pool[answer.messages % PIECES]
        if payload.shape != expected.shape:
            raise SystemExit("a message of another size")
        if answer.messages % order.compared_one_in == 0:
            answer.compared += 1
            if not np.array_equal(payload, expected):
                raise SystemExit("a message has other contents than were sent")
        answer.messages += 1
    answer.seconds = time.monotonic() - start
    answer.cpu_seconds = time.process_time() - cpu_start
    connection.send(answer)


def run(name: str, order: Order) -> dict[str, float]:
    transport = TRANSPORTS[name]()
    here, there = SPAWN.Pipe()
    receiver = SPAWN.Process(target=receive_all, args=(transport, order, there))
    receiver.start()
    there.close()
    pool = make_pool(order)
    here.recv()
    transport.open_sender()
    pin_to_core(0)
    transport.send(pool[0])
    cpu_start = time.process_time()
    messages = 1
    end = time.monotonic() + order.seconds
    while time.monotonic() < end:
        transport.send(pool[messages % PIECES])
        messages += 1
    transport.end()
    answer: Answer = here.recv()
    cpu_seconds = time.process_time() - cpu_start + answer.cpu_seconds
    receiver.join()
    if receiver.exitcode != 0 or answer.messages != messages or messages < 2:
        raise SystemExit(f"{messages} messages were sent and {answer.messages} received")
    gigabytes = answer.bytes / 1e9
    return {
        "gigabytes_per_second": gigabytes / answer.seconds,
        "messages_per_second": (messages - 1) / answer.seconds,
        "cpu_seconds_per_gigabyte": cpu_seconds / gigabytes,
        "messages": messages,
        "compared": answer.compared,
    }


def main() -> None:
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    name, seconds, min_bytes, max_bytes, *everything = sys.argv[1:]
    order = Order(float(seconds), int(min_bytes), int(max_bytes),
                  1 if everything else COMPARED_ONE_IN)
    print(json.dumps(run(name, order)))


if __name__ == "__main__":
    main()
