# SPDX-License-Identifier: Apache-2.0
"""Gives the rings of a test run a directory of their own, unless the caller has.

The core reads the environment when it first looks for a ring, and children inherit it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_MADE: Path | None = None

if "IPC0CP_DIRECTORY" not in os.environ:
    _MADE = Path(tempfile.mkdtemp(prefix="ipc0cp-tests-", dir="/dev/shm"))
    _MADE.chmod(0o1777)  # As /dev/shm: some tests become another user.
    os.environ["IPC0CP_DIRECTORY"] = str(_MADE)


def remove() -> None:
    """At the end of the run. What is still there fails it."""
    if _MADE is not None:
        _MADE.rmdir()
