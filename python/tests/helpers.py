# SPDX-License-Identifier: Apache-2.0
"""What several tests need: strict comparison, rings, and Python programs in other processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import numpy as np

from ipc0cp._codec import codec
from ipc0cp._codec.encoding import Received

ROOT = Path(__file__).resolve().parents[2]
#: Where the rings of this run are; conftest.py has made it.
SHM = Path(os.environ.get("IPC0CP_DIRECTORY", "/dev/shm"))
#: Seconds after which a blocked call of a test is a failure; far above anything that is normal.
PATIENCE = 30.0
MIB = 1 << 20


def new_name() -> str:
    return f"test-{os.getpid()}-{uuid.uuid4().hex[:12]}"


def file_of(name: str) -> Path:
    return SHM / f"ipc0cp.{name}"


def encode(obj):
    """The message of an object: metadata text and payload, as push would write them."""
    encoded = codec.encode(obj)
    target = bytearray(encoded.payload_bytes)
    with memoryview(target) as view:
        encoded.write_to(view)
    return codec.metadata_text(encoded.metadata), bytes(target)


def decode(metadata: bytes, payload: bytes, copy: bool = False):
    aligned = np.empty(len(payload) + 64, np.uint8)
    start = -aligned.ctypes.data % 64
    aligned[start : start + len(payload)] = np.frombuffer(payload, np.uint8)
    view = memoryview(aligned)[start : start + len(payload)].toreadonly()
    return codec.decode(codec.parse_metadata(metadata), Received(view, copy))


def round_trip(obj):
    return decode(*encode(obj))


def same(left, right) -> bool:
    """Equal in value and type, all the way down; NaNs and signs of zeros by their bits."""
    pairs = [(left, right)]  # A stack: values nest deeper than Python functions may.
    while pairs:
        left, right = pairs.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, list):
            if len(left) != len(right):
                return False
            pairs.extend(zip(left, right, strict=True))
        elif isinstance(left, dict):
            if list(map(repr, left)) != list(map(repr, right)):  # 1, "1" and True are three keys.
                return False
            pairs.extend(zip(left.values(), right.values(), strict=True))
        elif not same_leaves(left, right):
            return False
    return True


def same_leaves(left, right) -> bool:
    if isinstance(left, (np.ndarray, np.generic)):
        return same_arrays(np.asarray(left), np.asarray(right))
    if isinstance(left, float):
        return left.hex() == right.hex()
    return bool(left == right)


def same_arrays(left: np.ndarray, right: np.ndarray) -> bool:
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    if left.dtype.isalignedstruct != right.dtype.isalignedstruct:
        return False
    if left.dtype.names is not None:
        return all(same_arrays(left[name], right[name]) for name in left.dtype.names)
    if left.dtype.type in (np.longdouble, np.clongdouble):  # 10 of 16 bytes have a meaning.
        is_same = np.array_equal(left, right, equal_nan=True)
        return is_same and np.array_equal(np.signbit(left.real), np.signbit(right.real))
    return left.tobytes() == right.tobytes()


def run_python(source: str, *arguments: str, timeout: float = 60.0, **options):
    """Runs a program to its end and returns what it wrote and how it ended."""
    return subprocess.run(
        [sys.executable, "-c", source, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        **options,
    )


def run_file(path: Path, *arguments: str, timeout: float = 60.0):
    """The same for a program in a file, whose children can import it."""
    return subprocess.run(
        [sys.executable, path, *arguments], capture_output=True, text=True, timeout=timeout
    )


def start_python(source: str, *arguments: str, **options) -> subprocess.Popen:
    """Starts a program that talks through its pipes; `with` waits for its end."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", source, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


class Background(threading.Thread):
    """Runs a call in a thread; `result()` returns or raises what it did."""

    def __init__(self, function, *arguments, **options) -> None:
        super().__init__(daemon=True)
        self._call = lambda: function(*arguments, **options)
        self._value = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:  # Handed on by result().
            self._error = error

    def result(self):
        self.join(PATIENCE)
        assert not self.is_alive(), "the call in the background has not ended"
        if self._error is not None:
            raise self._error
        return self._value
