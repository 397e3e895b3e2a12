# SPDX-License-Identifier: Apache-2.0
"""File objects as ends of a stream: which of them are no more than their descriptor."""

from __future__ import annotations

import io
import operator
import os
import sys
import threading
from typing import Any

from ipc0cp._codec.encoding import type_name
from ipc0cp.errors import InvalidArgument, UnsupportedType


def writable_end(output: Any) -> Any:
    """What the extension writes to: None, a descriptor, or a file object with write().

    Raises:
        UnsupportedType, InvalidArgument: for anything else, with the way out.
    """
    if output is None:
        return None
    output = _plain_int(output)
    _check(output, "wb", "write")
    descriptor = _descriptor_of(output)
    if descriptor is None:
        return output
    if isinstance(output, io.BufferedWriter):
        output.flush()
    return descriptor


def readable_end(source: Any) -> Any:
    """What the extension reads from, as `writable_end`."""
    if source is None:
        return None
    source = _plain_int(source)
    _check(source, "rb", "read")
    descriptor = _descriptor_of(source)
    return source if descriptor is None else descriptor


def _plain_int(end: Any) -> Any:
    """Descriptors as int; True as a descriptor would be a mistake."""
    is_number = hasattr(end, "__index__") and not isinstance(end, bool)
    return operator.index(end) if is_number else end


def _check(end: Any, mode: str, method: str) -> None:
    if type(end) is int:
        if not 0 <= end < 2**31:
            raise InvalidArgument(f"{end} is not a descriptor")
        return
    if isinstance(end, (str, bytes, os.PathLike)):
        raise UnsupportedType(f"{end!r} is a path, not a file object; pass open(..., {mode!r})")
    if isinstance(end, io.TextIOBase):
        raise UnsupportedType(
            f"{type_name(end)} is a file object for text; open it with {mode!r}, pass its .buffer,"
            " or use io.BytesIO in place of io.StringIO"
        )
    if getattr(end, "closed", False) is True:
        raise InvalidArgument(f"this file object ({type_name(end)}) is closed")
    can = getattr(end, "writable" if mode == "wb" else "readable", None)
    if callable(can) and not can():
        raise InvalidArgument(f"this file object is not open for {method[:4]}ing; open it with"
                              f" {mode!r}")
    if not hasattr(end, method) and not hasattr(end, "fileno"):
        raise UnsupportedType(
            f"{type_name(end)} is neither None, a descriptor, nor a file object with {method}()"
        )


def _descriptor_of(end: Any) -> int | None:
    """The descriptor whose bytes are those of `end`, or None.

    A fileno() alone does not say so: that of a gzip file is the compressed file's, that of an
    encrypted socket carries what nobody can read.
    """
    kind = type(end)
    if kind is int:
        return int(end)
    if kind in (io.BufferedReader, io.BufferedWriter):
        return _descriptor_of(end.raw)
    socket = sys.modules.get("socket")
    if socket is not None and kind is socket.SocketIO:
        return _descriptor_of(getattr(end, "_sock", None))
    is_plain = kind is io.FileIO or (socket is not None and kind is socket.socket)
    has_only_a_descriptor = not hasattr(end, "read") and not hasattr(end, "write")
    if is_plain or (has_only_a_descriptor and hasattr(end, "fileno")):
        return int(end.fileno())
    return None


class ReadAhead:
    """What a buffered reader has read of the descriptor before we read there ourselves.

    The bytes stay in its buffer until the stream has used them: what comes behind the end of the
    stream is another's. Thread-safe.
    """

    def __init__(self, source: Any) -> None:
        if source is None:
            source = getattr(sys.stdin, "buffer", None)
            if type(source) is not io.BufferedReader or source.closed or source.fileno() != 0:
                source = None
        is_bypassed = type(source) is io.BufferedReader and _descriptor_of(source) is not None
        self._reader: io.BufferedReader | None = source if is_bypassed else None
        self._lock = threading.Lock()
        self._taken = 0
        self.held = _held_by(source) if is_bypassed else b""

    def take(self, stream_bytes: int) -> None:
        """Removes what the stream has used so far."""
        if self._reader is None:
            return
        with self._lock:
            if self._reader is None:
                return
            used = min(stream_bytes, len(self.held))
            self._reader.read(used - self._taken)
            self._taken = used
            if used == len(self.held):
                self._reader = None


def _nothing_now(_: object) -> None:
    return None


def _held_by(reader: io.BufferedReader) -> bytes:
    """The contents of the buffer. Neither takes them nor reads anything."""
    raw: Any = reader.raw
    # peek() would read if the buffer were empty, and wait for ever where nothing comes.
    raw.readinto = _nothing_now
    try:
        return reader.peek()
    finally:
        del raw.readinto
