# SPDX-License-Identifier: Apache-2.0
"""faster-fifo with raw bytes: no pickle, no copy beyond its own two."""

from __future__ import annotations

import ctypes
import functools
import queue
from multiprocessing.context import SpawnContext
from typing import Any

import faster_fifo
import numpy as np
from payload_pool import SMALL_BYTES

from transports.base import EndMarks, Link, Receiver, Sender, Transport

END = b"\0"
QUEUE_BYTES = 16 << 20  # So that it stays in the cache.
FOREVER = 1e6


@functools.lru_cache(maxsize=256)
def bytes_type(size: int) -> Any:
    return ctypes.c_ubyte * size


def as_buffer(message: Any) -> Any:
    """The queue takes bytes objects and ctypes arrays; the latter without a copy."""
    return message if type(message) is bytes else bytes_type(len(message)).from_buffer(message)


def as_message(view: memoryview) -> Any:
    """`view` is the queue's own buffer, which the next call overwrites."""
    return bytes(view) if len(view) < SMALL_BYTES else np.frombuffer(view, np.uint8)


def make_queue(_: SpawnContext, link: Link) -> Any:
    size = max(QUEUE_BYTES, 2 * link.max_bytes)
    return faster_fifo.Queue(max_size_bytes=size, loads=as_message, dumps=as_buffer)


class FifoSender(Sender):
    def __init__(self, link: Link) -> None:
        self._queue = link.shared
        self._consumers = link.consumers

    def send(self, message: Any) -> None:
        self._queue.put(message, timeout=FOREVER)

    def end(self) -> None:
        for _ in range(self._consumers):
            self._queue.put(END, timeout=FOREVER)


class FifoReceiver(Receiver):
    def __init__(self, link: Link) -> None:
        self._queue = link.shared
        self._marks = EndMarks(link.producers)

    def receive(self) -> Any:
        while True:
            try:
                message = self._queue.get(timeout=FOREVER)
            except queue.Empty:
                # It gives up at once after enlarging its buffer, if another consumer was faster.
                continue
            if len(message) > len(END):
                return message
            if self._marks.is_last():
                return None


TRANSPORTS = {
    "faster_fifo": Transport(FifoSender, FifoReceiver, library="faster-fifo", is_mpmc=True,
                             make_shared=make_queue)}
