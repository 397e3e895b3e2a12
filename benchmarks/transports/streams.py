# SPDX-License-Identifier: Apache-2.0
"""Byte streams over an inherited pipe: hand-made frames, and the STDIO transport of ipc0cp."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Any

import numpy as np
from payload_pool import SMALL_BYTES

import ipc0cp
from transports.base import Link, Receiver, Sender, Transport

LENGTH = struct.Struct("<Q")
LARGE_PIPE_BYTES = 1 << 20  # What the STDIO transport makes of its pipe.


class PipeSender(Sender):
    """A plain pipe, as any program would write it: the length, then the bytes."""

    def __init__(self, link: Link) -> None:
        self._file = link.files[1]

    def send(self, message: Any) -> None:
        size = len(message)
        if size < SMALL_BYTES:
            # Never written in part: as large as a pipe takes at once.
            os.write(self._file, LENGTH.pack(size) + message)
            return
        view = memoryview(message)
        done = os.writev(self._file, [LENGTH.pack(size), view]) - LENGTH.size
        while done < size:
            done += os.write(self._file, view[done:])

    def end(self) -> None:
        os.close(self._file)


class PipeReceiver(Receiver):
    """Into a buffer that is used again, or as a bytes object where that is small."""

    def __init__(self, link: Link) -> None:
        self._file = link.files[0]
        self._head = memoryview(bytearray(LENGTH.size))
        self._buffer = np.empty(link.max_bytes, np.uint8)

    def receive(self) -> Any:
        if not self._read_all(self._head):
            return None
        (size,) = LENGTH.unpack(self._head)
        if not self._read_all(memoryview(self._buffer)[:size]):
            raise EOFError("the pipe ended inside a message")
        return self._buffer[:size].tobytes() if size < SMALL_BYTES else self._buffer[:size]

    def _read_all(self, view: memoryview) -> bool:
        while view:
            count = os.readv(self._file, [view])
            if count == 0:
                return False
            view = view[count:]
        return True


class RawStdioSender(PipeSender):
    """The same with a pipe as large as the STDIO transport makes it."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        fcntl.fcntl(self._file, fcntl.F_SETPIPE_SZ, LARGE_PIPE_BYTES)


class StdioSender(Sender):
    def __init__(self, link: Link) -> None:
        self._producer = ipc0cp.StdioProducer(link.files[1])

    def send(self, message: Any) -> None:
        self._producer.push(message)

    def end(self) -> None:
        self._producer.close()


class StdioReceiver(Receiver):
    """An array that owns its memory, or bytes, as C++ may send them."""

    def __init__(self, link: Link) -> None:
        self._consumer = ipc0cp.StdioConsumer(link.files[0])

    def receive(self) -> Any:
        message = self._consumer.pop()
        is_large = type(message) is bytes and len(message) >= SMALL_BYTES
        return np.frombuffer(message, np.uint8) if is_large else message

    def close(self) -> None:
        self._consumer.close()


TRANSPORTS = {
    "pipe": Transport(PipeSender, PipeReceiver),
    "stdio_raw": Transport(RawStdioSender, PipeReceiver),
    "stdio_api": Transport(StdioSender, StdioReceiver),
}
