# SPDX-License-Identifier: Apache-2.0
"""Python objects to messages and back. Knows no shared memory, only buffers.

`encode` plans an object, `decode` makes it again; which type is handled how is in
`ipc0cp.type_registry`. The normative format is docs/object_format.md.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

from ipc0cp import containers, flatbuffer, objects, strict_json
from ipc0cp.encoding import Encoded, Metadata, Received, type_name
from ipc0cp.errors import CorruptPayload, UnsupportedType
from ipc0cp.metadata import (
    BYTES_METADATA,
    JSON_METADATA,
    TEXT_METADATA,
    check_metadata,
    metadata_text,
    parse_metadata,
    tag_and_version,
)
from ipc0cp.type_registry import BUILTIN_TAGS, TypeRegistry, warn_unknown

__all__ = [
    "check_metadata",
    "decode",
    "encode",
    "is_plain_array",
    "is_plain_type",
    "metadata_text",
    "parse_metadata",
    "serialize",
]

_REGISTRY = TypeRegistry.instance()
#: Refused if they arrive as subclasses: they would come back as the base.
_BASES = (bytes, bytearray, str, int, float, dict, list, tuple, set, frozenset)
# Own metadata inside lists and maps: what leaves room for 64 levels of records around it.
_MOST_NESTED_METADATA_LEVELS = 256


def encode(obj: Any, levels: int = containers.MOST_LEVELS) -> Encoded:
    """The plan of `obj`; `levels` is how many more lists and maps may nest in it.

    Raises:
        UnsupportedType: unless `obj` comes back equal in value and type.
        Exception: whatever a registered serializer raises.
    """
    kind = type(obj)
    if custom := _REGISTRY.serializer_for(kind):
        return _encode_custom(obj, custom(obj), levels)
    if builtin := _ENCODERS.get(kind):
        return builtin(obj, levels)
    if obj is None:
        raise UnsupportedType(
            "None alone cannot be pushed, a pop that returns None means end of stream; inside"
            " lists and dicts it is fine"
        )
    return _encode_foreign(obj, kind, levels)


def serialize(data: objects.SerializableObject) -> tuple[Metadata, bytes]:
    """Metadata and payload of an object of a data class, both as copies. Raises as `encode`."""
    planned_as = next(kind for kind in type(data).__mro__ if kind in _ENCODERS)
    encoded = _ENCODERS[planned_as](data, containers.MOST_LEVELS)
    payload = bytearray(encoded.payload_bytes)
    with memoryview(payload) as target:
        encoded.write_to(target)
    return copy.deepcopy(parse_metadata(encoded.metadata)), bytes(payload)


def _encode_foreign(obj: Any, kind: type, levels: int) -> Encoded:
    if isinstance(obj, objects.SerializableObject) or callable(getattr(kind, "serialize", None)):
        return _encode_custom(obj, obj.serialize(), levels)
    modules = {base.__module__.partition(".")[0] for base in kind.__mro__}
    if "numpy" in modules:
        return _encode_numpy(obj, kind)
    if "PIL" in modules:
        return _encode_pillow(obj, kind)
    if "flatbuffers" in modules and flatbuffer.is_builder(kind):
        _ENCODERS[kind] = _encode_flatbuffer
        return flatbuffer.encode(obj)
    for base in _BASES:
        if isinstance(obj, base):
            raise UnsupportedType(
                f"{type_name(obj)} is not supported, as it would come back as {base.__name__};"
                f" push {base.__name__}(x) or register the type"
            )
    if hasattr(kind, "__dlpack__"):
        from ipc0cp import arrays

        return arrays.encode_dlpack(obj)
    return _encode_buffer(obj, 0)


def _encode_numpy(obj: Any, kind: type) -> Encoded:
    import numpy as np

    from ipc0cp import arrays

    if kind is np.ndarray:
        _ENCODERS[kind] = arrays.encode  # From now on without the detour that spares the import.
        return arrays.encode(obj)
    if isinstance(obj, np.generic):
        return arrays.encode_scalar(obj)
    if isinstance(obj, np.ndarray):
        raise UnsupportedType(
            f"{type_name(obj)} is not supported, as it would come back as numpy.ndarray; push"
            " numpy.asarray(x) if that is what you mean"
        )
    raise UnsupportedType(f"{type_name(obj)} is not a type that can be pushed")


def _encode_pillow(obj: Any, kind: type) -> Encoded:
    from PIL import Image

    from ipc0cp import images

    if kind is Image.Image:
        _ENCODERS[kind] = images.encode
    return images.encode(obj)


def _encode_bytes(obj: bytes, _: int) -> Encoded:
    return Encoded(BYTES_METADATA, len(obj), payload=obj)


def _encode_buffer(obj: Any, _: int) -> Encoded:
    view = _buffer_of(
        obj,
        f"{type_name(obj)} is not a type that can be pushed; see"
        " ipc0cp.type_registry for own types",
    )
    return Encoded(BYTES_METADATA, view.nbytes, payload=view)


def _buffer_of(obj: Any, otherwise: str) -> memoryview:
    try:
        view = memoryview(obj)
    except (TypeError, ValueError, BufferError) as error:
        raise UnsupportedType(f"{otherwise} ({error})") from None
    if not view.c_contiguous:
        raise UnsupportedType(
            f"the buffer of {type_name(obj)} is strided, only C-contiguous ones can be pushed;"
            " push bytes(x) instead"
        )
    # Names of fields stand between colons.
    if "O" in re.sub(":[^:]*:", "", view.format):
        raise UnsupportedType(
            f"the buffer of {type_name(obj)} holds Python objects, which have no bytes to send"
        )
    return view


def _encode_text(obj: str, _: int) -> Encoded:
    if strict_json.has_lone_surrogate(obj):
        raise UnsupportedType("this str holds a lone surrogate, which UTF-8 cannot carry")
    data = obj.encode()
    return Encoded(TEXT_METADATA, len(data), payload=data)


def _encode_json(obj: Any, levels: int) -> Encoded:
    try:
        data = strict_json.write(obj) if strict_json.is_json(obj) else None
    except strict_json.NotJsonError as error:
        raise UnsupportedType(f"{type_name(obj)} cannot be encoded: {error}") from None
    if data is None:  # Only a dict can hold something of another type.
        return containers.encode_map(obj, levels, encode)
    return Encoded(JSON_METADATA, len(data), payload=data)


def _encode_flatbuffer(obj: Any, _: int) -> Encoded:
    return flatbuffer.encode(obj)


def _encode_list(obj: Any, levels: int) -> Encoded:
    return containers.encode_list(obj, levels, encode)


def _encode_bytes_data(obj: objects.BytesData, levels: int) -> Encoded:
    return _encode_custom(obj, (obj.metadata, bytes(obj)), levels)


def _encode_text_data(obj: objects.TextData, levels: int) -> Encoded:
    if type(obj.text) is not str:
        raise UnsupportedType(f"TextData holds a str, not {type_name(obj.text)}")
    return _encode_text(obj.text, levels)


def _encode_json_data(obj: objects.JsonData, levels: int) -> Encoded:
    is_alone = levels == containers.MOST_LEVELS
    if obj.value is None and is_alone:
        raise UnsupportedType("JsonData(None) alone cannot be pushed, as None cannot")
    try:
        data = strict_json.dumps(obj.value, strict_json.MOST_LEVELS if is_alone else levels)
    except strict_json.NotJsonError as error:
        raise UnsupportedType(f"the value of JsonData cannot be encoded: {error}") from None
    return Encoded(JSON_METADATA, len(data), payload=data)


def _encode_array_data(obj: objects.NumpyArray, _: int) -> Encoded:
    import numpy as np

    from ipc0cp import arrays

    return arrays.encode(np.asarray(obj.array))


def _encode_image_data(obj: objects.ImageData, _: int) -> Encoded:
    from ipc0cp import image_files

    return image_files.encode_data(obj)


def _encode_list_data(obj: objects.ListData, levels: int) -> Encoded:
    return containers.encode_list(obj.items, levels, encode)


def _encode_map_data(obj: objects.MapData, levels: int) -> Encoded:
    return containers.encode_map(obj.entries, levels, encode)


_ENCODERS: dict[type, Callable[[Any, int], Encoded]] = {
    bytes: _encode_bytes,
    bytearray: _encode_buffer,
    memoryview: _encode_buffer,
    str: _encode_text,
    dict: _encode_json,
    int: _encode_json,
    float: _encode_json,
    bool: _encode_json,
    list: _encode_list,
    tuple: _encode_list,
    flatbuffer.FlatBuffer: _encode_flatbuffer,
    objects.BytesData: _encode_bytes_data,
    objects.TextData: _encode_text_data,
    objects.JsonData: _encode_json_data,
    objects.NumpyArray: _encode_array_data,
    objects.ImageData: _encode_image_data,
    objects.ListData: _encode_list_data,
    objects.MapData: _encode_map_data,
}


def _encode_custom(obj: Any, serialized: Any, levels: int) -> Encoded:
    otherwise = (
        f"serialize() of {type_name(obj)} must return (metadata, payload), a JSON object and"
    )
    try:
        metadata, payload = serialized
    except (TypeError, ValueError):
        raise UnsupportedType(f"{otherwise} a buffer, not {type_name(serialized)}") from None
    view = _buffer_of(payload, f"{otherwise} a buffer, not {type_name(payload)}")
    text = metadata_text(metadata) or BYTES_METADATA
    nested_levels = strict_json.depth(check_metadata(text))
    if levels != containers.MOST_LEVELS and nested_levels > _MOST_NESTED_METADATA_LEVELS:
        raise UnsupportedType(
            f"the metadata of {type_name(obj)} nests {nested_levels} levels; inside a list or dict"
            f" at most {_MOST_NESTED_METADATA_LEVELS}"
        )
    return Encoded(text, view.nbytes, payload=view)


def decode(metadata: Metadata, received: Received, levels: int = containers.MOST_LEVELS) -> Any:
    """The object of a message.

    Raises:
        CorruptPayload: if metadata or payload break a rule of the format.
        UnsupportedType: if this process lacks what it needs, or None would be the result of a pop.
        Exception: whatever a registered deserializer raises.
    """
    tag, version = tag_and_version(metadata)
    if registered := _REGISTRY.find(tag, version):
        obj = registered.decode(metadata, received)
        if obj is None and levels == containers.MOST_LEVELS:
            raise UnsupportedType(
                f"the deserializer of type {tag!r} returned None, which a pop cannot: it means end"
                " of stream"
            )
        return obj
    builtin = _DECODERS.get(tag)
    if builtin is not None and _is_known(version):
        return builtin(metadata, received, levels)
    warn_unknown(tag, version)
    return objects.BytesData(bytes(received.payload), copy.deepcopy(metadata))


def is_plain_array(metadata: Metadata) -> bool:
    """Whether `decode` makes an array of such messages that the extension can make as well."""
    tag, version = tag_and_version(metadata)
    is_builtin = tag == "ndarray" and _is_known(version) and _REGISTRY.find(tag, version) is None
    return is_builtin and type(metadata["dtype"]) is str and not metadata.get("scalar")


def is_plain_type(kind: type) -> bool:
    """Whether `encode` plans objects of this type itself."""
    return _REGISTRY.serializer_for(kind) is None


def _is_known(version: str) -> bool:
    return version.partition(".")[0] == "1"


def _decode_bytes(_: Metadata, received: Received, __: int) -> bytes:
    return bytes(received.payload)


def _decode_text(_: Metadata, received: Received, __: int) -> str:
    try:
        return str(received.payload, "utf-8")
    except UnicodeDecodeError as error:
        raise CorruptPayload(f"a text message is not UTF-8: {error}") from None


def _decode_json(_: Metadata, received: Received, levels: int) -> Any:
    is_alone = levels == containers.MOST_LEVELS
    most_levels = strict_json.MOST_LEVELS if is_alone else levels
    try:
        value = strict_json.loads(received.payload, most_levels)
    except ValueError as error:
        raise CorruptPayload(f"a json message is not good JSON: {error}") from None
    if value is None and is_alone:
        raise CorruptPayload("null alone is not a message")
    return value


def _decode_array(metadata: Metadata, received: Received, _: int) -> Any:
    from ipc0cp import arrays

    _DECODERS["ndarray"] = arrays.decode  # From now on without the detour that spares the import.
    return arrays.decode(metadata, received)


def _decode_image(metadata: Metadata, received: Received, _: int) -> Any:
    from ipc0cp import images

    _DECODERS["image"] = images.decode
    return images.decode(metadata, received)


def _decode_flatbuffer(metadata: Metadata, received: Received, _: int) -> Any:
    return flatbuffer.decode(metadata, received)


def _decode_list(metadata: Metadata, received: Received, levels: int) -> Any:
    return containers.decode_list(metadata, received, levels, decode)


def _decode_map(metadata: Metadata, received: Received, levels: int) -> Any:
    return containers.decode_map(metadata, received, levels, decode)


_DECODERS: dict[str, Callable[[Metadata, Received, int], Any]] = {
    "bytes": _decode_bytes,
    "text": _decode_text,
    "json": _decode_json,
    "ndarray": _decode_array,
    "image": _decode_image,
    "list": _decode_list,
    "map": _decode_map,
    "flatbuffer": _decode_flatbuffer,
}
assert set(_DECODERS) == BUILTIN_TAGS
