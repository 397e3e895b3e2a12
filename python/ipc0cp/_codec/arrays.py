# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays and scalars, see section 5 of docs/object_format.md. Imported with NumPy only."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ipc0cp._codec import codec, dtypes
from ipc0cp._codec.encoding import Encoded, Metadata, Received, shorten, type_name
from ipc0cp._codec.metadata import metadata_text
from ipc0cp._codec.refusals import is_of_elsewhere
from ipc0cp.errors import CorruptPayload, UnsupportedType
from ipc0cp.objects import NumpyArray

Array = np.ndarray[Any, Any]
AnyDtype = dtypes.AnyDtype

# What `dtype.isbuiltin` says, besides 0 for structured ones.
_BUILTIN, _USER_TYPE = 1, 2
_UINT8 = np.dtype(np.uint8)


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
    # A view of our own is read from now on: while the message waits for room, another thread may
    # give the array another shape or dtype.
    array = array.view()
    flags = array.flags
    is_fortran = flags.f_contiguous and not flags.c_contiguous
    metadata = array_metadata(array.shape, array.dtype, is_fortran)
    payload_bytes = array.nbytes
    if payload_bytes == 0:
        return Encoded(metadata, 0, payload=b"", array=array)
    if is_fortran or flags.c_contiguous:
        payload = bytes_of(array.T if is_fortran else array)
        return Encoded(metadata, payload_bytes, payload=payload, array=array)
    # All bytes of all items in C order, padding and overlapping fields as they are.
    raw = np.dtype((np.void, array.dtype.itemsize))
    items = without_references(array).view(raw)

    def gather(target: memoryview) -> None:
        np.copyto(np.ndarray(items.shape, raw, target), items)

    return Encoded(metadata, payload_bytes, write=gather)


def bytes_of(array: Array) -> Array:
    """The memory of a C-contiguous array as a flat one, writable if the array is."""
    return without_references(array).reshape(-1).view(_UINT8)


def without_references(array: Array) -> Array:
    """The same items where the dtype has gaps in which another one has Python objects.

    Such is `array[["a", "c"]]` of an array whose field "b" holds objects. NumPy lets nobody see its
    bytes, which are pointers in the gaps; the copy has zeros there.
    """
    if not array.dtype.hasobject:
        return array
    copy: Array = np.zeros(array.shape, dtypes.parse(dtypes.describe(array.dtype)))
    copy[...] = array
    return copy


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
            f"the scalar {shorten(scalar)} of type {type_name(scalar)} would come back as"
            f" {shorten(back)} of {type_name(back)}; push {_instead_of(scalar, back)}"
        )
    metadata = array_metadata((), array.dtype, is_scalar=True)
    return Encoded(metadata, array.nbytes, payload=without_references(array).tobytes())


def _instead_of(scalar: np.generic, back: Any) -> str:
    """What keeps the value of a scalar that cannot be sent as it is."""
    if isinstance(scalar, (bytes, str)):
        return f"{'bytes' if isinstance(scalar, bytes) else 'str'}(x)"
    return f"numpy.{type(back).__name__}(x)"


def _take_scalar(array: Array) -> Any:
    """The only element; a structured one would be a view into the array, so that is copied."""
    return array.copy()[()] if array.dtype.kind == "V" else array[()]


def decode(metadata: Metadata, received: Received, _: int = 0) -> Any:
    """The array or scalar of a message of type ndarray.

    Raises:
        CorruptPayload: if metadata and payload do not fit together.
    """
    shape, dtype, is_fortran = layout_of(metadata)
    expected = payload_bytes(shape, dtype)
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


def payload_bytes(shape: tuple[int, ...], dtype: AnyDtype) -> int:
    """What such an array takes. Raises CorruptPayload if that is more than any can have."""
    items = math.prod(shape)
    # NumPy counts the other dimensions even where one of them is 0.
    counted = items or math.prod(dimension for dimension in shape if dimension != 0)
    if counted * max(dtype.itemsize, 1) > 2**63 - 1:
        raise CorruptPayload(f"an array of shape {shorten(shape)} is larger than 2**63-1 bytes")
    return items * dtype.itemsize


def _encode_dlpack(value: Any, _: int) -> Encoded:
    """Plans an object of another library (a torch tensor) that shares CPU memory by DLPack."""
    try:
        array = np.from_dlpack(value)
    except Exception as error:
        if is_of_elsewhere(error):
            raise
        raise UnsupportedType(
            f"{type_name(value)} cannot be shared with NumPy through DLPack ({error}); push a"
            " detached copy on the CPU, of a dtype that NumPy has"
        ) from error
    return encode(array)


def _encode_array_data(data: NumpyArray, _: int) -> Encoded:
    return encode(np.asarray(data.array))


def _encode_other(obj: Any, _: int) -> Encoded:
    """Plans a scalar; refuses everything else of NumPy."""
    if isinstance(obj, np.generic):
        return encode_scalar(obj)
    if isinstance(obj, np.ma.MaskedArray):
        raise UnsupportedType(
            "a masked array would come back without its mask; push"
            " {'data': x.data, 'mask': numpy.ma.getmaskarray(x)}, or x.filled()"
        )
    if isinstance(obj, np.ndarray):
        raise UnsupportedType(
            f"{type_name(obj)} is not supported, as it would come back as numpy.ndarray; push"
            " numpy.asarray(x) if that is what you mean"
        )
    raise UnsupportedType(f"{type_name(obj)} is not a type that can be pushed")


codec.add_foreign_encoder(np.ndarray, encode)
codec.add_foreign_encoder(NumpyArray, _encode_array_data)
codec.add_library("numpy", _encode_other)
codec.add_library("dlpack", _encode_dlpack)
codec.add_decoder("ndarray", decode)
