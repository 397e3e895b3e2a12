# SPDX-License-Identifier: Apache-2.0
"""Queues of large objects between Python and C++ processes over shared memory.

>>> producer = ipc0cp.SharedRingBufferProducer("frames", total_data_bytes=256 << 20)
>>> producer.push(np.zeros((480, 640, 3), np.uint8))

>>> for frame in ipc0cp.SharedRingBufferConsumer("frames"):
...     print(frame.shape)

See :class:`SharedRingBufferProducer` and :class:`SharedRingBufferConsumer`, and :class:`Queue`,
which stands in for ``multiprocessing.Queue``.
"""

from typing import TYPE_CHECKING, Any

from ipc0cp._core import version as _version
from ipc0cp.errors import (
    BufferEmpty,
    BufferFull,
    Closed,
    CorruptBuffer,
    CorruptPayload,
    Error,
    ErrorCode,
    ForkedHandle,
    Interrupted,
    InvalidArgument,
    MessageTooLarge,
    NoConsumers,
    NoSpace,
    NotARing,
    OptionMismatch,
    OutOfMemory,
    PermissionDenied,
    SizeMismatch,
    SystemFailure,
    Timeout,
    TooManyParticipants,
    UnsupportedType,
    VersionMismatch,
)
from ipc0cp.flatbuffer import FlatBuffer
from ipc0cp.log import enable_logging, set_log_level
from ipc0cp.message import Message
from ipc0cp.objects import BytesData, SerializableObject
from ipc0cp.ring_buffer import RingStats, SharedRingBufferConsumer, SharedRingBufferProducer
from ipc0cp.type_registry import TypeRegistry, register_type

if TYPE_CHECKING:
    from ipc0cp.queues import Queue as Queue

__version__: str = _version()

__all__ = [
    "BufferEmpty",
    "BufferFull",
    "BytesData",
    "Closed",
    "CorruptBuffer",
    "CorruptPayload",
    "Error",
    "ErrorCode",
    "FlatBuffer",
    "ForkedHandle",
    "Interrupted",
    "InvalidArgument",
    "Message",
    "MessageTooLarge",
    "NoConsumers",
    "NoSpace",
    "NotARing",
    "OptionMismatch",
    "OutOfMemory",
    "PermissionDenied",
    "Queue",
    "RingStats",
    "SerializableObject",
    "SharedRingBufferConsumer",
    "SharedRingBufferProducer",
    "SizeMismatch",
    "SystemFailure",
    "Timeout",
    "TooManyParticipants",
    "TypeRegistry",
    "UnsupportedType",
    "VersionMismatch",
    "__version__",
    "enable_logging",
    "register_type",
    "set_log_level",
]


def __getattr__(name: str) -> Any:
    # Imported on first use, since it brings multiprocessing along.
    if name != "Queue":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ipc0cp.queues import Queue

    globals()[name] = Queue
    return Queue
