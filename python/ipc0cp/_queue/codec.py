# SPDX-License-Identifier: Apache-2.0
"""What a Queue carries beyond a ring: None, tuples, bytearrays, and by request pickled objects.

See section 9 of docs/object_format.md. Values that a ring gives back as they were travel as in a
ring; only the others use the two tags here.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from multiprocessing.reduction import ForkingPickler
from typing import Any

from ipc0cp._codec import codec, containers, plain
from ipc0cp._codec.encoding import Encoded, Metadata, Received, type_name
from ipc0cp._codec.metadata import BYTES_METADATA, JSON_METADATA, tag_and_version
from ipc0cp.errors import CorruptPayload, UnsupportedType
from ipc0cp.objects import SerializableObject
from ipc0cp.type_registry import TypeRegistry

#: The types of messages that `decode` knows better than a ring.
TAGS = frozenset({"pickle", "python"})

_REGISTRY = TypeRegistry.instance()
_MARKED = frozenset({tuple, bytearray})
_CONTAINERS = frozenset({list, dict, tuple})
_LOOKED_INTO = _CONTAINERS | {bytearray}
_LEAVES = frozenset({int, float, bool, str, bytes, bytearray, memoryview, type(None)})
#: An object whose only key is this one is a mark: it stands for what its value says.
_MARK = ""
#: Of most tuples: known by its text, as taking it apart would cost as much as all the rest.
MARKED_JSON_METADATA = b'{"type":"python","version":"1.0","value":%b}' % JSON_METADATA
_NONE_METADATA = b'{"type":"python","version":"1.0","value":null}'
#: Smaller buffers cost less inside the pickled stream than as records of their own.
LEAST_OUT_OF_BAND_BYTES = 1024


def encode(obj: Any, may_pickle: bool) -> Encoded:
    """The plan of any object a queue carries.

    Raises:
        UnsupportedType: if it needs pickling and that is not allowed.
        Exception: whatever pickling raises.
    """
    if may_pickle:
        return _encode_by_choice(obj)
    try:
        return _encode_as_it_is(obj)
    except UnsupportedType as error:
        raise UnsupportedType(f"{error}; a Queue made with pickle=True carries it") from None


def decode(metadata: Metadata, received: Received, may_pickle: bool) -> Any:
    """The object of a message of one of our `TAGS`.

    Raises:
        CorruptPayload: if metadata or payload break a rule of the format.
        Exception: whatever unpickling raises.
    """
    tag, version = tag_and_version(metadata)
    if version.partition(".")[0] != "1" or (tag == "pickle" and not may_pickle):
        return codec.decode(metadata, received)
    inner = metadata.get("value", "nothing")
    if inner is None and tag == "python":
        return None
    if type(inner) is not dict:
        raise CorruptPayload(f"a {tag} message needs the metadata of its value, not {inner!r}")
    if tag == "pickle":
        return _decode_pickle(inner, received)
    value = codec.decode(inner, received)
    return _unmark(value, containers.MOST_LEVELS) if type(value) in _CONTAINERS else value


def decode_marked_json(payload: memoryview) -> Any:
    """The value of a message with `MARKED_JSON_METADATA`. Raises CorruptPayload."""
    value = plain.read_json(payload)
    return _unmark(value, containers.MOST_LEVELS) if type(value) in _CONTAINERS else value


def encode_or_pickle(obj: Any) -> Encoded:
    """The plan of any object a ring carries that may pickle: pickled only if there is no other way.

    Raises:
        UnsupportedType: for None, which would mean end of stream.
        Exception: whatever pickling raises.
    """
    try:
        return codec.encode(obj)
    except UnsupportedType:
        if obj is None:
            raise
        return _encode_pickle(obj, ForkingPickler)


def decode_pickled(metadata: Metadata, received: Received) -> Any:
    """The object of a message of type pickle, popped from a ring.

    Raises:
        UnsupportedType: if it is None, which would mean end of stream.
        Otherwise as `decode`.
    """
    obj = decode(metadata, received, may_pickle=True)
    if obj is None:
        raise UnsupportedType("a pickled message is None, which a pop cannot return")
    return obj


# ---- as a ring, with marks where that changes a type --------------------------------------------


class _MarksNeededError(Exception):
    """A value holds something that a ring would give back as another type."""


def _encode_as_it_is(obj: Any) -> Encoded:
    if obj is None:
        return Encoded(_NONE_METADATA, 0, payload=b"")
    if type(obj) not in _MARKED:
        try:
            return _encode_unmarked(obj, containers.MOST_LEVELS)
        except _MarksNeededError:
            pass  # Something inside has to be marked.
    return _wrap(b"python", codec.encode(_mark(obj, containers.MOST_LEVELS)))


def _wrap(tag: bytes, encoded: Encoded) -> Encoded:
    encoded.metadata = b'{"type":"%b","version":"1.0","value":%b}' % (tag, encoded.metadata)
    encoded.array = None  # As it is described now, it is no array.
    return encoded


def _encode_unmarked(obj: Any, levels: int) -> Encoded:
    kind = type(obj)
    if kind in _MARKED:
        raise _MarksNeededError
    if _REGISTRY.serializer_for(kind) is None:
        if kind is list:
            return containers.encode_list(obj, levels, _encode_unmarked)
        if kind is dict:
            return _encode_dict(obj, levels)
    return codec.encode(obj, levels)


def _encode_dict(obj: dict[Any, Any], levels: int) -> Encoded:
    return plain.encode_as_json(obj, levels) or containers.encode_map(
        obj, levels, _encode_unmarked
    )


def _mark(value: Any, levels: int) -> Any:
    """`value` with marks where it has tuples and bytearrays; the original is left as it is."""
    kind = type(value)
    if kind is bytearray:
        return {_MARK: memoryview(value)}
    if levels == 0:
        raise UnsupportedType(f"it nests more than {containers.MOST_LEVELS} levels")
    levels -= 1
    if kind is dict:
        marked = {
            key: _mark(item, levels) if type(item) in _LOOKED_INTO else item
            for key, item in value.items()
        }
        return {_MARK: marked} if len(marked) == 1 and _MARK in marked else marked
    items = [_mark(item, levels) if type(item) in _LOOKED_INTO else item for item in value]
    return {_MARK: items} if kind is tuple else items


def _unmark(value: Any, levels: int) -> Any:
    if levels == 0:
        raise CorruptPayload(f"a python message nests more than {containers.MOST_LEVELS} levels")
    levels -= 1
    if type(value) is list:
        return _unmark_all(value, levels)
    if len(value) != 1 or _MARK not in value:
        return {
            key: _unmark(item, levels) if type(item) in _CONTAINERS else item
            for key, item in value.items()
        }
    content = value[_MARK]
    if type(content) is list:
        return tuple(_unmark_all(content, levels))
    if type(content) is bytes:
        return bytearray(content)
    if type(content) is dict and len(content) == 1 and _MARK in content:
        (literal,) = _unmark_all(content.values(), levels)
        return {_MARK: literal}
    raise CorruptPayload(f"a mark has no meaning around {type_name(content)}")


def _unmark_all(values: Iterable[Any], levels: int) -> list[Any]:
    return [_unmark(item, levels) if type(item) in _CONTAINERS else item for item in values]


# ---- pickled -------------------------------------------------------------------------------------


def _encode_by_choice(obj: Any) -> Encoded:
    """As it is wherever a ring has a way of its own for the type, else pickled.

    For lists, tuples and dicts of nothing but Python's own values that way would be JSON, which
    takes 1.5 times (a small dict) to 3 times (1 MB) as long as pickling.
    """
    if type(obj) in _CONTAINERS:
        try:
            return _encode_pickle(obj, _PlainPickler)
        except _NotPlainError:
            pass  # An array, say, which a ring carries better.
    if _keeps_its_type(obj):
        try:
            return _encode_as_it_is(obj)
        except UnsupportedType:
            pass  # A value that JSON or NumPy does not have.
    return _encode_pickle(obj, ForkingPickler)


class _NotPlainError(Exception):
    """Something inside is none of Python's own values."""


class _PlainPickler(ForkingPickler):
    """Pickles Python's own values and stops at all others, before it asks them anything."""

    def reducer_override(self, _: Any) -> Any:
        raise _NotPlainError


def _keeps_its_type(obj: Any) -> bool:
    """Whether `obj`, with all that is in it, is of types that come back the same unless refused.

    Not so are tensors, which a ring gives back as arrays, other objects with a buffer, and classes
    that merely have a method called `serialize`.
    """
    kind = type(obj)
    if kind not in _CONTAINERS:
        return _is_known(kind)
    items = obj.values() if kind is dict else obj
    kinds = set(map(type, items))
    if not all(_is_known(kind) for kind in kinds - _CONTAINERS):
        return False
    if kinds.isdisjoint(_CONTAINERS):
        return True
    try:
        return all(_keeps_its_type(item) for item in items if type(item) in _CONTAINERS)
    except RecursionError:
        return False  # Perhaps it holds itself, which only pickle can say.


def _is_known(kind: type) -> bool:
    return (
        kind in _LEAVES
        or kind.__module__.partition(".")[0] in ("numpy", "PIL", "flatbuffers")
        or _REGISTRY.serializer_for(kind) is not None
        or issubclass(kind, SerializableObject)
    )


def _encode_pickle(obj: Any, pickler: Any) -> Encoded:
    buffers: list[memoryview] = []

    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:
            return True  # Not contiguous, which pickle refuses in its own words.
        if raw.nbytes < LEAST_OUT_OF_BAND_BYTES:
            return True
        buffers.append(raw)
        return False

    stream = io.BytesIO()
    # The picklers of multiprocessing know what libraries have registered there.
    pickler(stream, 5, True, keep_in_band).dump(obj)
    if not buffers:
        return _wrap(b"pickle", _plan_bytes(stream.getbuffer(), 0))
    parts = [stream.getbuffer(), *buffers]
    return _wrap(b"pickle", containers.encode_list(parts, containers.MOST_LEVELS, _plan_bytes))


def _plan_bytes(part: memoryview, _: int) -> Encoded:
    return Encoded(BYTES_METADATA, part.nbytes, payload=part)


def _decode_pickle(metadata: Metadata, received: Received) -> Any:
    if metadata.get("type") == "bytes":
        return pickle.loads(received.payload)
    if metadata.get("type") != "list":
        raise CorruptPayload(f"a pickle message holds no {metadata.get('type')!r}")
    parts = containers.decode_list(metadata, received, containers.MOST_LEVELS, _take_bytes)
    if not parts or any(type(part) is not memoryview for part in parts):
        raise CorruptPayload("a pickle message holds its stream and its buffers, all as bytes")
    stream, *buffers = parts
    owned = [bytearray(buffer) for buffer in buffers] if received.copy else buffers
    return pickle.loads(stream, buffers=owned)


def _take_bytes(metadata: Metadata, received: Received, _: int) -> memoryview:
    if metadata.get("type") != "bytes":
        raise CorruptPayload(f"a pickle message holds bytes, not {metadata.get('type')!r}")
    return received.payload
