# SPDX-License-Identifier: Apache-2.0
"""Programs whose rings have little memory. Apart from helpers.py, which workers import, too."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import SHM


def run_in_small_shm(source: str, *arguments: str) -> str:
    """What a program writes where rings have 64 MiB of memory; skips where none can be mounted."""
    mount = f'mount -t tmpfs -o size=64m tmpfs {SHM} && exec "$@"'
    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", source, *arguments],
        capture_output=True,
        text=True,
        input="\n",
        timeout=60,
    )
    if "unshare" in result.stderr or "mount:" in result.stderr:
        pytest.skip(f"no mount namespace here: {result.stderr}")
    assert result.returncode == 0, result.stderr
    return result.stdout
