# SPDX-License-Identifier: Apache-2.0
"""pyzmq over unix sockets: each consumer has a PULL socket, each producer a PUSH to each of them.

Messages go round the consumers in turn, as one PUSH socket would do it; a socket each lets every
consumer get the end of every producer.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import zmq
from payload_pool import SMALL_BYTES

from transports.base import Link, Receiver, Sender, Transport

QUEUE_BYTES = 16 << 20


def endpoint_of(link: Link, consumer: int) -> str:
    """In the namespace of names without files, so nothing is left behind."""
    return f"ipc://@bench-{link.address}-{consumer}"


class ZeroMqSender(Sender):
    def __init__(self, link: Link) -> None:
        self._context = zmq.Context()
        self._sockets = [self._context.socket(zmq.PUSH) for _ in range(link.consumers)]
        for consumer, socket in enumerate(self._sockets):
            socket.set_hwm(link.queue_items(QUEUE_BYTES))
            socket.connect(endpoint_of(link, consumer))
        if link.consumers == 1:
            self.send = self._sockets[0].send  # type: ignore[method-assign, assignment]
        self._turns = itertools.cycle(self._sockets)

    def send(self, message: Any) -> None:
        next(self._turns).send(message)

    def end(self) -> None:
        self._departures = [
            socket.get_monitor_socket(zmq.EVENT_DISCONNECTED) for socket in self._sockets]
        for socket in self._sockets:
            socket.send(b"")

    def close(self) -> None:
        """Waits for the consumers to leave: what a full one has not read when we leave is lost."""
        for departure in self._departures:
            departure.recv_multipart()
        self._context.destroy()


class ZeroMqReceiver(Receiver):
    def __init__(self, link: Link) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PULL)
        self._socket.set_hwm(link.queue_items(QUEUE_BYTES))
        self._socket.bind(endpoint_of(link, link.index))
        self._left = link.producers
        self._is_small = link.max_bytes < SMALL_BYTES

    def receive(self) -> Any:
        while True:
            if self._is_small:
                message = self._socket.recv()
            else:
                message = np.frombuffer(self._socket.recv(copy=False), np.uint8)
            if len(message) > 0:
                return message
            self._left -= 1
            if self._left == 0:
                return None

    def close(self) -> None:
        self._socket.close()
        self._context.term()


TRANSPORTS = {"zeromq": Transport(ZeroMqSender, ZeroMqReceiver, library="pyzmq", is_mpmc=True)}
