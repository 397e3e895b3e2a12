# SPDX-License-Identifier: Apache-2.0
"""Own types: how they become messages and how they come back.

>>> from ipc0cp.type_registry import register_type
>>> register_type("point", lambda metadata, payload: Point(*struct.unpack("<dd", payload)),
...               python_type=Point, serialize=lambda p: ({"type": "point"}, p.pack()))
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import Any, ClassVar

from ipc0cp import _core
from ipc0cp._codec import strict_json
from ipc0cp._codec.encoding import Metadata, Received
from ipc0cp.errors import InvalidArgument

#: The types of docs/object_format.md; registering one of them replaces it.
BUILTIN_TAGS = frozenset(
    {"bytes", "text", "json", "ndarray", "image", "list", "map", "flatbuffer"}
)
RESERVED_TAGS = frozenset({"pickle", "python"})

Deserialize = Callable[[dict[str, str], Any], Any]
Serialize = Callable[[Any], tuple[Metadata | str | bytes, Any]]

# What push and pop of the extension handle themselves, unless it is replaced.
_HOT_TAGS = frozenset({"bytes", "text", "json", "ndarray"})
_HOT_TYPES = frozenset({"builtins.bytes", "builtins.str", "numpy.ndarray"})


@dataclasses.dataclass(frozen=True, slots=True)
class Registration:
    """What one call of `register_type` has said."""

    deserialize: Deserialize
    python_type: type | None
    serialize: Serialize | None
    view: bool

    def decode(self, metadata: Metadata, received: Received) -> Any:
        """The object of a message. Raises whatever `deserialize` raises."""
        payload: Any = received.payload if self.view else bytes(received.payload)
        return self.deserialize(as_strings(metadata), payload)


class TypeRegistry:
    """All registered types of this process: ``TypeRegistry.instance()``. Thread-safe.

    The built-in types need no registration: they are decoded where nobody has registered their
    name. A registration replaces an earlier one of the same
    name and version; of two that name the same `python_type` the later one counts.
    """

    _instance: ClassVar[TypeRegistry | None] = None

    # Both dicts are replaced as a whole, so that readers need no lock.
    _lock: threading.Lock
    _registrations: dict[tuple[str, str | None], Registration]
    _serializers: dict[type, Serialize]

    def __new__(cls) -> TypeRegistry:
        """The one registry: the handles of this process know no other."""
        if cls._instance is None:
            self = super().__new__(cls)
            self._lock = threading.Lock()
            self._registrations = {}
            self._serializers = {}
            cls._instance = self
        return cls._instance

    @classmethod
    def instance(cls) -> TypeRegistry:
        """The one registry all handles use."""
        return cls()

    def register_type(
        self,
        name: str,
        deserialize: Deserialize,
        version: str | None = None,
        *,
        python_type: type | None = None,
        serialize: Serialize | None = None,
        view: bool = False,
    ) -> None:
        """See :func:`register_type`."""
        _check_arguments(name, deserialize, version, python_type, serialize)
        with self._lock:
            registrations = dict(self._registrations)
            registrations.pop((name, version), None)  # The later one comes last.
            registrations[name, version] = Registration(deserialize, python_type, serialize, view)
            self._replace(registrations)

    def unregister_type(self, name: str, version: str | None = None) -> bool:
        """See :func:`unregister_type`; `name` and `version` as there."""
        with self._lock:
            registrations = dict(self._registrations)
            found = registrations.pop((name, version), None)
            self._replace(registrations)
        return found is not None

    def find(self, name: str, version: str = "1.0") -> Registration | None:
        """What users have registered for the type `name`: exactly this `version`, else any.

        None for everything else, built-in types such as "bytes" included.
        """
        registrations = self._registrations
        if not registrations:
            return None
        return registrations.get((name, version)) or registrations.get((name, None))

    def serializer_for(self, kind: type) -> Serialize | None:
        """The serializer registered for exactly the type `kind`."""
        return self._serializers.get(kind)

    def _replace(self, registrations: dict[tuple[str, str | None], Registration]) -> None:
        self._registrations = registrations
        self._serializers = {
            one.python_type: one.serialize
            for one in registrations.values()
            if one.python_type is not None and one.serialize is not None
        }
        kinds = self._serializers.keys()
        strict_json.set_replaced_types(frozenset(kinds & strict_json.TYPES))
        hot_types = {f"{kind.__module__}.{kind.__qualname__}" for kind in kinds} & _HOT_TYPES
        hot_tags = {name for name, _ in registrations} & _HOT_TAGS
        _core.set_builtins_replaced(bool(hot_types or hot_tags))


# Made before any thread can ask for it.
TypeRegistry()


def _check_arguments(
    name: object,
    deserialize: object,
    version: object,
    python_type: object,
    serialize: object,
) -> None:
    if type(name) is not str or not name:
        raise InvalidArgument(f"a type needs a name, not {name!r}")
    if name in RESERVED_TAGS:
        raise InvalidArgument(
            f"the type name {name!r} is reserved for ipc0cp.Queue; choose another"
        )
    if not callable(deserialize):
        raise InvalidArgument(f"deserialize must be callable, not {deserialize!r}")
    if version is not None and type(version) is not str:
        raise InvalidArgument(f"version must be a str such as '1.0' or None, not {version!r}")
    if (python_type is None) != (serialize is None):
        raise InvalidArgument("python_type and serialize belong together: give both or none")
    if python_type is not None and not isinstance(python_type, type):
        raise InvalidArgument(f"python_type must be a class, not {python_type!r}")
    if serialize is not None and not callable(serialize):
        raise InvalidArgument(f"serialize must be callable, not {serialize!r}")


def as_strings(metadata: Metadata) -> dict[str, str]:
    """Metadata for deserializers: strings as they are, other values as canonical JSON."""
    return {
        key: value if type(value) is str else strict_json.dumps(value).decode()
        for key, value in metadata.items()
    }


def register_type(
    name: str,
    deserialize: Deserialize,
    version: str | None = None,
    *,
    python_type: type | None = None,
    serialize: Serialize | None = None,
    view: bool = False,
) -> None:
    """Registers a type for all handles of this process. Thread-safe.

    It counts for items of lists and maps too. Only values that lie in a list or map as plain JSON
    are part of that container: no deserializer is asked for them.

    Args:
        name: the ``type`` of its metadata; the name of a builtin type replaces that.
        deserialize: ``deserialize(metadata, payload)`` makes the object a pop returns. Values of
            the metadata that are not strings come as JSON text. Its exceptions pass through pop;
            the message counts as popped then. Returning None is such a failure where it would be
            the result of pop, as None means end of stream there.
        version: only for messages of this version; None: for any without one of its own.
        python_type: objects of exactly this type are pushed with `serialize`, built-in types too.
        serialize: ``serialize(obj)`` returns (metadata, payload), a JSON object and a buffer. Its
            exceptions pass through push; nothing is queued then.
        view: `payload` is a read-only memoryview that keeps its block of the ring, not bytes.

    Raises:
        InvalidArgument: for a reserved name, a version that is no str, or python_type without
            serialize.
    """
    TypeRegistry.instance().register_type(
        name, deserialize, version, python_type=python_type, serialize=serialize, view=view
    )


def unregister_type(name: str, version: str | None = None) -> bool:
    """Takes back one `register_type`, its `python_type` included. Thread-safe.

    Args:
        name: of the type; a built-in type of that name is itself again.
        version: as it was registered.

    Returns:
        False if there was no such registration.
    """
    return TypeRegistry.instance().unregister_type(name, version)


_MOST_WARNINGS = 1000
_warned: set[str] = set()


def warn_unknown(tag: str, version: str) -> None:
    """Logs once per tag that messages of it arrive as BytesData; at most 1,000 tags."""
    if tag not in _warned and len(_warned) < _MOST_WARNINGS:
        _warned.add(tag)
        logging.getLogger("ipc0cp").warning(
            "no deserializer for type %r version %r: such messages arrive as BytesData; see"
            " ipc0cp.type_registry.register_type",
            tag,
            version,
        )
