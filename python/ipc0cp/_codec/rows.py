# SPDX-License-Identifier: Apache-2.0
"""An array of shape (n, ...) as n messages, its items, and back. Imported with NumPy only."""

from __future__ import annotations

import copy
import functools
import math
import time
from typing import Any

import numpy as np

from ipc0cp import _core
from ipc0cp._codec import arrays, codec
from ipc0cp._codec.metadata import tag_and_version
from ipc0cp.errors import CorruptPayload, InvalidArgument, UnsupportedType
from ipc0cp.type_registry import TypeRegistry

_REGISTRY = TypeRegistry.instance()
#: Scalars of these kinds are as wide as the items of their array; strings are not.
_FIXED_WIDTH = frozenset("biufcmMV")

Layout = tuple[tuple[int, ...], np.dtype[Any], bool]


class ItemMetadata:
    """The metadata of the items of arrays, with a memory for the last dtype and shape."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # One tuple, so that threads see parts that belong together. Field names can be changed in
        # place: the second dtype is a copy, which tells whether that has happened.
        self._known: tuple[Any, Any, tuple[int, ...], bytes] = (None, None, (), b"")

    def of(self, array: arrays.Array) -> bytes | None:
        """One text for all items of `array`; None: they have to be pushed one by one.

        Raises:
            UnsupportedType: if they cannot be pushed at all.
        """
        dtype, shape = array.dtype, array.shape[1:]
        if _REGISTRY.serializer_for(dtype.type if shape == () else np.ndarray):
            return None
        known_dtype, unchanged, known_shape, text = self._known
        if dtype is known_dtype and shape == known_shape and unchanged == dtype:
            return text
        # A scalar is in native byte order, whatever its array is.
        if shape == () and not _is_fixed_width(array):
            return None
        encoded = codec.encode(array[0])
        assert encoded.payload_bytes == math.prod(shape) * dtype.itemsize
        text = codec.metadata_text(encoded.metadata)
        self._known = (dtype, copy.deepcopy(dtype), shape, text)
        return text


def _is_fixed_width(array: arrays.Array) -> bool:
    """Whether the items of an array of one dimension are scalars with its bytes."""
    dtype = array.dtype
    return dtype.kind in _FIXED_WIDTH and getattr(array[0], "dtype", None) == dtype


def bytes_of(array: arrays.Array) -> Any:
    """The memory of a C-contiguous array as a flat buffer, writable if the array is."""
    return arrays.bytes_of(array) if array.nbytes > 0 else bytearray()


def pop_array(
    handle: _core.ConsumerHandle, most: int, timeout: float | None
) -> arrays.Array | None:
    """See `SharedRingBufferConsumer.pop_array`."""
    if most < 1:
        raise InvalidArgument(f"most must be 1 or more, not {most}")
    deadline = time.monotonic() + _core.timeout_seconds(timeout)
    left = timeout
    while (head := handle.peek(left)) is not None:
        metadata, payload_bytes, queued = head
        try:
            shape, dtype, is_fortran = _layout_of(metadata, payload_bytes)
        except CorruptPayload:
            if handle.pop_rows(metadata, np.empty(payload_bytes, np.uint8), 1) == 1:
                handle.done()
                handle.count_damaged(0)
            raise
        # The axes of an item of order "F" are turned round, before and after.
        axes = shape[::-1] if is_fortran else shape
        rows: arrays.Array = np.empty((min(most, queued), *axes), dtype)
        taken = handle.pop_rows(metadata, bytes_of(rows), len(rows))
        if taken > 0:
            # Fewer, because something else came between: no memory is kept for nothing.
            rows = rows if taken == len(rows) else rows[:taken].copy()
            return rows.transpose(0, *range(rows.ndim - 1, 0, -1)) if is_fortran else rows
        # Another consumer was faster.
        left = max(0.0, deadline - time.monotonic())
    return None


def _layout_of(metadata: bytes, payload_bytes: int) -> Layout:
    """The layout of the next message, if it is an array of so many bytes.

    Raises:
        UnsupportedType: it is something else, or this NumPy cannot make such an array.
        CorruptPayload: it is damaged.
    """
    parsed = codec.parse_metadata(metadata)
    tag, version = tag_and_version(parsed)
    if tag != "ndarray" or _REGISTRY.find(tag, version):
        raise UnsupportedType(
            f"the next message is of type {tag!r} and does not become an array here; it is still"
            " queued, take it with pop()"
        )
    # Who gets a dtype with fields may rename them in place, so those are made anew.
    is_plain = type(parsed.get("dtype")) is str
    layout = _known_layout(metadata) if is_plain else arrays.layout_of(parsed)
    shape, dtype, _ = layout
    if math.prod(shape) * dtype.itemsize != payload_bytes:
        raise CorruptPayload(
            f"an array of shape {shape} and dtype {dtype} does not have {payload_bytes} bytes"
        )
    if np.empty(0, dtype).dtype != dtype:
        raise UnsupportedType(f"this NumPy cannot make an array of dtype {dtype!r}")
    return layout


@functools.lru_cache(maxsize=64)
def _known_layout(metadata: bytes) -> Layout:
    return arrays.layout_of(codec.parse_metadata(metadata))
