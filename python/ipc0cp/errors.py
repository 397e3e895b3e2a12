# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: N818 - the names are those of the C++ codes, and of queue.Empty before them.
"""The one error vocabulary of ipc0cp; C++ has the same codes.

Every failure is an :class:`Error` with a ``code``. Each class derives from the builtin exception
that fits as well, so ``except queue.Empty`` or ``except OSError`` work as usual. The text says
what was asked, what is there, and what to do.
"""

from __future__ import annotations

import enum
import queue
from typing import ClassVar

from ipc0cp import _core


class ErrorCode(enum.Enum):
    """Every way a call can fail, with the names and numbers of ``ipc0cp::ErrorCode``."""

    ok = 0
    timeout = 1
    buffer_empty = 2
    buffer_full = 3
    end_of_stream = 4
    no_consumers = 5
    message_too_large = 6
    unsupported_type = 7
    invalid_argument = 8
    size_mismatch = 9
    option_mismatch = 10
    no_space = 11
    version_mismatch = 12
    not_a_ring = 13
    permission_denied = 14
    too_many_participants = 15
    closed = 16
    forked_handle = 17
    corrupt_payload = 18
    corrupt_buffer = 19
    interrupted = 20
    out_of_memory = 21
    system_error = 22


class Error(Exception):
    """Base of all errors of ipc0cp; ``code`` says which one it is."""

    code: ClassVar[ErrorCode] = ErrorCode.system_error
    #: Raised by `push_many`: how many messages it had queued before.
    pushed: int = 0


class Timeout(Error, TimeoutError, queue.Empty):
    """The time given to a blocking call is over."""

    code = ErrorCode.timeout


class BufferEmpty(Error, queue.Empty):
    """A non-blocking pop found nothing."""

    code = ErrorCode.buffer_empty


class BufferFull(Error, queue.Full):
    """A non-blocking loan found no room; a push returns False instead."""

    code = ErrorCode.buffer_full


class NoConsumers(Error):
    """Nobody is there to read, or the last reader has closed."""

    code = ErrorCode.no_consumers


class MessageTooLarge(Error, ValueError):
    """The message can never fit into this ring."""

    code = ErrorCode.message_too_large


class UnsupportedType(Error, TypeError):
    """The object has no encoding that gives it back unchanged in value and type."""

    code = ErrorCode.unsupported_type


class InvalidArgument(Error, ValueError):
    """A value outside its documented range."""

    code = ErrorCode.invalid_argument


class SizeMismatch(Error, ValueError):
    """The existing ring has another size."""

    code = ErrorCode.size_mismatch


class OptionMismatch(Error, ValueError):
    """The existing ring has other options."""

    code = ErrorCode.option_mismatch


class NoSpace(Error, OSError):
    """/dev/shm has too little room; ``errno`` is ENOSPC."""

    code = ErrorCode.no_space


class VersionMismatch(Error):
    """The file has another layout version."""

    code = ErrorCode.version_mismatch


class NotARing(Error):
    """The file is something else."""

    code = ErrorCode.not_a_ring


class PermissionDenied(Error, PermissionError):
    """The file belongs to somebody else, or may not be opened."""

    code = ErrorCode.permission_denied


class TooManyParticipants(Error):
    """All 1,023 slots of the ring are taken."""

    code = ErrorCode.too_many_participants


class Closed(Error, ValueError):
    """The handle is closed, perhaps by another thread during the call."""

    code = ErrorCode.closed


class ForkedHandle(Error, RuntimeError):
    """The handle belongs to the parent of this forked process; make one of its own here."""

    code = ErrorCode.forked_handle


class CorruptPayload(Error):
    """One message is damaged; it was dropped, later ones still arrive."""

    code = ErrorCode.corrupt_payload


class CorruptBuffer(Error):
    """The ring itself is damaged."""

    code = ErrorCode.corrupt_buffer


class Interrupted(Error, InterruptedError):
    """The call was asked to stop; from a signal handler its own exception comes instead."""

    code = ErrorCode.interrupted


class OutOfMemory(Error, MemoryError):
    """This process has no memory left for the copy."""

    code = ErrorCode.out_of_memory


class SystemFailure(Error, OSError):
    """An unexpected error of the operating system; see ``errno``."""

    code = ErrorCode.system_error


_CLASSES: tuple[type[Error], ...] = (
    Timeout,
    BufferEmpty,
    BufferFull,
    NoConsumers,
    MessageTooLarge,
    UnsupportedType,
    InvalidArgument,
    SizeMismatch,
    OptionMismatch,
    NoSpace,
    VersionMismatch,
    NotARing,
    PermissionDenied,
    TooManyParticipants,
    Closed,
    ForkedHandle,
    CorruptPayload,
    CorruptBuffer,
    Interrupted,
    OutOfMemory,
    SystemFailure,
)
_CLASS_OF = {error.code: error for error in _CLASSES}
_core.set_error_types([_CLASS_OF.get(code, Error) for code in ErrorCode])
