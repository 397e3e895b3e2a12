# SPDX-License-Identifier: Apache-2.0
"""NumPy dtypes as JSON and back, see section 5 of docs/object_format.md."""

from __future__ import annotations

import functools
import re
from typing import Any, cast

import numpy as np

from ipc0cp._codec.encoding import integer, shorten
from ipc0cp.errors import CorruptPayload, UnsupportedType

# Types are built from values here, which NumPy's annotations cannot follow.
_numpy: Any = np
MOST_LEVELS = 32
MOST_DIMENSIONS = 64
MOST_ITEM_BYTES = 2**31 - 1

AnyDtype = np.dtype[Any]

_SIZES = {
    "b": ("1",),
    "i": ("1", "2", "4", "8"),
    "u": ("1", "2", "4", "8"),
    "f": ("2", "4", "8", "16"),
    "c": ("8", "16", "32"),
}
_NUMBER = re.compile(r"([<>|])([biufc])([0-9]{1,2})")
_FLEXIBLE = re.compile(r"([<>|])([SUV])(0|[1-9][0-9]{0,9})")
_TIME = re.compile(r"[<>][Mm]8(?:\[(0|[1-9][0-9]{0,9})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?")

ML_DTYPES = frozenset(
    {
        *("complex32", "bcomplex32"),
        *("bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn"),
        *("float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
        *("float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn"),
        *("int4", "uint4", "int2", "uint2", "int1", "uint1"),
    }
)

Description = str | dict[str, Any]


def describe(dtype: AnyDtype) -> Description:
    """The JSON value for `dtype`.

    Raises:
        UnsupportedType: unless `parse` gives an equal dtype back.
    """
    description = _describe(dtype)
    try:
        back = parse(description)
    except CorruptPayload as error:
        raise UnsupportedType(
            f"dtype {dtype!r} has no exact encoding: {error}; push x.astype(d) with a dtype d"
            " that is NumPy's own"
        ) from None
    is_other_kind = dtype.kind == "V" and back.type is not dtype.type
    if back != dtype or is_other_kind or back.isalignedstruct != dtype.isalignedstruct:
        raise UnsupportedType(f"dtype {dtype!r} has no exact encoding; it would become {back!r}")
    return description


def _describe(dtype: AnyDtype) -> Description:
    if dtype.metadata is not None:
        plain = "x.dtype.str" if dtype.names is None else "numpy.dtype(x.dtype.descr)"
        raise UnsupportedType(
            f"dtype {dtype!r} carries metadata, which would be lost; push x.astype({plain})"
        )
    if dtype.names is not None:
        return _describe_structured(dtype)
    if dtype.kind == "T":  # Before objects: NumPy counts its texts among them.
        raise UnsupportedType(
            "StringDType is not supported, its texts lie outside the array; push"
            " numpy.array(x.tolist(), 'U') (one width for all) or x.tolist()"
        )
    if dtype.hasobject:
        raise UnsupportedType(
            "arrays of Python objects (dtype object) have no bytes to send; push x.tolist()"
        )
    # A dtype made with NumPy's interface for users may be without a type.
    if getattr(dtype.type, "__module__", None) == "ml_dtypes":
        return dtype.name
    return dtype.str


def _describe_structured(dtype: AnyDtype) -> Description:
    if dtype.type not in (np.void, np.record):
        raise UnsupportedType(
            f"dtype {dtype!r} has fields on a type that is not void or record; push"
            f" x.view(numpy.{dtype.type.__name__})"
        )
    assert dtype.names is not None
    fields = []
    for name in dtype.names:
        # fields is None for a dtype without any field.
        field_dtype, offset, *title = dtype.fields[name]  # type: ignore[index]
        field = {"name": name, "dtype": _describe_field(field_dtype), "offset": int(offset)}
        if title and title[0] is not None:
            if type(title[0]) is not str:
                raise UnsupportedType(
                    f"the title of field {name!r} is {shorten(title[0])}, not a str; make the dtype"
                    " with a str as title, or without"
                )
            field["title"] = title[0]
        fields.append(field)
    description: dict[str, Any] = {"fields": fields, "itemsize": dtype.itemsize}
    if dtype.isalignedstruct:
        description["aligned"] = True
    if dtype.type is np.record:
        description["record"] = True
    return description


def _describe_field(dtype: AnyDtype) -> Description:
    if dtype.subdtype is None:
        return _describe(dtype)
    base, shape = dtype.subdtype
    return {"base": _describe_field(base), "shape": list(shape)}


def parse(description: object) -> AnyDtype:
    """The dtype of a JSON value.

    Raises:
        CorruptPayload: if it breaks a rule.
        UnsupportedType: if it needs a package or a NumPy that is not here.
    """
    return _parse(description, MOST_LEVELS)


def _parse(description: object, levels: int) -> AnyDtype:
    if isinstance(description, str):
        return _parse_simple(description)
    if not isinstance(description, dict):
        raise CorruptPayload(f"a dtype must be a string or an object, not {shorten(description)}")
    return _parse_structured(description, levels)


@functools.lru_cache(maxsize=256)
def _parse_simple(text: str) -> AnyDtype:
    if text in ML_DTYPES:
        return _parse_ml_dtype(text)
    if number := _NUMBER.fullmatch(text):
        order, kind, size = number.groups()
        good = size in _SIZES[kind] and (order == "|") == (size == "1")
    elif flexible := _FLEXIBLE.fullmatch(text):
        order, kind, size = flexible.groups()
        unit = 4 if kind == "U" else 1
        good = int(size) * unit <= MOST_ITEM_BYTES and (order == "|") == (kind != "U")
    else:
        time = _TIME.fullmatch(text)
        good = time is not None and int(time[1] or 1) <= MOST_ITEM_BYTES
    if not good:
        raise CorruptPayload(f"unknown dtype {shorten(text)}")
    if text[1:] in ("f16", "c32") and not _has_x87_long_double():
        raise UnsupportedType(
            f"dtype {shorten(text)} is the 80-bit long double of x86, and this processor has"
            " another format of that name; send .astype('<f8') or .astype('<c16')"
        )
    try:
        return np.dtype(text)
    except TypeError as error:
        raise UnsupportedType(f"this NumPy does not know dtype {shorten(text)}: {error}") from None


@functools.cache
def _has_x87_long_double() -> bool:
    mantissa_bits_of_x87 = 63
    return bool(np.finfo(np.longdouble).nmant == mantissa_bits_of_x87)


def _parse_ml_dtype(name: str) -> AnyDtype:
    try:
        import ml_dtypes
    except ImportError:
        raise UnsupportedType(
            f"an array of dtype {name} needs the package ml_dtypes: pip install ml_dtypes"
        ) from None
    scalar_type = getattr(ml_dtypes, name, None)
    if scalar_type is None:
        raise UnsupportedType(f"the installed ml_dtypes is too old to know {name}")
    return cast(AnyDtype, _numpy.dtype(scalar_type))


def parse_shape(value: object, least_dimensions: int = 0) -> tuple[int, ...]:
    """A shape from JSON. Raises CorruptPayload."""
    if type(value) is not list or not least_dimensions <= len(value) <= MOST_DIMENSIONS:
        raise CorruptPayload(
            f"a shape must be at most {MOST_DIMENSIONS} integers, not {shorten(value)}"
        )
    return tuple(integer(dimension, "a dimension") for dimension in value)


def _flag(description: dict[str, Any], key: str) -> bool:
    value = description.get(key, False)
    if type(value) is not bool:
        raise CorruptPayload(f"{key!r} of a dtype must be true or false, not {shorten(value)}")
    return value


def _parse_structured(description: dict[str, Any], levels: int) -> AnyDtype:
    if levels == 0:
        raise CorruptPayload(f"a structured dtype nests more than {MOST_LEVELS} levels")
    fields = description.get("fields")
    if "base" in description:
        raise CorruptPayload(
            f"a dtype has either fields or, in a field, a base, not {shorten(description)}"
        )
    if type(fields) is not list:
        raise CorruptPayload(f"a structured dtype needs a list of fields, not {shorten(fields)}")
    item_bytes = integer(description.get("itemsize"), "itemsize", MOST_ITEM_BYTES)
    parsed = [_parse_field(field, item_bytes, levels) for field in fields]
    names = [name for name, _, _, _ in parsed]
    titles = [title for _, _, _, title in parsed]
    _refuse_duplicates(names + [title for title in titles if title is not None])
    arguments: dict[str, Any] = {
        "names": names,
        "formats": [dtype for _, dtype, _, _ in parsed],
        "offsets": [offset for _, _, offset, _ in parsed],
        "itemsize": item_bytes,
        "aligned": _flag(description, "aligned"),
    }
    if any(title is not None for title in titles):
        arguments["titles"] = titles
    try:
        dtype: AnyDtype = _numpy.dtype(arguments)
        return _numpy.dtype((np.record, dtype)) if _flag(description, "record") else dtype
    except (TypeError, ValueError) as error:
        raise CorruptPayload(f"NumPy refuses a structured dtype: {error}") from None


def _refuse_duplicates(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise CorruptPayload(f"a field name or title appears twice in {shorten(names)}")


def _parse_field(
    field: object, item_bytes: int, levels: int
) -> tuple[str, AnyDtype, int, str | None]:
    if not isinstance(field, dict) or type(field.get("name")) is not str:
        raise CorruptPayload(
            f"a field of a dtype must be an object with a name, not {shorten(field)}"
        )
    name = field["name"]
    title = field.get("title")
    if "title" in field and type(title) is not str:
        raise CorruptPayload(
            f"the title of field {shorten(name)} must be a string, not {shorten(title)}"
        )
    dtype = _parse_field_dtype(field.get("dtype"), levels - 1)
    offset = integer(field.get("offset"), f"the offset of field {shorten(name)}")
    if offset + dtype.itemsize > item_bytes:
        raise CorruptPayload(
            f"field {shorten(name)} ends at {offset + dtype.itemsize}, its item at {item_bytes}"
        )
    return name, dtype, offset, title


def _parse_field_dtype(description: object, levels: int) -> AnyDtype:
    if not isinstance(description, dict) or "base" not in description or "fields" in description:
        return _parse(description, levels)
    if levels == 0:
        raise CorruptPayload(f"subarrays nest more than {MOST_LEVELS} levels")
    base = _parse_field_dtype(description["base"], levels - 1)
    shape = parse_shape(description.get("shape"), least_dimensions=1)
    item_bytes = base.itemsize
    for dimension in shape:
        item_bytes *= dimension
    if item_bytes > MOST_ITEM_BYTES:
        raise CorruptPayload(
            f"a subarray of shape {shorten(shape)} has more than {MOST_ITEM_BYTES} bytes"
        )
    try:
        return np.dtype((base, shape))
    except (TypeError, ValueError) as error:
        raise CorruptPayload(
            f"NumPy refuses a subarray of shape {shorten(shape)}: {error}"
        ) from None
