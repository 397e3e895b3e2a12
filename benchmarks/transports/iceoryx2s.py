# SPDX-License-Identifier: Apache-2.0
"""iceoryx2: publish and subscribe with slices of bytes, one publisher and one subscriber.

The subscriber polls, which is the fastest way it offers. The publisher retries until there is room.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import iceoryx2 as iox
import numpy as np
from payload_pool import SMALL_BYTES

from transports.base import Link, Receiver, Sender, Transport

END_BYTES = 1
QUEUE_BYTES = 16 << 20


def open_service(link: Link) -> Any:
    iox.set_log_level(iox.LogLevel.Error)
    node = iox.NodeBuilder.new().create(iox.ServiceType.Ipc)
    name = iox.ServiceName.new(f"bench-{link.address}")
    service = (
        node.service_builder(name).publish_subscribe(iox.Slice[ctypes.c_uint8])
        .payload_alignment(iox.Alignment.new(64))
        .enable_safe_overflow(False)
        .subscriber_max_buffer_size(link.queue_items(QUEUE_BYTES))
        .max_publishers(1).max_subscribers(1)
        .open_or_create()
    )
    return node, service


class Iceoryx2Sender(Sender):
    def __init__(self, link: Link) -> None:
        # All that was made on the way has to live as long as the publisher.
        self._node, self._service = open_service(link)
        self._publisher = (
            self._service.publisher_builder().initial_max_slice_len(link.max_bytes)
            .backpressure_strategy(iox.BackpressureStrategy.RetryUntilDelivered).create()
        )

    def send(self, message: Any) -> None:
        # The address of an array by ctypes: NumPy takes longer to tell it than a small copy takes.
        source = (message if type(message) is bytes
                  else ctypes.byref(ctypes.c_char.from_buffer(message)))
        size = len(message)
        sent = 0
        # Now and then it is delivered to nobody, although there is a subscriber.
        while sent == 0:
            sample = self._publisher.loan_slice_uninit(size)
            ctypes.memmove(sample.payload_ptr, source, size)
            sent = sample.assume_init().send()

    # `send` does not come here: a closure costs a few percent of a small message.
    def send_made(self, size: int, write: Callable[[Any], object]) -> None:
        array_type = ctypes.c_uint8 * size
        sent = 0
        while sent == 0:
            sample = self._publisher.loan_slice_uninit(size)
            write(np.frombuffer(array_type.from_address(sample.payload_ptr), np.uint8))
            sent = sample.assume_init().send()

    def end(self) -> None:
        self.send_made(END_BYTES, lambda _: None)


class Iceoryx2Receiver(Receiver):
    def __init__(self, link: Link) -> None:
        self._node, self._service = open_service(link)
        self._subscriber = self._service.subscriber_builder().create()
        self._is_small = link.max_bytes < SMALL_BYTES
        self._sample: Any = None

    def receive(self) -> Any:
        self._sample = None
        receive = self._subscriber.receive
        while (sample := receive()) is None:
            pass
        self._sample = sample
        payload = sample.payload()
        if payload.number_of_elements == END_BYTES:
            return None
        if self._is_small:
            return ctypes.string_at(payload.data_ptr, payload.number_of_elements)
        return np.frombuffer(payload.as_memory_view(), np.uint8)

    def close(self) -> None:
        self._sample = None


TRANSPORTS = {
    "iceoryx2": Transport(Iceoryx2Sender, Iceoryx2Receiver, library="iceoryx2", has_loans=True)}
