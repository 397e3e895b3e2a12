# SPDX-License-Identifier: Apache-2.0
"""Closing the handles of a process that ends, whichever way it ends."""

from __future__ import annotations

import atexit
import os
import sys
import threading

from ipc0cp import _core

_registered_pid = 0


def is_failing(error: BaseException | None) -> bool:
    """Whether a program that is left by `error` (None: normally) has failed."""
    if isinstance(error, SystemExit):
        return error.code not in (None, 0)
    return error is not None


def _has_failed() -> bool:
    """Whether this program ends by an exception that nobody has caught.

    Python tells its exit hooks neither that nor the exit code, but it keeps the exception that it
    has printed. An interactive session goes on after one.
    """
    if is_failing(sys.exc_info()[1]):  # Children of multiprocessing are in the middle of it.
        return True
    return getattr(sys, "last_value", None) is not None and not hasattr(sys, "ps1")


def close_with_process() -> None:
    """Makes sure that all handles are closed when this process ends; cheap to call again."""
    global _registered_pid
    if _registered_pid == os.getpid():
        return
    _registered_pid = os.getpid()
    # Children of multiprocessing leave through os._exit and run its finalizers only. They forget
    # those that were registered before they ran, for example by unpickling a handle.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(_ANCHOR, _register_finalizer)
        _register_finalizer(_ANCHOR)


class _Anchor:
    """Lives as long as the module, so that multiprocessing keeps the hook."""


_ANCHOR = _Anchor()


def _register_finalizer(_: _Anchor) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, _close_in_child, exitpriority=0)


def _close_in_child() -> None:
    # multiprocessing waits for these threads only after its finalizers, but they may still be at
    # work with a ring.
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    _core.close_handles(_has_failed())


def _shut_down() -> None:
    _core.shut_down(_has_failed())


# Registered at import, so it runs before the hooks of what was imported earlier (logging).
atexit.register(_shut_down)
