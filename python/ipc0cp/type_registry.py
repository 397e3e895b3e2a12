# SPDX-License-Identifier: Apache-2.0
"""Own types: how they become messages and how they come back.

>>> from ipc0cp.type_registry import register_type
>>> register_type("point", lambda metadata, payload: Point(*struct.unpack("<dd", payload)),
...               python_type=Point, serialize=lambda p: ({"type": "point"}, p.pack()))
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from ipc0cp import _core, strict_json
from ipc0cp.encoding import Metadata, Received
from ipc0cp.errors import InvalidArgument

#: The types of docs/object_format.md; registering one of them replaces it.
BUILTIN_TAGS = frozenset(
    {"bytes", "text", "json", "ndarray", "image", "list", "map", "flatbuffer"}
)
RESERVED_TAGS = frozenset({"pickle", "python"})

Deserialize = Callable[[dict[str, str], Any], Any]
Serialize = Callable[[Any], tuple[Metadata | str | bytes, Any]]
_Decoder = Callable[[Metadata, Received], Any]


class TypeRegistry:
    """All registered types of this process. Thread-safe."""

    _instance: TypeRegistry | None = None

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Replaced as a whole, so that readers need no lock.
        self._decoders: dict[tuple[str, str | None], _Decoder] = {}
        self._encoders: dict[type, Serialize] = {}

    @classmethod
    def instance(cls) -> TypeRegistry:
        """The one registry all handles use."""
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

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
        _check_arguments(name, deserialize, python_type, serialize)

        def decoder(metadata: Metadata, received: Received) -> Any:
            payload: Any = received.payload if view else bytes(received.payload)
            return deserialize(as_strings(metadata), payload)

        with self._lock:
            self._decoders = {**self._decoders, (name, version): decoder}
            if python_type is not None and serialize is not None:
                self._encoders = {**self._encoders, python_type: serialize}
        if name in BUILTIN_TAGS or python_type is not None:
            _core.set_builtins_replaced(True)

    def unregister_type(self, name: str, version: str | None = None) -> None:
        """Forgets the type `name` of this `version`; unknown ones are ignored."""
        with self._lock:
            kept = {key: value for key, value in self._decoders.items() if key != (name, version)}
            self._decoders = kept

    def deserializer_for(self, tag: str, version: str) -> _Decoder | None:
        """The decoder for `tag` of exactly this `version`, else of any version."""
        decoders = self._decoders
        return decoders.get((tag, version)) or decoders.get((tag, None))

    def serializer_for(self, kind: type) -> Serialize | None:
        """The serializer registered for exactly the type `kind`."""
        return self._encoders.get(kind)


def _check_arguments(
    name: str, deserialize: object, python_type: type | None, serialize: object
) -> None:
    if type(name) is not str or not name:
        raise InvalidArgument(f"a type needs a name, not {name!r}")
    if name in RESERVED_TAGS:
        raise InvalidArgument(f"the type name {name!r} is reserved")
    if not callable(deserialize):
        raise InvalidArgument(f"deserialize must be callable, not {deserialize!r}")
    if (python_type is None) != (serialize is None):
        raise InvalidArgument("python_type and serialize belong together: give both or none")


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

    Args:
        name: the ``type`` of its metadata; the name of a builtin type replaces that.
        deserialize: ``deserialize(metadata, payload)`` makes the object a pop returns. Values of
            the metadata that are not strings come as JSON text. Its exceptions pass through pop;
            the message counts as popped then.
        version: only for messages of this version; None: for any without one of its own.
        python_type: objects of exactly this type are pushed with `serialize`.
        serialize: ``serialize(obj)`` returns (metadata, payload), a JSON object and a buffer.
        view: `payload` is a read-only memoryview that keeps its block of the ring, not bytes.

    Raises:
        InvalidArgument: for a reserved name, or python_type without serialize.
    """
    TypeRegistry.instance().register_type(
        name, deserialize, version, python_type=python_type, serialize=serialize, view=view
    )


_warned: set[str] = set()


def warn_unknown(tag: str, version: str) -> None:
    """Logs once per tag that messages of it arrive as BytesData."""
    if tag not in _warned:
        _warned.add(tag)
        logging.getLogger("ipc0cp").warning(
            "no deserializer for type %r version %r: such messages arrive as BytesData; see"
            " ipc0cp.type_registry.register_type",
            tag,
            version,
        )
