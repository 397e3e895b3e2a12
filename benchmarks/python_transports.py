# SPDX-License-Identifier: Apache-2.0
"""Ways to carry arrays from one Python process to another; a rival is one more class."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import struct
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

import ipc0cp

Payload = np.ndarray[Any, np.dtype[np.uint8]]

RING_BYTES = 256 << 20
SPAWN = multiprocessing.get_context("spawn")


class Transport(ABC):
    """Made in the parent and passed to both processes, each of which opens its end."""

    @abstractmethod
    def open_sender(self) -> None: ...

    @abstractmethod
    def send(self, payload: Payload) -> None:
        """Blocks until there is room."""

    @abstractmethod
    def end(self) -> None:
        """Ends the stream."""

    @abstractmethod
    def open_receiver(self) -> None: ...

    @abstractmethod
    def receive(self) -> Payload | None:
        """The next payload, valid until the next call; None at the end of the stream."""


class Ring(Transport):
    """ipc0cp itself: `push` in, a view out."""

    def __init__(self) -> None:
        self._name = f"bench-python-{os.getpid()}"

    def open_sender(self) -> None:
        self._producer = ipc0cp.SharedRingBufferProducer(self._name, RING_BYTES)

    def send(self, payload: Payload) -> None:
        self._producer.push(payload)

    def end(self) -> None:
        self._producer.close()

    def open_receiver(self) -> None:
        self._consumer = ipc0cp.SharedRingBufferConsumer(self._name, RING_BYTES)

    def receive(self) -> Payload | None:
        payload: Payload | None = self._consumer.pop()
        return payload


class Pipe(Transport):
    """A plain pipe: the length, then the bytes, into a buffer that is used again."""

    def __init__(self) -> None:
        self._reader, self._writer = multiprocessing.Pipe(duplex=False)

    def open_sender(self) -> None:
        self._reader.close()

    def send(self, payload: Payload) -> None:
        self._write_all(memoryview(struct.pack("<Q", payload.nbytes)))
        self._write_all(memoryview(payload))

    def _write_all(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self._writer.fileno(), view):]

    def end(self) -> None:
        self._writer.close()

    def open_receiver(self) -> None:
        self._writer.close()
        self._buffer = np.empty(0, np.uint8)

    def receive(self) -> Payload | None:
        head = memoryview(bytearray(8))
        if not self._read_all(head):
            return None
        (size,) = struct.unpack("<Q", head)
        if len(self._buffer) < size:
            self._buffer = np.empty(size, np.uint8)
        if not self._read_all(memoryview(self._buffer)[:size]):
            raise EOFError("the pipe ended inside a message")
        return self._buffer[:size]

    def _read_all(self, view: memoryview) -> bool:
        while view:
            count = os.readv(self._reader.fileno(), [view])
            if count == 0:
                return False
            view = view[count:]
        return True


class StdioRaw(Pipe):
    """The same with a pipe as large as the STDIO transport makes it."""

    def __init__(self) -> None:
        super().__init__()
        fcntl.fcntl(self._writer.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)


class StdioApi(Transport):
    """The STDIO transport: `push` in, an array that owns its memory out."""

    def __init__(self) -> None:
        self._reader, self._writer = multiprocessing.Pipe(duplex=False)

    def open_sender(self) -> None:
        self._reader.close()
        self._producer = ipc0cp.StdioProducer(self._writer)

    def send(self, payload: Payload) -> None:
        self._producer.push(payload)

    def end(self) -> None:
        self._producer.close()

    def open_receiver(self) -> None:
        self._writer.close()
        self._consumer = ipc0cp.StdioConsumer(self._reader)

    def receive(self) -> Payload | None:
        payload: Payload | None = self._consumer.pop()
        return payload


class Queue(Transport):
    """multiprocessing.Queue as everybody uses it, bounded so that it does not eat all memory."""

    def __init__(self) -> None:
        self._queue: multiprocessing.queues.Queue[Payload | None] = SPAWN.Queue(maxsize=16)

    def open_sender(self) -> None: ...

    def send(self, payload: Payload) -> None:
        self._queue.put(payload)

    def end(self) -> None:
        self._queue.put(None)

    def open_receiver(self) -> None: ...

    def receive(self) -> Payload | None:
        return self._queue.get()


TRANSPORTS: dict[str, type[Transport]] = {
    "ring": Ring, "pipe": Pipe, "queue": Queue, "stdio_raw": StdioRaw, "stdio_api": StdioApi,
}
