# SPDX-License-Identifier: Apache-2.0
"""Python objects to messages and back. Knows no shared memory, only buffers.

`encode` plans an object, `decode` makes it again; which type is handled how is in
`ipc0cp.type_registry`. The normative format is docs/object_format.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ipc0cp import containers, flatbuffer, strict_json
from ipc0cp.encoding import Encoded, Metadata, Received, type_name
from ipc0cp.errors import CorruptPayload, InvalidArgument, UnsupportedType
from ipc0cp.objects import BytesData, SerializableObject
from ipc0cp.type_registry import BUILTIN_TAGS, TypeRegistry, warn_unknown

_REGISTRY = TypeRegistry.instance()
#: Refused if they arrive as subclasses: they would come back as the base.
_BASES = (bytes, bytearray, str, int, float, dict, list, tuple, set, frozenset)
BYTES_METADATA = b'{"type":"bytes","version":"1.0"}'


def encode(obj: Any, levels: int = containers.MOST_LEVELS) -> Encoded:
    """The plan of `obj`.

    Raises:
        UnsupportedType: unless `obj` comes back equal in value and type.
    """
    kind = type(obj)
    if custom := _REGISTRY.serializer_for(kind):
        return _encode_custom(obj, custom(obj))
    if builtin := _ENCODERS.get(kind):
        return builtin(obj, levels)
    if obj is None:
        raise UnsupportedType(
            "None alone cannot be pushed, a pop that returns None means end of stream; inside"
            " lists and dicts it is fine"
        )
    return _encode_foreign(obj, kind)


def _encode_foreign(obj: Any, kind: type) -> Encoded:
    modules = {base.__module__.partition(".")[0] for base in kind.__mro__}
    if "numpy" in modules:
        return _encode_numpy(obj, kind)
    if "PIL" in modules:
        from ipc0cp import images

        return images.encode(obj)
    if "flatbuffers" in modules and flatbuffer.is_builder(kind):
        _ENCODERS[kind] = _encode_flatbuffer
        return flatbuffer.encode(obj)
    if isinstance(obj, SerializableObject) or callable(getattr(kind, "serialize", None)):
        return _encode_custom(obj, obj.serialize())
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
        _ENCODERS[kind] = _encode_array  # From now on without the detour that spares the import.
        return arrays.encode_array(obj)
    if isinstance(obj, np.generic):
        return arrays.encode_scalar(obj)
    if isinstance(obj, np.ndarray):
        raise UnsupportedType(
            f"{type_name(obj)} is not supported, as it would come back as numpy.ndarray; push"
            " numpy.asarray(x) if that is what you mean"
        )
    raise UnsupportedType(f"{type_name(obj)} is not a type that can be pushed")


def _encode_array(obj: Any, _: int) -> Encoded:
    from ipc0cp import arrays

    return arrays.encode_array(obj)


def _encode_bytes(obj: bytes, _: int) -> Encoded:
    return Encoded({"type": "bytes", "version": "1.0"}, len(obj), payload=obj)


def _encode_buffer(obj: Any, _: int) -> Encoded:
    try:
        view = memoryview(obj)
    except TypeError:
        raise UnsupportedType(
            f"{type_name(obj)} is not a type that can be pushed; see ipc0cp.type_registry for own"
            " types"
        ) from None
    if not view.c_contiguous:
        raise UnsupportedType("only C-contiguous buffers can be pushed; push bytes(x) instead")
    return Encoded({"type": "bytes", "version": "1.0"}, view.nbytes, payload=view)


def _encode_text(obj: str, _: int) -> Encoded:
    if strict_json.has_lone_surrogate(obj):
        raise UnsupportedType("this str holds a lone surrogate, which UTF-8 cannot carry")
    data = obj.encode()
    return Encoded({"type": "text", "version": "1.0"}, len(data), payload=data)


def _encode_json(obj: Any, levels: int) -> Encoded:
    try:
        data = strict_json.dumps(obj)
    except strict_json.NotJsonError as error:
        if error.is_other_type and type(obj) is dict:
            return containers.encode_map(obj, levels, encode)
        raise UnsupportedType(f"{type_name(obj)} cannot be encoded: {error}") from None
    return Encoded({"type": "json", "version": "1.0"}, len(data), payload=data)


def _encode_flatbuffer(obj: Any, _: int) -> Encoded:
    return flatbuffer.encode(obj)


def _encode_list(obj: Any, levels: int) -> Encoded:
    return containers.encode_list(obj, levels, encode)


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
}


def _encode_custom(obj: Any, serialized: Any) -> Encoded:
    try:
        metadata, payload = serialized
        view = memoryview(payload)
    except (TypeError, ValueError):
        raise UnsupportedType(
            f"serialize() of {type_name(obj)} must return (metadata, payload), a dict and a buffer"
        ) from None
    if not view.c_contiguous:
        raise UnsupportedType(f"serialize() of {type_name(obj)} returned a strided buffer")
    check_metadata(metadata_text(metadata))
    return Encoded(metadata, view.nbytes, payload=view)


def metadata_text(metadata: Metadata | str | bytes) -> bytes:
    """Metadata as canonical JSON; text and bytes are taken as they are.

    Raises:
        UnsupportedType: if JSON cannot carry a value of it.
    """
    if isinstance(metadata, bytes):
        return metadata
    if isinstance(metadata, str):
        return metadata.encode()
    try:
        return strict_json.dumps(metadata)
    except strict_json.NotJsonError as error:
        raise UnsupportedType(f"the metadata cannot be encoded: {error}") from None


def check_metadata(text: bytes) -> None:
    """Raises InvalidArgument unless `text` is metadata a reader accepts."""
    try:
        tag_and_version(parse_metadata(text))
    except CorruptPayload as error:
        raise InvalidArgument(f"metadata must be one JSON object with a type: {error}") from None


def parse_metadata(text: bytes) -> Metadata:
    """Metadata from JSON; the result is shared and must not be changed.

    Raises:
        CorruptPayload: if it is not a JSON object with a type.
    """
    return _parse_metadata(text) if len(text) <= 4096 else _parse_metadata.__wrapped__(text)


@functools.lru_cache(maxsize=256)
def _parse_metadata(text: bytes) -> Metadata:
    try:
        metadata = strict_json.loads(text or BYTES_METADATA, is_metadata=True)
    except ValueError as error:
        raise CorruptPayload(f"the metadata is not good JSON: {error}") from None
    if type(metadata) is not dict:
        raise CorruptPayload(f"the metadata is {type_name(metadata)}, not an object")
    return metadata


def decode(metadata: Metadata, received: Received, levels: int = containers.MOST_LEVELS) -> Any:
    """The object of a message.

    Raises:
        CorruptPayload: if metadata or payload break a rule of the format.
        Exception: whatever a registered deserializer raises.
    """
    tag, version = tag_and_version(metadata)
    if custom := _REGISTRY.deserializer_for(tag, version):
        return custom(metadata, received)
    builtin = _DECODERS.get(tag)
    if builtin is not None and _is_known_version(version):
        return builtin(metadata, received, levels)
    warn_unknown(tag, version)
    return BytesData(bytes(received.payload), metadata)


def tag_and_version(metadata: Metadata) -> tuple[str, str]:
    """The type and version of a message. Raises CorruptPayload if they are not strings."""
    tag, version = metadata.get("type"), metadata.get("version", "1.0")
    if type(tag) is not str or not tag or type(version) is not str:
        raise CorruptPayload(f"metadata needs a type and a version, not {tag!r} and {version!r}")
    return tag, version


def _is_known_version(version: str) -> bool:
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
        value = strict_json.loads(bytes(received.payload), most_levels)
    except ValueError as error:
        raise CorruptPayload(f"a json message is not good JSON: {error}") from None
    if value is None and is_alone:
        raise CorruptPayload("null alone is not a message")
    return value


def _decode_array(metadata: Metadata, received: Received, _: int) -> Any:
    from ipc0cp import arrays

    return arrays.decode(metadata, received)


def _decode_image(metadata: Metadata, received: Received, _: int) -> Any:
    from ipc0cp import images

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
