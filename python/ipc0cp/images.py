# SPDX-License-Identifier: Apache-2.0
"""Pillow images, see section 7 of docs/object_format.md. Imported with Pillow only."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from ipc0cp import dtypes
from ipc0cp.encoding import Encoded, Metadata, Received, type_name
from ipc0cp.errors import CorruptPayload, UnsupportedType

LARGEST_SIDE = 2**31 - 1
_BYTES_PER_PIXEL = {
    **dict.fromkeys(("L", "P"), 1),
    **dict.fromkeys(("LA", "La", "PA", "I;16", "I;16L", "I;16N", "I;16B"), 2),
    **dict.fromkeys(("RGB", "YCbCr", "LAB", "HSV"), 3),
    **dict.fromkeys(("RGBA", "RGBa", "RGBX", "CMYK", "I", "F"), 4),
}
_FOUR_OF_THREE = ("RGB", "YCbCr", "LAB", "HSV")
_FOUR_OF_TWO = ("LA", "La", "PA")
_PALETTE_ENTRY_BYTES = {"RGB": 3, "RGBA": 4}


def encode(image: Any) -> Encoded:
    """Plans a Pillow image: pixels, then the palette."""
    if not isinstance(image, Image.Image):
        raise UnsupportedType(f"{type_name(image)} is not a type that can be pushed")
    if type(image) is not Image.Image:
        raise UnsupportedType(
            f"{type_name(image)} is not supported, as it would come back as PIL.Image.Image; push"
            " image.copy()"
        )
    if image.mode != "1" and image.mode not in _BYTES_PER_PIXEL:
        raise UnsupportedType(f"images of mode {image.mode!r} are not supported")
    metadata: Metadata = {"type": "image", "version": "1.0", "encoding": "raw"}
    metadata["mode"] = image.mode
    metadata["size"] = list(image.size)
    pixels = image.tobytes() if image.width and image.height else b""
    palette = _palette_of(image, metadata)
    if "transparency" in image.info:
        metadata["transparency"] = _describe_transparency(image.info["transparency"])
    return Encoded(metadata, len(pixels) + len(palette), payload=pixels + palette)


def _palette_of(image: Image.Image, metadata: Metadata) -> bytes:
    if image.palette is None or image.mode not in ("P", "PA"):
        return b""
    mode = image.palette.mode
    if mode not in _PALETTE_ENTRY_BYTES:
        raise UnsupportedType(f"a palette of mode {mode!r} is not supported")
    data = image.im.getpalette(mode, mode) if image.palette.rawmode else None
    palette = bytes(image.palette.palette) if data is None else bytes(data)
    if palette:
        metadata["palette"] = {"mode": mode, "bytes": len(palette)}
    return palette


def _describe_transparency(value: Any) -> Any:
    if type(value) is int:
        return value
    if type(value) is bytes:
        return {"table": value.hex()}
    if type(value) is tuple and all(type(item) is int for item in value):
        return list(value)
    raise UnsupportedType(f"a transparency of {type_name(value)} is not supported")


def decode(metadata: Metadata, received: Received) -> Image.Image:
    """The image of a message of type image; owns its memory.

    Raises:
        CorruptPayload: if metadata and payload do not fit together.
    """
    encoding = metadata.get("encoding")
    if encoding in ("png", "jpeg"):
        return _decode_file(metadata, received, encoding)
    if encoding != "raw":
        raise CorruptPayload(f"unknown image encoding {encoding!r}")
    mode, size = metadata.get("mode"), metadata.get("size")
    if type(mode) is not str or (mode != "1" and mode not in _BYTES_PER_PIXEL):
        raise CorruptPayload(f"unknown image mode {mode!r}")
    if type(size) is not list or len(size) != 2:
        raise CorruptPayload(f"the size of an image must be [width, height], not {size!r}")
    width, height = (dtypes.integer(side, "a side", LARGEST_SIDE) for side in size)
    row_bytes, raw_mode = _row_layout(mode, width, metadata)
    pixel_end = row_bytes * height
    palette = _palette_plan(metadata)
    palette_bytes = 0 if palette is None else palette[1]
    if pixel_end + palette_bytes != received.payload.nbytes:
        raise CorruptPayload(
            f"an image of {width} x {height} pixels of mode {mode} needs"
            f" {pixel_end + palette_bytes} bytes, the payload has {received.payload.nbytes}"
        )
    image = Image.new(mode, (width, height))
    if pixel_end > 0:
        image.frombytes(bytes(received.payload[:pixel_end]), "raw", raw_mode)
    if palette is not None:
        image.putpalette(bytes(received.payload[pixel_end:]), palette[0])
    if "transparency" in metadata:
        image.info["transparency"] = _parse_transparency(metadata["transparency"])
    return image


def _decode_file(metadata: Metadata, received: Received, encoding: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(received.payload), formats=[encoding]) as file:
            image = file.copy()
    except (OSError, SyntaxError, ValueError) as error:
        raise CorruptPayload(f"a {encoding} image cannot be read: {error}") from None
    if metadata.get("mode") != image.mode or metadata.get("size") != list(image.size):
        raise CorruptPayload(
            f"a {encoding} image is {image.mode} {image.size}, its metadata says"
            f" {metadata.get('mode')!r} {metadata.get('size')!r}"
        )
    return image


def _row_layout(mode: str, width: int, metadata: Metadata) -> tuple[int, str]:
    """Bytes per row and Pillow's name of the raw layout."""
    table = _BYTES_PER_PIXEL.get(mode)
    pixel_bytes = metadata.get("pixel_bytes", table)
    if pixel_bytes == table and type(pixel_bytes) is type(table):
        return (-(-width // 8), "1") if table is None else (width * table, mode)
    if mode == "1" and type(pixel_bytes) is int and pixel_bytes == 1:
        return width, "1;8"
    if mode in _FOUR_OF_THREE and type(pixel_bytes) is int and pixel_bytes == 4:
        return width * 4, "RGBX" if mode == "RGB" else f"{mode}X"
    raise CorruptPayload(f"pixel_bytes {pixel_bytes!r} does not fit mode {mode}")


def _palette_plan(metadata: Metadata) -> tuple[str, int] | None:
    palette = metadata.get("palette")
    if palette is None:
        return None
    if type(palette) is not dict or palette.get("mode") not in _PALETTE_ENTRY_BYTES:
        raise CorruptPayload(f"a palette needs mode RGB or RGBA and bytes, not {palette!r}")
    size = dtypes.integer(palette.get("bytes"), "the bytes of a palette", 1024)
    if size % _PALETTE_ENTRY_BYTES[palette["mode"]]:
        raise CorruptPayload(f"a palette of {size} bytes has broken entries")
    return palette["mode"], size


def _parse_transparency(value: Any) -> Any:
    if type(value) is int:
        return value
    if type(value) is list and all(type(item) is int for item in value):
        return tuple(value)
    if type(value) is dict and type(value.get("table")) is str:
        try:
            return bytes.fromhex(value["table"])
        except ValueError:
            raise CorruptPayload("the table of a transparency is not hexadecimal") from None
    raise CorruptPayload(f"unknown transparency {value!r}")
