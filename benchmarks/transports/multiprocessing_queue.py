# SPDX-License-Identifier: Apache-2.0
"""multiprocessing.Queue as everybody uses it, bounded so that it does not eat all memory."""

from __future__ import annotations

from multiprocessing.context import SpawnContext
from typing import Any

from payload_pool import HEAD

from transports.base import EndMarks, Link, Receiver, Sender, Transport


def make_queue(context: SpawnContext, link: Link) -> Any:
    return context.Queue(link.queue_items(80 << 20))


class QueueSender(Sender):
    """A thread of its own pickles later, so the head of an array travels beside it."""

    def __init__(self, link: Link) -> None:
        self._queue = link.shared
        self._consumers = link.consumers

        self.send = self._queue.put  # type: ignore[method-assign]

    def send(self, message: Any) -> None:
        """`put` itself, without a call in between."""

    def end(self) -> None:
        for _ in range(self._consumers):
            self._queue.put(None)
        self._queue.close()
        self._queue.join_thread()


class QueueReceiver(Receiver):
    def __init__(self, link: Link) -> None:
        self._queue = link.shared
        self._marks = EndMarks(link.producers)

    def receive(self) -> Any:
        while (message := self._queue.get()) is None:
            if self._marks.is_last():
                return None
        if type(message) is not tuple:
            return message
        head, sequence, payload = message
        HEAD.pack_into(payload, 0, head, sequence)
        return payload


TRANSPORTS = {
    "queue": Transport(QueueSender, QueueReceiver, is_mpmc=True, make_shared=make_queue,
                       reads_later=True)}
