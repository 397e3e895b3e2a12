# SPDX-License-Identifier: Apache-2.0
"""The exception classes: codes, builtin bases, pickling."""

from __future__ import annotations

import errno
import queue

import ipc0cp


def test_errors_have_codes_and_builtin_bases():
    bases = {
        ipc0cp.Timeout: (TimeoutError, queue.Empty),
        ipc0cp.BufferEmpty: (queue.Empty,),
        ipc0cp.NoSpace: (OSError,),
        ipc0cp.MessageTooLarge: (ValueError,),
        ipc0cp.UnsupportedType: (TypeError,),
        ipc0cp.SizeMismatch: (ValueError,),
        ipc0cp.OptionMismatch: (ValueError,),
        ipc0cp.PermissionDenied: (PermissionError,),
        ipc0cp.InvalidArgument: (ValueError,),
        ipc0cp.OutOfMemory: (MemoryError,),
    }
    for error, expected in bases.items():
        assert issubclass(error, (ipc0cp.Error, *expected))
        assert all(issubclass(error, base) for base in expected)
    codes = [error.code for error in ipc0cp.errors._CLASSES]
    assert len(set(codes)) == len(codes)


def test_error_codes_are_those_of_the_core():
    from ipc0cp import _core

    assert [code.name for code in ipc0cp.ErrorCode] == _core.error_code_names()
    assert [code.value for code in ipc0cp.ErrorCode] == list(range(len(ipc0cp.ErrorCode)))


def test_errors_survive_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(ipc0cp.NoSpace(errno.ENOSPC, "no room")))
    assert (type(error), error.errno) == (ipc0cp.NoSpace, errno.ENOSPC)
    assert str(pickle.loads(pickle.dumps(ipc0cp.Timeout("late")))) == "late"
