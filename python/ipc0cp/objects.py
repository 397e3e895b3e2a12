# SPDX-License-Identifier: Apache-2.0
"""Objects that know how to serialize themselves, and one such class for each built-in type.

The data classes say how a value travels: ``JsonData([1, 2])`` as json where ``[1, 2]`` would be a
list, ``ImageData(image, "png")`` as a file where the image would be raw. What a pop returns is the
plain value again; only messages of an unknown type arrive as `BytesData`.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ipc0cp._codec import codec, containers, plain, strict_json
from ipc0cp._codec.encoding import Encoded, Metadata, Received, type_name
from ipc0cp.errors import InvalidArgument, UnsupportedType

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import ArrayLike


class SerializableObject(abc.ABC):
    """Base of own types that can be pushed as they are.

    Any object with such a `serialize` method can be pushed; deriving from this class says so.
    What comes out of a pop is decided by the deserializer registered for the type.
    """

    __slots__ = ()

    @abc.abstractmethod
    def serialize(self) -> tuple[dict[str, Any] | str | bytes, Any]:
        """Metadata (a JSON object with a "type") and payload (a C-contiguous buffer)."""


class _Data(SerializableObject):
    """One value and how it travels. Not hashable: most values are not either."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def _value(self) -> Any:
        raise NotImplementedError

    def serialize(self) -> tuple[dict[str, Any], bytes]:
        """Metadata and payload as a push would write them.

        Raises:
            UnsupportedType: if the value has no exact encoding of this type.
        """
        return codec.serialize(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _is_equal(self._value(), other._value())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._value()!r})"


class BytesData(_Data):
    """Raw bytes; also what arrives for a type that nobody has registered here.

    ``bytes(data)`` is the `payload`, `metadata` (a JSON object) what it says about itself. Pushed
    again, it goes out unchanged.

    Args:
        payload: any buffer; copied unless it is bytes.
        metadata: a JSON object with a "type"; None: that of plain bytes.
    """

    __slots__ = ("_payload", "metadata")

    def __init__(self, payload: Any = b"", metadata: dict[str, Any] | None = None) -> None:
        self._payload = payload if type(payload) is bytes else bytes(memoryview(payload))
        self.metadata: dict[str, Any] = dict(metadata or {"type": "bytes", "version": "1.0"})

    def _value(self) -> Any:
        return (self._payload, self.metadata)

    def __bytes__(self) -> bytes:
        return self._payload

    def __len__(self) -> int:
        return len(self._payload)

    def __repr__(self) -> str:
        return f"BytesData({len(self._payload)} bytes, metadata={self.metadata!r})"


class TextData(_Data):
    """A str; `text` is the value."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def _value(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text

    def __len__(self) -> int:
        return len(self.text)


class JsonData(_Data):
    """A JSON `value` that travels as json whatever it is, lists and strings included.

    Args:
        value: a JSON value; None is refused where it would be the whole message.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def _value(self) -> Any:
        return self.value


class NumpyArray(_Data):
    """A NumPy array; `array` is the value.

    Args:
        array: an array or what ``numpy.asarray`` makes one of. Subclasses travel as plain arrays.

    Raises:
        InvalidArgument: for a masked array, which would lose its mask.
    """

    __slots__ = ("array",)

    def __init__(self, array: ArrayLike) -> None:
        import numpy as np

        if isinstance(array, np.ma.MaskedArray):
            raise InvalidArgument("a masked array would lose its mask; fill it with filled()")
        self.array: np.ndarray[Any, Any] = np.asarray(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    def _value(self) -> Any:
        return self.array


class ImageData(_Data):
    """A Pillow image and how it travels.

    Args:
        image: any image, also a lazy one of ``PIL.Image.open``; it comes out as PIL.Image.Image.
            Of an animation the current frame is sent.
        encoding: "raw", "png" or "jpeg".
        options: what ``image.save`` takes for such a file, for example ``quality=90``.

    Raises:
        InvalidArgument: for another encoding, or options with "raw".
    """

    __slots__ = ("encoding", "image", "options")

    def __init__(self, image: PIL.Image.Image, encoding: str = "raw", **options: Any) -> None:
        if encoding not in ("raw", "png", "jpeg"):
            raise InvalidArgument(f"the encoding must be 'raw', 'png' or 'jpeg', not {encoding!r}")
        if encoding == "raw" and options:
            raise InvalidArgument(f"a raw image has no options, not even {sorted(options)}")
        self.image = image
        self.encoding = encoding
        self.options = options

    @property
    def mode(self) -> str:
        """Pillow's name for the layout of a pixel."""
        return self.image.mode

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.size

    def _value(self) -> Any:
        return (self.image, self.encoding, self.options)

    def __repr__(self) -> str:
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f"ImageData({self.image!r}, {self.encoding!r}{options})"


class ListData(_Data):
    """A list of objects of any types; `items` is the value."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self.items = list(items)

    def _value(self) -> list[Any]:
        return self.items

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


class MapData(_Data):
    """Objects of any types by name; `entries` is the value. It travels as map, JSON or not."""

    __slots__ = ("entries",)

    def __init__(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        self.entries = dict(entries)

    def _value(self) -> dict[str, Any]:
        return self.entries

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __getitem__(self, key: str) -> Any:
        return self.entries[key]


def _is_equal(left: Any, right: Any) -> bool:
    """Equality in value and type, also of arrays, which have no single answer of their own."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(_is_equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_is_equal(left[key], right[key]) for key in left)
    if hasattr(left, "dtype") and hasattr(left, "shape"):
        import numpy as np

        return left.dtype == right.dtype and np.array_equal(left, right)
    return bool(left == right)


def _encode_bytes_data(data: BytesData, levels: int) -> Encoded:
    return codec.encode_as_it_is(data, data.metadata, bytes(data), levels)


def _encode_text_data(data: TextData, levels: int) -> Encoded:
    if type(data.text) is not str:
        raise UnsupportedType(f"TextData holds a str, not {type_name(data.text)}")
    return plain.encode_text(data.text, levels)


def _encode_json_data(data: JsonData, levels: int) -> Encoded:
    return plain.encode_json(data.value, levels)


def _encode_list_data(data: ListData, levels: int) -> Encoded:
    return containers.encode_list(data.items, levels, codec.encode)


def _encode_map_data(data: MapData, levels: int) -> Encoded:
    return containers.encode_map(data.entries, levels, codec.encode)


def _decode_unknown(metadata: Metadata, received: Received, _: int) -> BytesData:
    return BytesData(bytes(received.payload), strict_json.copy(metadata))


codec.add_encoder(BytesData, _encode_bytes_data)
codec.add_encoder(TextData, _encode_text_data)
codec.add_encoder(JsonData, _encode_json_data)
codec.add_encoder(ListData, _encode_list_data)
codec.add_encoder(MapData, _encode_map_data)
codec.add_late_encoder(NumpyArray, "numpy")
codec.add_late_encoder(ImageData, "PIL")
codec.add_decoder(codec.UNKNOWN, _decode_unknown)
