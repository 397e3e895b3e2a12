# SPDX-License-Identifier: Apache-2.0
"""Many small arrays as one record, see **run** in section 6 of docs/object_format.md.

A record for each would cost a few microseconds a time, more than pickling does. Here all elements
are copied by one call of NumPy, and come out as slices of one array. Imported with NumPy only.
"""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np

from ipc0cp._codec import arrays, dtypes
from ipc0cp._codec.encoding import Encoded, Metadata, Received, integer, shorten
from ipc0cp._codec.metadata import metadata_text
from ipc0cp._codec.refusals import refuse
from ipc0cp.errors import CorruptPayload, UnsupportedType

MOST_ARRAY_BYTES = 4096
_ALIGNMENT = 64
_LENGTH = np.dtype("<u8")
#: With one dimension more NumPy 1 has no array of all of them.
_MOST_STACKED_DIMENSIONS = 31

_LONGEST_GROUP = 256
_DTYPE_OF = operator.attrgetter("dtype")
_DIMENSIONS_OF = operator.attrgetter("ndim")
_BYTES_OF = operator.attrgetter("nbytes")
_SHAPE_OF = operator.attrgetter("shape")
_STRIDES_OF = operator.attrgetter("strides")
_IS_IN_C_ORDER = operator.attrgetter("flags.c_contiguous")

Array = arrays.Array


def length(values: list[Any], start: int) -> int:
    """How many values from `start` on fit one run; 0 or 1: the first, an array, is an item."""
    first: Array = values[start]
    dtype, dimensions = first.dtype, first.ndim
    following = values[start + 1] if start + 1 < len(values) else None
    # With fields the time would be that of their number times that of the arrays.
    if dtype.names is not None or dtype.itemsize == 0:
        return 1
    # Most that are in no run are told by a look at the next one.
    if type(following) is not np.ndarray or following.dtype != dtype:
        return 1
    if first.nbytes > MOST_ARRAY_BYTES:
        return 1
    # Groups grow, so that a short run costs little, and a long one few calls.
    end, group_length = start, 1
    while end < len(values):
        group = values[end : end + group_length]
        if not _are_alike(group, dtype, dimensions):
            alike = (_are_alike([value], dtype, dimensions) for value in group)
            return end - start + next(i for i, is_alike in enumerate(alike) if not is_alike)
        end += len(group)
        group_length = min(4 * group_length, _LONGEST_GROUP)
    return end - start


def _are_alike(group: list[Any], dtype: Any, dimensions: int) -> bool:
    """Whether all are small arrays in C order of this dtype and number of dimensions.

    In a few passes of C code, which takes a third of the time of a loop in Python.
    """
    if set(map(type, group)) != {np.ndarray}:
        return False
    if set(map(id, map(_DTYPE_OF, group))) != {id(dtype)} and not all(
        one is dtype or _are_equal(one, dtype) for one in map(_DTYPE_OF, group)
    ):
        return False
    # Most are of one dimension, where strides and lengths say it all.
    if set(map(_STRIDES_OF, group)) == {(dtype.itemsize,)} and dimensions == 1:
        return bool(max(map(len, group)) * dtype.itemsize <= MOST_ARRAY_BYTES)
    return (
        set(map(_DIMENSIONS_OF, group)) == {dimensions}
        and max(map(_BYTES_OF, group)) <= MOST_ARRAY_BYTES
        and all(map(_IS_IN_C_ORDER, group))
    )


def _are_equal(left: Any, right: Any) -> bool:
    """Whether two dtypes, the right one simple, are written alike."""
    return bool(
        left == right and left.names is None and left.metadata is None and right.metadata is None
    )


def encode(run: list[Array]) -> tuple[bytes, Encoded]:
    """What the record of a run says after ``"run": n``, and its payload.

    Raises:
        UnsupportedType: for a dtype without exact encoding.
    """
    dtype, shape = run[0].dtype, run[0].shape
    description: Metadata = {"type": "ndarray", "version": "1.0"}
    description["dtype"] = dtypes.describe(dtype)
    if dtype.names is not None:
        raise UnsupportedType("the dtype of an array has changed while it was encoded")
    # Of one dimension the lengths, otherwise the shapes.
    shapes: list[Any] = list(map(len if len(shape) == 1 else _SHAPE_OF, run))
    elements = sum(shapes) * dtype.itemsize if len(shape) == 1 else sum(map(_BYTES_OF, run))
    table = None
    if elements > 0 and shapes.count(shapes[0]) == len(run):
        text = b',"shape":[%b]' % b",".join(b"%d" % length for length in shape)
    else:
        text = b',"dimensions":%d' % len(shape)
        table = np.array(shapes, _LENGTH).tobytes()
        table += bytes(-len(table) % _ALIGNMENT)
    table_bytes = 0 if table is None else len(table)
    # Of NumPy's own dtypes; of others the bytes.
    raw, parts = dtype, run
    if dtype.isbuiltin != 1:
        raw = np.dtype((np.void, dtype.itemsize))
        parts = [array.reshape(-1).view(raw) for array in run]
    elif len(shape) != 1:
        parts = [array.reshape(-1) for array in run]

    def write(target: memoryview) -> None:
        if table is not None:
            target[:table_bytes] = table
        if elements > 0:
            elements_target = np.frombuffer(target[table_bytes:], raw)
            try:
                np.concatenate(parts, out=elements_target, casting="no")
            except Exception as error:  # Another thread has set the shape or dtype of one.
                refuse(run[0], error)

    return text, Encoded(metadata_text(description), table_bytes + elements, write=write)


def decode(record: Metadata, metadata: Metadata, received: Received) -> list[Array]:
    """The arrays of a run: read-only views, or with `received.copy` parts of one writable copy.

    Raises:
        CorruptPayload: if record and payload do not fit together.
        UnsupportedType: if this NumPy cannot make such arrays.
    """
    payload = received.payload
    if received.copy:
        payload = memoryview(bytearray(payload))
    count = integer(record["run"], "run")
    version = metadata.get("version", "1.0")
    if type(version) is not str or version.partition(".")[0] != "1":
        raise CorruptPayload(f"a run of arrays of the unknown version {shorten(version)}")
    description = metadata.get("dtype")
    if type(description) is dict:
        raise CorruptPayload(f"a run of arrays has a simple dtype, not {shorten(description)}")
    dtype = dtypes.parse(description)
    if ("shape" in record) == ("dimensions" in record):
        raise CorruptPayload("a run of arrays has either a shape or a number of dimensions")
    if "shape" in record:
        views = _of_one_shape(record, dtype, count, payload)
    else:
        views = _of_several_shapes(record, dtype, count, payload)
    if views[0].dtype != dtype:
        raise UnsupportedType(f"this NumPy cannot make an array of dtype {shorten(dtype)}")
    return views


def _of_one_shape(record: Metadata, dtype: Any, count: int, payload: memoryview) -> list[Array]:
    shape = dtypes.parse_shape(record["shape"])
    each = arrays.payload_bytes(shape, dtype)
    if count == 0 or each == 0 or count * each != payload.nbytes:
        raise CorruptPayload(
            f"a run of {count} arrays of {each} bytes each does not have {payload.nbytes} bytes"
        )
    if 0 < len(shape) <= _MOST_STACKED_DIMENSIONS:
        return list(np.ndarray((count, *shape), dtype, payload))
    return [_view(shape, dtype, payload, offset) for offset in range(0, payload.nbytes, each)]


def _of_several_shapes(
    record: Metadata, dtype: Any, count: int, payload: memoryview
) -> list[Array]:
    dimensions = integer(record["dimensions"], "dimensions", dtypes.MOST_DIMENSIONS)
    table_bytes = count * dimensions * _LENGTH.itemsize
    start = -(-table_bytes // _ALIGNMENT) * _ALIGNMENT
    if table_bytes == 0 or start > payload.nbytes:
        raise CorruptPayload(
            f"a run of {count} arrays of {dimensions} dimensions in {payload.nbytes} bytes"
        )
    lengths = np.frombuffer(payload[:table_bytes], _LENGTH).tolist()
    elements = payload[start:]
    if dimensions == 1 and dtype.itemsize > 0:
        return _slices(lengths, dtype, elements)
    views, offset = [], 0
    for index in range(0, len(lengths), dimensions):
        shape = tuple(lengths[index : index + dimensions])
        end = offset + arrays.payload_bytes(shape, dtype)
        if end > elements.nbytes:
            _refuse_elements(end, elements)
        views.append(_view(shape, dtype, elements, offset))
        offset = end
    if offset != elements.nbytes:
        _refuse_elements(offset, elements)
    return views


def _slices(lengths: list[int], dtype: Any, elements: memoryview) -> list[Array]:
    ends = list(itertools.accumulate(lengths))
    if ends[-1] * dtype.itemsize != elements.nbytes:
        _refuse_elements(ends[-1] * dtype.itemsize, elements)
    whole: Array = np.ndarray(ends[-1:], dtype, elements)
    return [whole[end - size : end] for size, end in zip(lengths, ends, strict=True)]


def _refuse_elements(needed: int, elements: memoryview) -> None:
    raise CorruptPayload(
        f"the arrays of a run need {needed} bytes or more, not the {elements.nbytes} there are"
    )


def _view(shape: tuple[int, ...], dtype: Any, payload: memoryview, offset: int) -> Array:
    try:
        if math.prod(shape) * dtype.itemsize == 0:
            offset = 0  # NumPy refuses to begin at the end.
        return np.ndarray(shape, dtype, payload, offset)
    except ValueError as error:
        raise UnsupportedType(
            f"this NumPy cannot make an array of shape {shorten(shape)}: {error}"
        ) from None
