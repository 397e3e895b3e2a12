# SPDX-License-Identifier: Apache-2.0
"""cloudtoid-interprocess: a queue of bytes in shared memory, a copy in and a bytes object out.

A full queue has no call that waits, so the sender offers the message again after giving way.
"""

from __future__ import annotations

import os
from typing import Any

import cloudtoid_interprocess as cloudtoid
import numpy as np
from payload_pool import SMALL_BYTES

from transports.base import EndMarks, Link, Receiver, Sender, Transport

END = b"\0"
QUEUE_BYTES = 16 << 20  # So that it stays in the cache.


def capacity_of(link: Link) -> int:
    return max(QUEUE_BYTES, 4 * link.max_bytes)


class CloudtoidSender(Sender):
    def __init__(self, link: Link) -> None:
        self._queue = cloudtoid.Publisher(f"bench-{link.address}", capacity_of(link))
        self._consumers = link.consumers

    def send(self, message: Any) -> None:
        while not self._queue.try_send(message):
            os.sched_yield()

    def end(self) -> None:
        for _ in range(self._consumers):
            self.send(END)

    def close(self) -> None:
        self._queue.close()


class CloudtoidReceiver(Receiver):
    def __init__(self, link: Link) -> None:
        self._queue = cloudtoid.Subscriber(f"bench-{link.address}", capacity_of(link))
        self._marks = EndMarks(link.producers)
        self._is_small = link.max_bytes < SMALL_BYTES

    def receive(self) -> Any:
        while True:
            message = self._queue.receive()
            assert message is not None  # Without a time-out it waits for one.
            if len(message) > len(END):
                return message if self._is_small else np.frombuffer(message, np.uint8)
            if self._marks.is_last():
                return None

    def close(self) -> None:
        self._queue.close()


TRANSPORTS = {
    "cloudtoid": Transport(CloudtoidSender, CloudtoidReceiver, library="cloudtoid-interprocess",
                           is_mpmc=True)}
