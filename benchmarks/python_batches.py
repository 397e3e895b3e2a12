# SPDX-License-Identifier: Apache-2.0
"""Messages of 64 bytes from one Python process to another: many at a time, or one by one.

    python_batches.py KIND SECONDS

Each message carries its number, and the receiver looks at every one. Wrong, lost or missing
messages fail the program.
"""

from __future__ import annotations

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from endpoint import pin_to_core
from processes import SPAWN
from transports.base import RING_BYTES

import ipc0cp

BATCH = 1024
WORDS = 8  # Of 8 bytes; the first one is the number of the message.


class Kind(ABC):
    """How messages are pushed and popped; `make` is not measured."""

    def __init__(self, first: int) -> None:
        self.words = np.zeros((BATCH, WORDS), np.uint64)
        self.words[:, 0] = np.arange(first, first + BATCH, dtype=np.uint64)

    @abstractmethod
    def push(self, producer: ipc0cp.SharedRingBufferProducer) -> int:
        """Pushes `BATCH` messages and returns how many were queued."""

    @abstractmethod
    def pop(self, consumer: ipc0cp.SharedRingBufferConsumer) -> Any:
        """The numbers of the next messages, or None at the end of the stream."""


class Rows(Kind):
    """An array of shape (n, 8), and back into one."""

    def push(self, producer: ipc0cp.SharedRingBufferProducer) -> int:
        pushed = producer.push_many(self.words)
        self.words[:, 0] += np.uint64(BATCH)
        return pushed

    def pop(self, consumer: ipc0cp.SharedRingBufferConsumer) -> Any:
        rows = consumer.pop_array(BATCH)
        return None if rows is None else rows[:, 0]


class Records(Kind):
    """An array of records with eight fields, whose description is longer than they are."""

    FIELDS = np.dtype([(f"field_{number}", np.uint64) for number in range(WORDS)])

    def push(self, producer: ipc0cp.SharedRingBufferProducer) -> int:
        pushed = producer.push_many(self.words.view(self.FIELDS)[:, 0])
        self.words[:, 0] += np.uint64(BATCH)
        return pushed

    def pop(self, consumer: ipc0cp.SharedRingBufferConsumer) -> Any:
        records = consumer.pop_array(BATCH)
        return None if records is None else records["field_0"]


class Bytes(Kind):
    """A list of bytes objects, and back into one."""

    def push(self, producer: ipc0cp.SharedRingBufferProducer) -> int:
        whole = self.words.tobytes()
        self.words[:, 0] += np.uint64(BATCH)
        step = WORDS * 8
        return producer.push_many([whole[at:at + step] for at in range(0, len(whole), step)])

    def pop(self, consumer: ipc0cp.SharedRingBufferConsumer) -> Any:
        objects = consumer.pop_many(BATCH)
        return np.frombuffer(b"".join(objects), np.uint64)[::WORDS] if objects else None


class OneByOne(Bytes):
    """The same bytes objects without batches."""

    def push(self, producer: ipc0cp.SharedRingBufferProducer) -> int:
        whole = self.words.tobytes()
        self.words[:, 0] += np.uint64(BATCH)
        step = WORDS * 8
        return sum(producer.push(whole[at:at + step]) for at in range(0, len(whole), step))

    def pop(self, consumer: ipc0cp.SharedRingBufferConsumer) -> Any:
        data = consumer.pop()
        return None if data is None else np.frombuffer(data, np.uint64)[:1]


KINDS: dict[str, type[Kind]] = {"rows": Rows, "records": Records, "bytes": Bytes, "one": OneByOne}


def receive_all(kind: str, name: str, connection: Connection) -> None:
    how = KINDS[kind](0)
    with ipc0cp.SharedRingBufferConsumer(name, RING_BYTES) as consumer:
        pin_to_core(1)
        connection.send("ready")
        received = calls = 0
        start = 0.0
        while (numbers := how.pop(consumer)) is not None:
            if received == 0:  # The first call ends the set-up; it is not counted.
                start, first = time.monotonic(), len(numbers)
            expected = np.arange(received, received + len(numbers), dtype=np.uint64)
            if not np.array_equal(numbers, expected):
                raise SystemExit(f"other messages than {received} .. {received + len(numbers)}")
            received += len(numbers)
            calls += 1
        connection.send((received, received - first, calls, time.monotonic() - start))


def run(kind: str, seconds: float) -> dict[str, float]:
    name = f"bench-batches-{os.getpid()}"
    here, there = SPAWN.Pipe()
    receiver = SPAWN.Process(target=receive_all, args=(kind, name, there))
    receiver.start()
    there.close()
    here.recv()
    how = KINDS[kind](0)
    with ipc0cp.SharedRingBufferProducer(name, RING_BYTES) as producer:
        pin_to_core(0)
        pushed = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pushed += how.push(producer)
    received, counted, calls, elapsed = here.recv()
    receiver.join()
    if receiver.exitcode != 0 or received != pushed:
        raise SystemExit(f"{pushed} messages were sent and {received} received")
    return {"messages_per_second": counted / elapsed, "messages_per_call": received / calls,
            "messages": pushed}


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        raise SystemExit(f"{__doc__}\nKIND is one of {', '.join(KINDS)}")
    print(json.dumps(run(sys.argv[1], float(sys.argv[2]))))


if __name__ == "__main__":
    main()
