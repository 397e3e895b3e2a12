# SPDX-License-Identifier: Apache-2.0
"""bytes and other buffers, text, and JSON values that are messages of their own."""

from __future__ import annotations

from typing import Any

from ipc0cp._codec import codec, containers, strict_json, typed_json
from ipc0cp._codec.encoding import Encoded, Metadata, Received, buffer_of, type_name
from ipc0cp._codec.metadata import (
    BYTES_METADATA,
    JSON_METADATA,
    MARKED_JSON_METADATA,
    TEXT_METADATA,
)
from ipc0cp.errors import CorruptPayload, UnsupportedType


def encode_bytes(obj: bytes, _: int) -> Encoded:
    """Plans bytes."""
    return Encoded(BYTES_METADATA, len(obj), payload=obj)


def encode_buffer(obj: Any, _: int) -> Encoded:
    """Plans any other object with a C-contiguous buffer; it comes back as bytes."""
    view = buffer_of(
        obj,
        f"{type_name(obj)} is not a type that can be pushed; tell ipc0cp.register_type how it is"
        " sent, or push bytes",
    )
    return Encoded(BYTES_METADATA, view.nbytes, payload=view)


def encode_text(obj: str, _: int) -> Encoded:
    """Plans a str."""
    if strict_json.has_lone_surrogate(obj):
        raise UnsupportedType(
            "this str holds a lone surrogate, which UTF-8 cannot carry; push"
            " x.encode('utf-8', 'surrogatepass'), and decode it the same way"
        )
    data = obj.encode()
    return Encoded(TEXT_METADATA, len(data), payload=data)


def encode_value(obj: Any, levels: int) -> Encoded:
    """Plans a dict or a number: as JSON, or a dict with something else in it as a map."""
    return encode_as_json(obj, levels) or containers.encode_map(obj, levels, codec.encode)


def encode_as_json(obj: Any, levels: int) -> Encoded | None:
    """Plans a dict or a number as JSON, with marks if it needs them; None: it is more than that.

    Raises:
        UnsupportedType: for lone surrogates and too many levels.
    """
    try:
        if strict_json.is_json(obj):
            data = strict_json.dumps(obj)
            return Encoded(JSON_METADATA, len(data), payload=data)
    except strict_json.NotJsonError:
        pass  # Whether marks can say it is told below.
    try:
        data = typed_json.dumps(obj, _most_levels(levels))
    except typed_json.OtherTypeError:
        return None
    except strict_json.NotJsonError as error:
        raise UnsupportedType(f"{type_name(obj)} cannot be encoded: {error}") from None
    return Encoded(MARKED_JSON_METADATA, len(data), payload=data)


def _most_levels(levels: int) -> int:
    """How many levels a JSON value has where so many lists and maps are left."""
    return strict_json.MOST_LEVELS if levels == codec.MOST_LEVELS else levels


def encode_json(value: Any, levels: int) -> Encoded:
    """Plans a value that has to be JSON, whatever it is."""
    if value is None and levels == codec.MOST_LEVELS:
        raise UnsupportedType(
            "JsonData(None) alone cannot be pushed, a pop that returns None means end of stream;"
            " inside a list it is fine: JsonData([None])"
        )
    try:
        data = strict_json.dumps(value, _most_levels(levels))
        return Encoded(JSON_METADATA, len(data), payload=data)
    except strict_json.NotJsonError as error:
        refusal = str(error)
    try:
        data = typed_json.dumps(value, _most_levels(levels))
    except typed_json.OtherTypeError as error:
        # The first error knows the place, but it may be of what marks can say.
        reason = refusal if error.type_name in refusal else str(error)
    except strict_json.NotJsonError as error:
        reason = str(error)
    else:
        return Encoded(MARKED_JSON_METADATA, len(data), payload=data)
    raise UnsupportedType(f"the value of JsonData cannot be encoded: {reason}")


def _decode_bytes(_: Metadata, received: Received, __: int) -> bytes:
    return bytes(received.payload)


def _decode_text(_: Metadata, received: Received, __: int) -> str:
    try:
        return str(received.payload, "utf-8")
    except UnicodeDecodeError as error:
        raise CorruptPayload(f"a text message is not UTF-8: {error}") from None


def read_json(payload: memoryview) -> Any:
    """The value of a json message of version 1. Raises CorruptPayload."""
    return _checked(strict_json.loads(payload, what="json message"))


def _checked(value: Any) -> Any:
    if value is None:
        raise CorruptPayload("null alone is not a message")
    return value


def _decode_json(metadata: Metadata, received: Received, levels: int) -> Any:
    has_marks = metadata.get("version", "1.0").partition(".")[0] != "1"
    loads = typed_json.loads if has_marks else strict_json.loads
    value = loads(received.payload, _most_levels(levels), what="json message")
    return _checked(value) if levels == codec.MOST_LEVELS else value


codec.add_encoder(bytes, encode_bytes)
codec.add_encoder(bytearray, encode_buffer)
codec.add_encoder(memoryview, encode_buffer)
codec.add_encoder(str, encode_text)
for kind in (dict, int, float, bool):
    codec.add_encoder(kind, encode_value)
codec.add_library(codec.UNKNOWN, encode_buffer)
codec.add_decoder("bytes", _decode_bytes)
codec.add_decoder("text", _decode_text)
codec.add_decoder("json", _decode_json)
