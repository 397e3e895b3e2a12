# SPDX-License-Identifier: Apache-2.0
"""ipc0cp itself: `push` or a loan in, a view out."""

from __future__ import annotations

from typing import Any

import ipc0cp
from transports.base import RING_BYTES, Link, Receiver, Sender, Transport


class RingSender(Sender):
    def __init__(self, link: Link) -> None:
        self._producer = ipc0cp.SharedRingBufferProducer(f"bench-{link.address}", RING_BYTES)
        self._push = self._producer.push
        if link.mode == "loan":
            self.send = self._send_loan  # type: ignore[method-assign]
        else:
            self.send = self._push  # type: ignore[method-assign, assignment]

    def send(self, message: Any) -> None:
        """One of the two below, without a call in between."""

    def _send_loan(self, message: Any) -> None:
        with self._producer.loan(message.shape) as target:
            target[...] = message

    def send_head(self, head: bytes, size: int) -> None:
        with self._producer.loan(size) as target:
            memoryview(target)[: len(head)] = head

    def end(self) -> None:
        self._producer.close()


class RingReceiver(Receiver):
    def __init__(self, link: Link) -> None:
        self._consumer = ipc0cp.SharedRingBufferConsumer(
            f"bench-{link.address}", RING_BYTES, expected_producers=link.producers)
        self.receive = self._consumer.pop  # type: ignore[method-assign]

    def receive(self) -> Any:
        """`pop` itself, without a call in between."""

    def close(self) -> None:
        self._consumer.close()


TRANSPORTS = {"ring": Transport(RingSender, RingReceiver, is_mpmc=True, has_loans=True)}
