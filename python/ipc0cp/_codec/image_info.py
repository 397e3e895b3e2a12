# SPDX-License-Identifier: Apache-2.0
"""What an image says about itself, see **info** in section 7 of docs/object_format.md.

Short values stand in the metadata; bytes and long texts (an ICC profile has up to 1 MB) follow the
pixels, and marks in the metadata say how many bytes each has.
"""

from __future__ import annotations

import dataclasses
import logging
import numbers
from typing import Any

from ipc0cp._codec import typed_json
from ipc0cp._codec.encoding import Metadata, integer, shorten
from ipc0cp.errors import CorruptPayload

MOST_ENTRIES = 1024
MOST_LEVELS = 8
LEAST_TEXT_PIECE_BYTES = 256

#: What has a key of its own in the metadata.
_TRANSPARENCY = "transparency"
_MOST_WARNINGS = 256
_warned: set[tuple[str, ...]] = set()


class _NotCarriedError(Exception):
    """A value of a type that the format does not have."""


@dataclasses.dataclass(slots=True)
class InfoPlan:
    """The entries as the metadata has them, and the pieces that their marks stand for."""

    entries: Metadata
    pieces: list[bytes]

    @property
    def pieces_bytes(self) -> int:
        """Bytes of all pieces together."""
        return sum(map(len, self.pieces))


def plan(info: dict[Any, Any]) -> InfoPlan | None:
    """What of `info` travels; None: nothing. What cannot is named in one warning."""
    result = InfoPlan({}, [])
    missing: list[str] = []
    for key, value in info.items():
        if key == _TRANSPARENCY:
            continue
        pieces: list[bytes] = []
        try:
            if len(result.entries) == MOST_ENTRIES:
                raise _NotCarriedError
            described = _describe(value, pieces, MOST_LEVELS)
            result.entries[_key(key)] = described
        except _NotCarriedError:
            missing.append(f"{shorten(key)} ({type(value).__name__})")
        else:
            result.pieces += pieces
    if missing:
        _warn(tuple(missing))
    return result if result.entries else None


def _key(key: Any) -> str:
    if type(key) is not str:
        raise _NotCarriedError
    _encoded(key)
    return key


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # A lone surrogate.
        raise _NotCarriedError from None


def _describe(value: Any, pieces: list[bytes], levels: int) -> Any:
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is int or kind is float:
        return typed_json.number(value)
    if kind is bytes:
        pieces.append(value)
        return {"$bytes": len(value)}
    if isinstance(value, str):  # Also iTXt of PNG files, which has a language besides.
        data = _encoded(value)
        if len(data) < LEAST_TEXT_PIECE_BYTES:
            return str(value)
        pieces.append(data)
        return {"$text": len(data)}
    if isinstance(value, numbers.Integral) and not isinstance(value, int):  # Those of NumPy.
        return typed_json.number(int(value))
    if isinstance(value, numbers.Rational) and not isinstance(value, int):  # IFDRational.
        return typed_json.number(_float_of(value))
    if kind is tuple and levels > 0:
        return [_describe(item, pieces, levels - 1) for item in value]
    raise _NotCarriedError


def _float_of(value: Any) -> float:
    try:
        return float(value)
    except (ArithmeticError, ValueError):
        raise _NotCarriedError from None


def _warn(missing: tuple[str, ...]) -> None:
    """Once per process and set of keys, so that a stream of such images says it once."""
    if missing in _warned or len(_warned) >= _MOST_WARNINGS:
        return
    _warned.add(missing)
    logging.getLogger("ipc0cp").warning(
        "images lose these entries of their info: %s; a message carries bytes, str, int, float,"
        " bool, None and tuples of these, under at most %d keys that are str",
        ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else ""),
        MOST_ENTRIES,
    )


def pieces_bytes(entries: Any) -> int:
    """How many bytes the marks in `entries` stand for. Raises CorruptPayload."""
    if type(entries) is not dict:
        raise CorruptPayload(f"the info of an image must be an object, not {shorten(entries)}")
    return sum(_piece_bytes(value, MOST_LEVELS) for value in entries.values())


def _piece_bytes(value: Any, levels: int) -> int:
    if type(value) is list:
        if levels == 0:
            raise CorruptPayload(f"an entry of info nests more than {MOST_LEVELS} levels")
        return sum(_piece_bytes(item, levels - 1) for item in value)
    if type(value) is not dict:
        return 0
    mark, content = next(iter(value.items())) if len(value) == 1 else ("", None)
    if mark in ("$bytes", "$text"):
        return integer(content, f"{mark} in the info of an image")
    typed_json.scalar_of_mark(value)
    return 0


def parse(entries: Metadata, pieces: memoryview) -> dict[str, Any]:
    """The info of an image from entries that `pieces_bytes` has seen. Raises CorruptPayload."""
    reader = _Reader(pieces)
    return {key: reader.read(value) for key, value in entries.items()}


class _Reader:
    """Takes one piece after the other."""

    def __init__(self, pieces: memoryview) -> None:
        self._pieces = pieces
        self._next = 0

    def read(self, value: Any) -> Any:
        """The value that an entry stands for."""
        if type(value) is list:
            return tuple(map(self.read, value))
        if type(value) is not dict:
            return value
        if "$bytes" in value:
            return self._take(value["$bytes"])
        if "$text" in value:
            try:
                return self._take(value["$text"]).decode()
            except UnicodeDecodeError as error:
                raise CorruptPayload(f"a text in the info of an image: {error}") from None
        return typed_json.scalar_of_mark(value)

    def _take(self, size: int) -> bytes:
        piece = bytes(self._pieces[self._next : self._next + size])
        self._next += size
        return piece
