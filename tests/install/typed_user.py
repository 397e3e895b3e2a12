# SPDX-License-Identifier: Apache-2.0
"""What a type checker says of programs that use the installed package. Checked, never run.

Each `type: ignore` is a mistake that has to be found: an ignore without need is an error too.
"""

from __future__ import annotations

import struct
from typing import Any, assert_type

import numpy as np

import ipc0cp
from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer


class Point(ipc0cp.SerializableObject):
    def __init__(self, x: float) -> None:
        self.x = x

    def serialize(self) -> tuple[dict[str, Any], bytes]:
        return {"type": "point"}, struct.pack("<d", self.x)


class Unfinished(ipc0cp.SerializableObject):
    pass


def good() -> None:
    with SharedRingBufferProducer("typed", 1 << 20, stale="resume", mode=0o640) as producer:
        assert_type(producer, SharedRingBufferProducer)
        assert_type(producer.push({"label": 3, "frame": np.zeros(3)}, timeout=1), bool)
        assert_type(producer.push_raw({"type": "bytes"}, memoryview(b"x")), bool)
        with producer.loan((480, 640, 3), np.uint8, timeout=0.5) as frame:
            frame[...] = 0
            assert_type(frame.shape, tuple[Any, ...])
        loan = producer.loan(7, dtype="<f4")
        loan.array[0] = 1
        loan.publish()
        assert_type(loan, ipc0cp.Loan)
        assert_type(loan.active, bool)
    with SharedRingBufferConsumer("typed", trusted_owners=[1000]) as consumer:
        assert_type(consumer.stats().messages, int)
        assert_type(consumer.stats(), ipc0cp.RingStats)
        message = consumer.pop_raw(timeout=None)
        if message is not None:
            assert_type(message.payload, memoryview)
            assert_type(message.metadata, dict[str, Any])
        for anything in consumer:
            assert_type(anything, Any)
    ipc0cp.register_type(
        "point",
        lambda _, payload: Point(*struct.unpack("<d", payload)),
        python_type=Point,
        serialize=Point.serialize,
    )
    try:
        consumer.pop()
    except ipc0cp.Error as error:
        assert_type(error.code, ipc0cp.ErrorCode)


def bad(producer: SharedRingBufferProducer, consumer: SharedRingBufferConsumer) -> None:
    SharedRingBufferProducer(3)  # type: ignore[arg-type]
    SharedRingBufferProducer("typed", total_data_bytes=None)  # type: ignore[arg-type]
    SharedRingBufferProducer("typed", stale="keep")  # type: ignore[arg-type]
    SharedRingBufferProducer("typed", nonsense=True)  # type: ignore[call-arg]
    SharedRingBufferConsumer("typed", 1 << 20, True, True, True, 2)  # type: ignore[call-arg]
    SharedRingBufferConsumer("typed", trusted_owners=["root"])  # type: ignore[list-item]
    producer.push(b"x", "soon")  # type: ignore[arg-type]
    producer.push_raw({"type": "bytes"}, 3)  # type: ignore[arg-type]
    producer.push_raw(["type"], b"")  # type: ignore[arg-type]
    producer.loan("wide")  # type: ignore[arg-type]
    producer.pop()  # type: ignore[attr-defined]
    consumer.pop(copy=1)  # type: ignore[arg-type]
    bytes(consumer.pop_raw().payload)  # type: ignore[union-attr]
    consumer.stats().messages = 0  # type: ignore[misc]
    ipc0cp.register_type("point", "no function")  # type: ignore[arg-type]
    ipc0cp.set_log_level(None)  # type: ignore[arg-type]
    Unfinished()  # type: ignore[abstract]
