# SPDX-License-Identifier: Apache-2.0
"""What one writes by hand: slots in a multiprocessing.SharedMemory, their numbers in two queues."""

from __future__ import annotations

from multiprocessing.context import SpawnContext
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from payload_pool import SMALL_BYTES

from transports.base import EndMarks, Link, Receiver, Sender, Transport


class Slots:
    """Made by the process that starts the others, and removed by it."""

    def __init__(self, context: SpawnContext, link: Link) -> None:
        self.slot_bytes = link.max_bytes
        count = link.producers + link.consumers + min(64, link.queue_items(16 << 20))
        self.memory = SharedMemory(create=True, size=count * self.slot_bytes)
        self.free = context.SimpleQueue()
        self.full = context.SimpleQueue()
        for slot in range(count):
            self.free.put(slot)

    def close(self) -> None:
        self.memory.close()
        self.memory.unlink()


class SlotSender(Sender):
    def __init__(self, link: Link) -> None:
        self._slots: Slots = link.shared
        self._bytes = np.frombuffer(self._slots.memory.buf, np.uint8)
        self._consumers = link.consumers

    def send(self, message: Any) -> None:
        size = len(message)
        slot = self._slots.free.get()
        start = slot * self._slots.slot_bytes
        self._bytes[start : start + size] = np.frombuffer(message, np.uint8)
        self._slots.full.put((slot, size))

    def end(self) -> None:
        for _ in range(self._consumers):
            self._slots.full.put(None)
        del self._bytes


class SlotReceiver(Receiver):
    """A view, unless it is small, whose slot is given back with the next call."""

    def __init__(self, link: Link) -> None:
        self._slots: Slots = link.shared
        self._bytes = np.frombuffer(self._slots.memory.buf, np.uint8)
        self._bytes.flags.writeable = False
        self._marks = EndMarks(link.producers)
        self._slot: int | None = None

    def receive(self) -> Any:
        if self._slot is not None:
            self._slots.free.put(self._slot)
            self._slot = None
        while (full := self._slots.full.get()) is None:
            if self._marks.is_last():
                return None
        self._slot, size = full
        start = self._slot * self._slots.slot_bytes
        message = self._bytes[start : start + size]
        return message.tobytes() if size < SMALL_BYTES else message

    def close(self) -> None:
        del self._bytes


TRANSPORTS = {"slots": Transport(SlotSender, SlotReceiver, is_mpmc=True, make_shared=Slots)}
