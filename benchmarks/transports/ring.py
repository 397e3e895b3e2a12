# SPDX-License-Identifier: Apache-2.0
"""ipc0cp itself: `push` or a loan in, a view out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipc0cp
from transports.base import RING_BYTES, Link, Receiver, Sender, Transport


class RingSender(Sender):
    def __init__(self, link: Link) -> None:
        self._producer = ipc0cp.SharedRingBufferProducer(f"bench-{link.address}", RING_BYTES)
        self.send = self._producer.push  # type: ignore[method-assign, assignment]

    def send(self, message: Any) -> None:
        """`push` itself, without a call in between."""

    def send_made(self, size: int, write: Callable[[Any], object]) -> None:
        with self._producer.loan(size) as target:
            write(target)

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
