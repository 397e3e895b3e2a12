# SPDX-License-Identifier: Apache-2.0
"""Queues of large objects between Python and C++ processes over shared memory.

>>> producer = ipc0cp.SharedRingBufferProducer("frames", total_data_bytes=256 << 20)
>>> producer.push(np.zeros((480, 640, 3), np.uint8))

>>> for frame in ipc0cp.SharedRingBufferConsumer("frames"):
...     print(frame.shape)

- Rings: `SharedRingBufferProducer`, `SharedRingBufferConsumer`; what their calls return: `Loan`,
  `Message`, `RingStats`, `StreamEnd`. `Queue`, `JoinableQueue` and `SimpleQueue` stand in for those
  of ``multiprocessing.queues``.
- Several of them at once: `wait`.
- The same messages over a pipe, a socket or a file: `StdioProducer`, `StdioConsumer`.
- Own types: `register_type`, `unregister_type`, `TypeRegistry`, `SerializableObject`. What is sent
  in one way only: `BytesData`, `TextData`, `JsonData`, `NumpyArray`, `ImageData`, `ListData`,
  `MapData`, `FlatBuffer`.
- Looking at rings without joining them: the module `ipc0cp.inspect`.
- Log lines: `enable_logging`, `set_log_level`.
- Failures are an `Error` with an `ErrorCode`:
  nothing to take or no room now: `Timeout`, `BufferEmpty`, `BufferFull`, `NoConsumers`;
  cannot be sent: `UnsupportedType`, `MessageTooLarge`, `InvalidArgument`;
  cannot be opened: `SizeMismatch`, `OptionMismatch`, `NoSpace`, `VersionMismatch`, `NotARing`,
  `PermissionDenied`, `TooManyParticipants`;
  the handle is over: `Closed`, `ShutDown` (of a queue), `ForkedHandle`, `Interrupted`;
  damage, and the system: `CorruptPayload`, `CorruptBuffer`, `OutOfMemory`, `SystemFailure`.

Handles are thread-safe. Sizes are bytes, times are seconds.
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

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
from ipc0cp.objects import (
    BytesData,
    ImageData,
    JsonData,
    ListData,
    MapData,
    NumpyArray,
    SerializableObject,
    TextData,
)
from ipc0cp.ring_buffer import (
    RingStats,
    SharedRingBufferConsumer,
    SharedRingBufferProducer,
    StreamEnd,
)
from ipc0cp.stdio import StdioConsumer, StdioProducer
from ipc0cp.type_registry import TypeRegistry, register_type, unregister_type

if _TYPE_CHECKING:
    from ipc0cp._queue.tasks import ShutDown
    from ipc0cp.loan import Loan
    from ipc0cp.queues import JoinableQueue, Queue, SimpleQueue
    from ipc0cp.waiting import wait

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
    "ImageData",
    "Interrupted",
    "InvalidArgument",
    "JoinableQueue",
    "JsonData",
    "ListData",
    "Loan",
    "MapData",
    "Message",
    "MessageTooLarge",
    "NoConsumers",
    "NoSpace",
    "NotARing",
    "NumpyArray",
    "OptionMismatch",
    "OutOfMemory",
    "PermissionDenied",
    "Queue",
    "RingStats",
    "SerializableObject",
    "SharedRingBufferConsumer",
    "SharedRingBufferProducer",
    "ShutDown",
    "SimpleQueue",
    "SizeMismatch",
    "StdioConsumer",
    "StdioProducer",
    "StreamEnd",
    "SystemFailure",
    "TextData",
    "Timeout",
    "TooManyParticipants",
    "TypeRegistry",
    "UnsupportedType",
    "VersionMismatch",
    "__version__",
    "enable_logging",
    "register_type",
    "set_log_level",
    "unregister_type",
    "wait",
]


# Imported on first use, with what they bring along (NumPy, multiprocessing).
_LAZY = {
    "JoinableQueue": "ipc0cp.queues",
    "Loan": "ipc0cp.loan",
    "Queue": "ipc0cp.queues",
    "ShutDown": "ipc0cp._queue.tasks",
    "SimpleQueue": "ipc0cp.queues",
    "wait": "ipc0cp.waiting",
}


def __getattr__(name: str) -> _Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_importlib.import_module(_LAZY[name]), name)
