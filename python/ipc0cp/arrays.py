# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays and scalars, see section 5 of docs/object_format.md. Imported with NumPy only."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ipc0cp import dtypes
from ipc0cp.encoding import Encoded, Metadata, Received, shorten, type_name
from ipc0cp.errors import CorruptPayload, UnsupportedType
from ipc0cp.metadata import metadata_text

Array = np.ndarray[Any, Any]
AnyDtype = dtypes.AnyDtype

# What `dtype.isbuiltin` says, besides 0 for structured ones.
_BUILTIN, _USER_TYPE = 1, 2


def array_metadata(
    shape: tuple[int, ...], dtype: AnyDtype, is_fortran: bool = False, is_scalar: bool = False
) -> bytes:
    """The metadata of an array. Raises UnsupportedType for a dtype without exact encoding."""
    # A dtype that can be changed in place, or holds what == does not compare, is described anew.
    is_plain = dtype.isbuiltin == _USER_TYPE or (dtype.isbuiltin == _BUILTIN and dtype.kind != "V")
    describe = _known_metadata if is_plain and dtype.metadata is None else _metadata
    return describe(shape, dtype, is_fortran, is_scalar)


def _metadata(shape: tuple[int, ...], dtype: AnyDtype, is_fortran: bool, is_scalar: bool) -> bytes:
    metadata: Metadata = {"type": "ndarray", "version": "1.0"}
    metadata["dtype"] = dtypes.describe(dtype)
    metadata["shape"] = list(shape)
    if is_fortran:
        metadata["order"] = "F"
    if is_scalar:
        metadata["scalar"] = True
    return metadata_text(metadata)


_known_metadata = functools.lru_cache(maxsize=256)(_metadata)


def encode(array: Array, _: int = 0) -> Encoded:
    """Plans an array of exactly the type np.ndarray; strided ones are gathered when written."""
    flags = array.flags
    is_fortran = flags.f_contiguous and not flags.c_contiguous
    metadata = array_metadata(array.shape, array.dtype, is_fortran)
    payload_bytes = array.nbytes
    if payload_bytes == 0:
        return Encoded(metadata, 0, payload=b"")
    if is_fortran or flags.c_contiguous:
        in_order = array.T if is_fortran else array
        return Encoded(metadata, payload_bytes, payload=in_order.reshape(-1).view(np.uint8))
    return Encoded(metadata, payload_bytes, write=lambda target: _gather(array, target))


def _gather(array: Array, target: memoryview) -> None:
    """Copies all bytes of all items in C order, padding and overlapping fields as they are."""
    raw = np.dtype((np.void, array.dtype.itemsize))
    np.copyto(np.ndarray(array.shape, raw, target), array.view(raw))


def encode_scalar(scalar: np.generic) -> Encoded:
    """Plans a NumPy scalar, if an array element holds it exactly."""
    array: Array = np.asarray(scalar)
    if type(array) is not np.ndarray or array.ndim != 0:
        raise UnsupportedType(f"a scalar of type {type_name(scalar)} has no exact encoding")
    # As a reader makes it: np.longlong for example has the dtype of np.int64, but is another type.
    back = _take_scalar(array.astype(dtypes.parse(dtypes.describe(array.dtype))))
    is_text = isinstance(scalar, (bytes, str))
    if type(back) is not type(scalar) or (is_text and back != scalar):
        raise UnsupportedType(
            f"the scalar {scalar!r} of type {type_name(scalar)} would come back as {back!r}"
        )
    metadata = array_metadata((), array.dtype, is_scalar=True)
    return Encoded(metadata, array.nbytes, payload=array.tobytes())


def _take_scalar(array: Array) -> Any:
    """The only element; a structured one would be a view into the array, so that is copied."""
    return array.copy()[()] if array.dtype.kind == "V" else array[()]


def decode(metadata: Metadata, received: Received, _: int = 0) -> Any:
    """The array or scalar of a message of type ndarray.

    Raises:
        CorruptPayload: if metadata and payload do not fit together.
    """
    shape, dtype, is_fortran = layout_of(metadata)
    expected = _payload_bytes(shape, dtype)
    if expected != received.payload.nbytes:
        raise CorruptPayload(
            f"an array of shape {shorten(shape)} and dtype {shorten(dtype)} needs {expected} bytes,"
            f" the payload has {received.payload.nbytes}"
        )
    try:
        array: Array = np.ndarray(shape, dtype, received.payload, order="F" if is_fortran else "C")
    except ValueError as error:
        raise UnsupportedType(
            f"this NumPy cannot make an array of shape {shorten(shape)}: {error}"
        ) from None
    if array.dtype != dtype:
        raise UnsupportedType(f"this NumPy cannot make an array of dtype {shorten(dtype)}")
    if is_scalar(metadata):
        return _take_scalar(array)
    if not received.copy:
        return array
    # NumPy would visit each of any number of items that have no bytes.
    return array.copy(order="K") if expected > 0 else np.empty_like(array)


def layout_of(metadata: Metadata) -> tuple[tuple[int, ...], AnyDtype, bool]:
    """Shape, dtype and whether the order is "F". Raises CorruptPayload."""
    dtype = dtypes.parse(metadata.get("dtype"))
    shape = dtypes.parse_shape(metadata.get("shape"))
    order = metadata.get("order", "C")
    if order not in ("C", "F"):
        raise CorruptPayload(f"the order of an array must be 'C' or 'F', not {shorten(order)}")
    if is_scalar(metadata) and (shape != () or "order" in metadata):
        raise CorruptPayload(
            f"a scalar has shape () and no order, not {shorten(shape)} and {order!r}"
        )
    return shape, dtype, order == "F"


def is_scalar(metadata: Metadata) -> bool:
    """Whether the message is a NumPy scalar. Raises CorruptPayload."""
    scalar = metadata.get("scalar", False)
    if type(scalar) is not bool:
        raise CorruptPayload(f"'scalar' must be true or false, not {shorten(scalar)}")
    return scalar


def _payload_bytes(shape: tuple[int, ...], dtype: AnyDtype) -> int:
    items = math.prod(shape)
    # NumPy counts the other dimensions even where one of them is 0.
    counted = items or math.prod(dimension for dimension in shape if dimension != 0)
    if counted * max(dtype.itemsize, 1) > 2**63 - 1:
        raise CorruptPayload(f"an array of shape {shorten(shape)} is larger than 2**63-1 bytes")
    return items * dtype.itemsize


def encode_dlpack(value: Any) -> Encoded:
    """Plans an object of another library (a torch tensor) that shares CPU memory by DLPack."""
    try:
        array = np.from_dlpack(value)
    except Exception as error:
        raise UnsupportedType(
            f"{type_name(value)} cannot be shared with NumPy through DLPack ({error}); push a"
            " detached copy on the CPU, of a dtype that NumPy has"
        ) from error
    return encode(array)
