# SPDX-License-Identifier: Apache-2.0
"""What can be told of a FlatBuffer without its schema, see section 8 of docs/object_format.md."""

from __future__ import annotations

import struct
from typing import NamedTuple

#: Largest buffer in bytes: what signed offsets of 32 bits reach.
MOST_BYTES = 2**31 - 2
OFFSET_BYTES = 4

_IDENTIFIER_BYTES = 4
_SIZES_BYTES = 4
#: The distance to the root, the distance to the vtable, and the two sizes of the vtable.
_FEWEST_BYTES = 12
_unpack_distance = struct.Struct("<I").unpack_from
_unpack_signed_distance = struct.Struct("<i").unpack_from
_unpack_sizes = struct.Struct("<HH").unpack_from


class Layout(NamedTuple):
    """What the metadata say."""

    identifier: bytes | None
    size_prefixed: bool

    @property
    def start(self) -> int:
        """Where the buffer starts within its payload."""
        return OFFSET_BYTES if self.size_prefixed else 0


class _Root(NamedTuple):
    """Where the root table and its vtable lie."""

    table: int
    vtable: int


def inspect(buffer: memoryview) -> Layout:
    """What a writer says of `buffer`. Raises ValueError naming what is wrong with it."""
    if has_prefix(buffer) and isinstance(root := _find_root(buffer, OFFSET_BYTES), _Root):
        return Layout(_find_identifier(buffer, OFFSET_BYTES, root), True)
    return Layout(_find_identifier(buffer, 0, _good(_find_root(buffer, 0))), False)


def check(buffer: memoryview, layout: Layout) -> None:
    """Raises ValueError unless `buffer` is what the metadata say."""
    if layout.size_prefixed and not has_prefix(buffer):
        raise ValueError(
            f"a size-prefixed one of {buffer.nbytes} bytes does not begin with the size of what"
            " follows the first 4"
        )
    _good(_find_root(buffer, layout.start))
    found = identifier_bytes(buffer, layout.start)
    if layout.identifier not in (None, found):
        raise ValueError(f"the metadata give the identifier {layout.identifier!r}, not {found!r}")


def identifier_bytes(buffer: memoryview, start: int) -> bytes:
    """The four bytes where an identifier would be."""
    first = start + OFFSET_BYTES
    return bytes(buffer[first : first + _IDENTIFIER_BYTES])


def is_identifier(text: bytes) -> bool:
    """Whether metadata can name this identifier."""
    return len(text) == _IDENTIFIER_BYTES and all(0x20 <= byte <= 0x7E for byte in text)


def has_prefix(buffer: memoryview) -> bool:
    """Whether the first four bytes are the size of the rest."""
    size = buffer.nbytes
    return size >= OFFSET_BYTES and _unpack_distance(buffer)[0] == size - OFFSET_BYTES


def _find_identifier(buffer: memoryview, start: int, root: _Root) -> bytes | None:
    end = start + OFFSET_BYTES + _IDENTIFIER_BYTES
    text = identifier_bytes(buffer, start)
    is_free = root.table >= end and root.vtable >= end
    return text if is_free and is_identifier(text) else None


def _good(root: _Root | str) -> _Root:
    if isinstance(root, str):
        raise ValueError(root)
    return root


def _find_root(buffer: memoryview, start: int) -> _Root | str:
    """Where the root is, or what is wrong with it."""
    total = buffer.nbytes
    if not start + _FEWEST_BYTES <= total <= MOST_BYTES:
        return f"{total} bytes, expected {start + _FEWEST_BYTES} .. {MOST_BYTES}"
    (distance,) = _unpack_distance(buffer, start)
    table = start + distance
    if distance < OFFSET_BYTES or table % OFFSET_BYTES or table + OFFSET_BYTES > total:
        return _misplaced("the root table", table, OFFSET_BYTES, total)
    vtable = table - _unpack_signed_distance(buffer, table)[0]
    if vtable % 2 or not start + OFFSET_BYTES <= vtable <= total - _SIZES_BYTES:
        return _misplaced("the vtable of the root", vtable, _SIZES_BYTES, total)
    vtable_bytes, table_bytes = _unpack_sizes(buffer, vtable)
    if vtable_bytes % 2 or vtable_bytes < _SIZES_BYTES or vtable + vtable_bytes > total:
        return _misplaced("the vtable of the root", vtable, vtable_bytes, total)
    if table_bytes < OFFSET_BYTES or table + table_bytes > total:
        return _misplaced("the root table", table, table_bytes, total)
    return _Root(table, vtable)


def _misplaced(what: str, first: int, size: int, total: int) -> str:
    return f"{what} would have bytes {first} .. {first + size} of {total}"
