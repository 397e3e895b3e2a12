# SPDX-License-Identifier: Apache-2.0
"""Python objects to messages and back. Knows no shared memory, only buffers, and no type.

`encode` plans an object, `decode` makes it again. Modules register what they know: `plain` and
`containers` here, the classes of `ipc0cp.objects` and `ipc0cp.flatbuffer`, and with a library that
is imported late `arrays` (NumPy), `images` and `image_files` (Pillow). Types of users are in
`ipc0cp.type_registry`. The normative format is docs/object_format.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from ipc0cp._codec import strict_json
from ipc0cp._codec.encoding import Encoded, Metadata, Received, buffer_of, type_name
from ipc0cp._codec.metadata import (
    BYTES_METADATA,
    check_metadata,
    metadata_text,
    parse_anew,
    parse_metadata,
    tag_and_version,
)
from ipc0cp._codec.refusals import refuse, refusing
from ipc0cp.errors import UnsupportedType
from ipc0cp.type_registry import BUILTIN_TAGS, TypeRegistry, warn_unknown

__all__ = [
    "MOST_LEVELS",
    "UNKNOWN",
    "add_decoder",
    "add_encoder",
    "add_foreign_encoder",
    "add_late_encoder",
    "add_library",
    "check_metadata",
    "decode",
    "encode",
    "is_plain_array",
    "metadata_text",
    "parse_anew",
    "parse_metadata",
    "serialize",
]

#: Of lists and maps.
MOST_LEVELS = strict_json.MOST_CONTAINER_LEVELS
#: Stands for all tags that nobody knows, and for all types.
UNKNOWN = ""

Encoder = Callable[[Any, int], Encoded]
Decoder = Callable[[Metadata, Received, int], Any]

_REGISTRY = TypeRegistry.instance()
#: Refused if they arrive as subclasses: what they would come back as, and what to push instead.
_BASES = {
    bytes: "bytes",
    bytearray: "bytes",
    str: "str",
    int: "int",
    float: "float",
    dict: "dict",
    list: "list",
    tuple: "list",
    set: "list",
    frozenset: "list",
}
# Own metadata inside lists and maps: what leaves room for 64 levels of records around it.
_MOST_NESTED_METADATA_LEVELS = 256
# Imported once an object or a message needs the library, in this order.
_MODULES_OF_LIBRARIES = {
    "numpy": ("ipc0cp._codec.arrays",),
    "PIL": ("ipc0cp._codec.images", "ipc0cp._codec.image_files"),
}
# Types that have a second version, see section 3 of the format.
_SECOND_VERSIONS = frozenset({"json", "list", "map", "image"})
_LIBRARIES_OF_TAGS = {"ndarray": "numpy", "image": "PIL"}

_ENCODERS: dict[type, Encoder] = {}
_ENCODERS_OF_LIBRARIES: dict[str, Encoder] = {}
_DECODERS: dict[str, Decoder] = {}


def add_encoder(kind: type, encoder: Encoder) -> None:
    """Objects of exactly the type `kind` are planned by ``encoder(obj, levels)``."""
    _ENCODERS[kind] = encoder


def add_foreign_encoder(kind: type, encoder: Encoder) -> None:
    """The same for a type of another library: what fails there means that it cannot be sent."""
    _ENCODERS[kind] = refusing(encoder)


def add_late_encoder(kind: type, library: str) -> None:
    """The modules of `library` add the encoder of `kind`; they are imported with the first one."""

    def encode_late(obj: Any, levels: int) -> Encoded:
        _load(library)
        return _ENCODERS[kind](obj, levels)

    _ENCODERS[kind] = encode_late


def add_library(library: str, encoder: Encoder) -> None:
    """Objects that nothing else is known of, but whose type is of this `library`.

    ``"dlpack"`` stands for all that share memory by DLPack, `UNKNOWN` for all others.
    """
    _ENCODERS_OF_LIBRARIES[library] = refusing(encoder)


def add_decoder(tag: str, decoder: Decoder) -> None:
    """Messages of this type, of a known version, become ``decoder(metadata, received, levels)``."""
    _DECODERS[tag] = decoder


def _load(library: str) -> None:
    for module in _MODULES_OF_LIBRARIES.get(library, ()):
        importlib.import_module(module)


def encode(obj: Any, levels: int = MOST_LEVELS) -> Encoded:
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
            " lists and dicts it is fine: push [None]"
        )
    return _encode_foreign(obj, kind, levels)


def serialize(data: Any) -> tuple[Metadata, bytes]:
    """Metadata and payload of an object of a data class, both as copies. Raises as `encode`."""
    planned_as = next(kind for kind in type(data).__mro__ if kind in _ENCODERS)
    encoded = _ENCODERS[planned_as](data, MOST_LEVELS)
    payload = bytearray(encoded.payload_bytes)
    with memoryview(payload) as target:
        encoded.write_to(target)
    return parse_anew(encoded.metadata), bytes(payload)


def _encode_foreign(obj: Any, kind: type, levels: int) -> Encoded:
    try:
        encoder = _encoder_of(obj, kind)
    except Exception as error:  # Classes and metaclasses may do anything when they are asked.
        refuse(obj, error)
    if encoder is None:
        return _encode_custom(obj, obj.serialize(), levels)
    return encoder(obj, levels)


def _encoder_of(obj: Any, kind: type) -> Encoder | None:
    """For a type that nobody has registered; None: it has a method `serialize`.

    Raises:
        UnsupportedType: for subclasses of types that have a message of their own.
    """
    if callable(getattr(kind, "serialize", None)):
        return None
    modules = {str(base.__module__).partition(".")[0] for base in kind.__mro__}
    for library in (*_MODULES_OF_LIBRARIES, *_ENCODERS_OF_LIBRARIES):
        if library in modules:
            _load(library)
            return _ENCODERS.get(kind) or _ENCODERS_OF_LIBRARIES[library]
    for base, becomes in _BASES.items():
        if issubclass(kind, base):
            raise UnsupportedType(
                f"{type_name(obj)} is not supported, as it would come back as {becomes}; push"
                f" {becomes}(x) if that is what you mean, or register the type with"
                " ipc0cp.register_type"
            )
    if hasattr(kind, "__dlpack__"):
        _load("numpy")
        return _ENCODERS_OF_LIBRARIES["dlpack"]
    return _ENCODERS_OF_LIBRARIES[UNKNOWN]


def _encode_custom(obj: Any, serialized: Any, levels: int) -> Encoded:
    otherwise = (
        f"serialize() of {type_name(obj)} must return (metadata, payload), a JSON object and"
    )
    try:
        metadata, payload = serialized
    except (TypeError, ValueError):
        raise UnsupportedType(f"{otherwise} a buffer, not {type_name(serialized)}") from None
    view = buffer_of(payload, f"{otherwise} a buffer, not {type_name(payload)}")
    text = metadata_text(metadata) or BYTES_METADATA
    nested_levels = check_metadata(text)
    if levels != MOST_LEVELS and nested_levels > _MOST_NESTED_METADATA_LEVELS:
        raise UnsupportedType(
            f"the metadata of {type_name(obj)} nests {nested_levels} levels; inside a list or dict"
            f" at most {_MOST_NESTED_METADATA_LEVELS}"
        )
    return Encoded(text, view.nbytes, payload=view)


def encode_as_it_is(obj: Any, metadata: Metadata, payload: bytes, levels: int) -> Encoded:
    """Plans an object that says itself what its message is."""
    return _encode_custom(obj, (metadata, payload), levels)


def decode(metadata: Metadata, received: Received, levels: int = MOST_LEVELS) -> Any:
    """The object of a message.

    Raises:
        CorruptPayload: if metadata or payload break a rule of the format.
        UnsupportedType: if this process lacks what it needs, or None would be the result of a pop.
        Exception: whatever a registered deserializer raises.
    """
    tag, version = tag_and_version(metadata)
    if registered := _REGISTRY.find(tag, version):
        obj = registered.decode(metadata, received)
        if obj is None and levels == MOST_LEVELS:
            raise UnsupportedType(
                f"the deserializer of type {tag!r} returned None, which a pop cannot: it means end"
                " of stream"
            )
        return obj
    if tag in BUILTIN_TAGS and _is_known(tag, version):
        if tag not in _DECODERS:
            _load(_LIBRARIES_OF_TAGS[tag])
        return _DECODERS[tag](metadata, received, levels)
    warn_unknown(tag, version)
    return _DECODERS[UNKNOWN](metadata, received, levels)


def is_plain_array(metadata: Metadata) -> bool:
    """Whether `decode` makes an array of such messages that the extension can make as well."""
    tag, version = tag_and_version(metadata)
    if tag != "ndarray" or not _is_known(tag, version) or _REGISTRY.find(tag, version):
        return False
    return type(metadata["dtype"]) is str and not metadata.get("scalar")


def _is_known(tag: str, version: str) -> bool:
    major = version.partition(".")[0]
    return major == "1" or (major == "2" and tag in _SECOND_VERSIONS)
