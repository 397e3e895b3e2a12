# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: N818 - the names are those of the C++ codes, and of queue.Empty before them.
"""The one error vocabulary of ipc0cp: the table in ``ipc0cp/error.hpp``, which C++ shares.

Every failure is an :class:`Error` with a ``code``. Each class derives from the builtin exception
that fits as well, so ``except queue.Empty`` or ``except OSError`` work as usual. The text says
what was asked, what is there, and what to do.
"""

from __future__ import annotations

import queue
from typing import ClassVar

from ipc0cp import _core
from ipc0cp._core import ErrorCode as ErrorCode


class Error(Exception):
    """Base of all errors of ipc0cp; ``code`` says which one it is."""

    code: ClassVar[ErrorCode] = ErrorCode.system_error
    #: Raised by `push_many`: how many messages it had queued before.
    pushed: int = 0


class Timeout(Error, TimeoutError, queue.Empty):
    """The time given to a blocking call is over."""

    code = ErrorCode.timeout


class BufferEmpty(Error, queue.Empty):
    """A pop that does not wait found nothing."""

    code = ErrorCode.buffer_empty


class BufferFull(Error, queue.Full):
    """A push or loan that does not wait found no room. A push returns False instead."""

    code = ErrorCode.buffer_full


class NoConsumers(Error):
    """Nobody is there to read, or the last reader has closed."""

    code = ErrorCode.no_consumers


class MessageTooLarge(Error, ValueError):
    """The message can never fit into this ring."""

    code = ErrorCode.message_too_large


class UnsupportedType(Error, TypeError):
    """The object has no encoding that gives it back unchanged."""

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
    """The memory behind /dev/shm has too little room (ENOSPC)."""

    code = ErrorCode.no_space


class VersionMismatch(Error):
    """The file or stream has another version."""

    code = ErrorCode.version_mismatch


class NotARing(Error):
    """The file is something else."""

    code = ErrorCode.not_a_ring


class PermissionDenied(Error, PermissionError):
    """The file is another user's, or may not be opened."""

    code = ErrorCode.permission_denied


class TooManyParticipants(Error):
    """All places in the ring are taken."""

    code = ErrorCode.too_many_participants


class Closed(Error, ValueError):
    """The handle is closed, perhaps by another thread during the call."""

    code = ErrorCode.closed


class ForkedHandle(Error, RuntimeError):
    """The handle belongs to the parent of this forked process. Make one of its own here."""

    code = ErrorCode.forked_handle


class CorruptPayload(Error):
    """One message is damaged; it was dropped and counted. Later ones still arrive."""

    code = ErrorCode.corrupt_payload


class CorruptBuffer(Error):
    """The ring itself is damaged."""

    code = ErrorCode.corrupt_buffer


class Interrupted(Error, InterruptedError):
    """The interrupt check of the caller asked to stop.

    From a signal handler its own exception comes instead.
    """

    code = ErrorCode.interrupted


class OutOfMemory(Error, MemoryError):
    """This process has no memory left for the copy."""

    code = ErrorCode.out_of_memory


class SystemFailure(Error, OSError):
    """An unexpected error of the operating system; see its errno."""

    code = ErrorCode.system_error


for _class in Error.__subclasses__():
    _core.set_error_type(_class.code, _class)
