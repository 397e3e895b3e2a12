# SPDX-License-Identifier: Apache-2.0
"""multiprocessing.Pipe, with its calls for raw bytes."""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from payload_pool import SMALL_BYTES

from transports.base import Link, Receiver, Sender, Transport


class ConnectionSender(Sender):
    def __init__(self, link: Link) -> None:
        self._connection = Connection(link.files[1], readable=False)

    def send(self, message: Any) -> None:
        self._connection.send_bytes(message)

    def end(self) -> None:
        self._connection.close()


class ConnectionReceiver(Receiver):
    """Into a buffer that is used again, or as a bytes object where that is small."""

    def __init__(self, link: Link) -> None:
        self._connection = Connection(link.files[0], writable=False)
        self._buffer = np.empty(link.max_bytes, np.uint8)
        self._is_small = link.max_bytes < SMALL_BYTES

    def receive(self) -> Any:
        try:
            if self._is_small:
                return self._connection.recv_bytes()
            return self._buffer[: self._connection.recv_bytes_into(self._buffer)]
        except EOFError:
            return None


TRANSPORTS = {"connection": Transport(ConnectionSender, ConnectionReceiver)}
