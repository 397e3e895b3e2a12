# SPDX-License-Identifier: Apache-2.0
"""Pillow images as raw pixels, see section 7 of docs/object_format.md. Imported with Pillow only.

Pillow keeps pixels in cells of 1, 2 or 4 bytes, RGB for example in 4. They travel as they are:

- A push maps the block of the ring as an image of equal cells and pastes into it. That is one copy
  of rows, without the GIL, whatever blocks of memory the image consists of.
- A pop maps the message through the Arrow C data interface (Pillow 11.2.1 and later): no copy.
  Older Pillow maps only some modes; the others are pasted out of a mapped image of equal cells.

Pixels packed more tightly than Pillow's cells, as C++ may send them, are unpacked in one pass.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, NoReturn, cast

import PIL
from PIL import Image, ImageFile

from ipc0cp import _core
from ipc0cp._codec import codec, image_info
from ipc0cp._codec.encoding import Encoded, Metadata, Received, integer, shorten, type_name
from ipc0cp._codec.metadata import metadata_text
from ipc0cp._codec.refusals import is_of_elsewhere
from ipc0cp.errors import CorruptPayload, UnsupportedType

LARGEST_SIDE = 2**31 - 1
MOST_PALETTE_BYTES = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Mode:
    """How one of Pillow's modes is laid out; see the table of section 7."""

    packed_bytes: int  #: Per pixel; 0: one bit.
    cell_bytes: int  #: Per pixel, as Pillow keeps it.
    arrow_format: str  #: What Arrow calls a cell: bands in 4 bytes are one uint32.


MODES = {
    "1": Mode(0, 1, "C"),
    **dict.fromkeys(("L", "P"), Mode(1, 1, "C")),
    **dict.fromkeys(("LA", "La", "PA"), Mode(2, 4, "I")),
    **dict.fromkeys(("RGB", "YCbCr", "LAB", "HSV"), Mode(3, 4, "I")),
    **dict.fromkeys(("RGBA", "RGBa", "RGBX", "CMYK"), Mode(4, 4, "I")),
    **dict.fromkeys(("I;16", "I;16L", "I;16N", "I;16B"), Mode(2, 2, "s")),
    "I": Mode(4, 4, "i"),
    "F": Mode(4, 4, "f"),
}
_HEXADECIMAL = re.compile("[0-9a-f]*")
_PALETTE_ENTRY_BYTES = {"RGB": 3, "RGBA": 4}
# What `Image.frombuffer` maps in any Pillow: for each size of a cell one mode to see it by, and all
# modes it makes an image of at once.
_MAPPED_AS = {1: "L", 2: "I;16", 4: "RGBX"}
_MAPPED_MODES = frozenset({"L", "P", "RGBX", "RGBA", "CMYK", "I;16", "I;16L", "I;16B"})
# Before version 13 Pillow crashes when it exports memory that is not its own.
_VIEWS_CAN_BE_EXPORTED = int(PIL.__version__.partition(".")[0]) >= 13

FileDecoder = Callable[[Metadata, Received, str], Image.Image]
_FILE_DECODERS: dict[str, FileDecoder] = {}


def add_file_decoder(encoding: str, decoder: FileDecoder) -> None:
    """Images of this encoding are made by ``decoder(metadata, received, encoding)``."""
    _FILE_DECODERS[encoding] = decoder


def encode(image: Any, _: int = 0) -> Encoded:
    """Plans an image of exactly the type PIL.Image.Image, or a file that Pillow has opened."""
    if not isinstance(image, Image.Image):
        raise UnsupportedType(f"{type_name(image)} is not a type that can be pushed")
    if type(image) is not Image.Image and not isinstance(image, ImageFile.ImageFile):
        raise UnsupportedType(
            f"{type_name(image)} is not supported, as it would come back as PIL.Image.Image; push"
            " image.copy(), or ipc0cp.ImageData(image)"
        )
    return encode_any(image)


def encode_any(image: Image.Image) -> Encoded:
    """Plans an image: pixels, palette, info; one of a subclass comes back as PIL.Image.Image."""
    load(image)
    mode = MODES.get(image.mode)
    if mode is None:
        raise UnsupportedType(
            f"images of mode {image.mode!r} are not supported; convert it to one of"
            f" {', '.join(MODES)}"
        )
    width, height = image.size
    metadata: Metadata = {"type": "image", "version": "1.0", "encoding": "raw"}
    metadata["mode"] = image.mode
    metadata["size"] = [width, height]
    if mode.cell_bytes != mode.packed_bytes and width and height:
        metadata["pixel_bytes"] = mode.cell_bytes
    palette = _describe_palette(image, metadata)
    if "transparency" in image.info:
        metadata["transparency"] = _describe_transparency(image.info["transparency"])
    rest = palette + add_info(image, metadata) if image.info else palette
    text = metadata_text(metadata)
    pixel_bytes = width * height * mode.cell_bytes
    if pixel_bytes == 0:
        return Encoded(text, len(rest), payload=rest)
    write = _writer(image, mode.cell_bytes, pixel_bytes, rest)
    return Encoded(text, pixel_bytes + len(rest), write=write)


def add_info(image: Image.Image, metadata: Metadata) -> bytes:
    """Adds what `image` says about itself to its metadata; returns what goes behind its pixels."""
    info = image_info.plan(image.info)
    if info is None:
        return b""
    metadata["version"] = "2.0"
    metadata["info"] = info.entries
    return b"".join(info.pieces)


def info_of(metadata: Metadata) -> tuple[Metadata, int]:
    """The entries of the info of an image message, and how many bytes of its payload they take.

    Raises:
        CorruptPayload: if they break a rule.
    """
    # In version 1 the key is one that readers do not know.
    if metadata.get("version", "1.0").partition(".")[0] == "1":
        return {}, 0
    entries: Any = metadata.get("info")
    return entries, image_info.pieces_bytes(entries)


def load(image: Image.Image) -> None:
    """Reads the pixels of a lazy image, which may change its mode.

    Raises:
        UnsupportedType: if that fails.
    """
    try:
        image.load()
    except Exception as error:  # Plugins raise what they like.
        if is_of_elsewhere(error):
            raise
        raise UnsupportedType(f"this {type_name(image)} has no pixels to push: {error}") from error


def _writer(
    image: Image.Image, cell_bytes: int, pixel_bytes: int, rest: bytes
) -> Callable[[memoryview], None]:
    pixels, size, mapped_as = image.im, image.size, _MAPPED_AS[cell_bytes]

    def write(target: memoryview) -> None:
        row_target: Any = target[:pixel_bytes]
        mapped = Image.frombuffer(mapped_as, size, row_target, "raw", mapped_as, 0, 1)
        # The core's own paste compares sizes of cells, not modes, and so copies them as they are.
        mapped.im.paste(pixels, (0, 0, *size))
        del mapped  # And with it its hold on the target.
        target[pixel_bytes:] = rest

    return write


def _describe_palette(image: Image.Image, metadata: Metadata) -> bytes:
    """The palette that Pillow draws with; none at all if it has no entries."""
    if image.mode not in ("P", "PA"):
        return b""
    mode = image.im.getpalettemode()
    if mode not in _PALETTE_ENTRY_BYTES:
        raise UnsupportedType(f"a palette of mode {mode!r} is not supported, only RGB and RGBA")
    palette: bytes = image.im.getpalette(mode, mode)
    if palette or mode != "RGB":
        metadata["palette"] = {"mode": mode, "bytes": len(palette)}
    return palette


def _describe_transparency(value: Any) -> Any:
    if type(value) is int:
        return value
    if type(value) is bytes:
        return {"table": value.hex()}
    if type(value) is tuple and all(type(item) is int for item in value):
        return list(value)
    raise UnsupportedType(
        f"a transparency of {type_name(value)} is not supported, only int, bytes and tuple of int"
    )


def decode(metadata: Metadata, received: Received, _: int = 0) -> Image.Image:
    """The image of a message of type image: a read-only view where its pixels lie in cells.

    Pillow copies such an image before it changes it. Images that had to be unpacked are marked
    read-only too, so that nobody depends on which it was; with `received.copy` they are writable.

    Raises:
        CorruptPayload: if metadata and payload do not fit together.
        UnsupportedType: if this Pillow cannot hold it.
    """
    encoding = metadata.get("encoding")
    if type(encoding) is str and (decode_file := _FILE_DECODERS.get(encoding)):
        file_image = decode_file(metadata, received, encoding)
        return file_image if received.copy else _protect(file_image)
    if encoding != "raw":
        raise CorruptPayload(f"unknown image encoding {shorten(encoding)}")
    mode, size = mode_and_size_of(metadata)
    pixel_bytes = _bytes_per_pixel(mode, metadata)
    row_bytes = pixel_bytes * size[0] if pixel_bytes else -(-size[0] // 8)
    pixel_end = row_bytes * size[1]
    palette = _palette_plan(mode, metadata)
    palette_end = pixel_end + (0 if palette is None else palette[1])
    entries, pieces_bytes = info_of(metadata)
    expected = palette_end + pieces_bytes
    if expected != received.payload.nbytes:
        raise CorruptPayload(
            f"an image of {size[0]} x {size[1]} pixels of mode {mode} needs {expected} bytes, the"
            f" payload has {received.payload.nbytes}"
        )
    transparency = _parse_transparency(metadata) if "transparency" in metadata else None
    try:
        image, is_view = _make_image(mode, size, pixel_bytes, received.payload[:pixel_end])
    except (ValueError, MemoryError) as error:
        raise UnsupportedType(
            f"this Pillow cannot hold {size[0]} x {size[1]} pixels of mode {mode}: {error}"
        ) from None
    if palette is not None:
        image.putpalette(bytes(received.payload[pixel_end:palette_end]), palette[0])
        image.load()
    if entries:
        info: dict[Any, Any] = image_info.parse(entries, received.payload[palette_end:])
        image.info = info
    if transparency is not None:
        image.info["transparency"] = transparency
    if not received.copy:
        return _protect(image)
    return image.copy() if is_view else image


def mode_and_size_of(metadata: Metadata) -> tuple[str, tuple[int, int]]:
    """Mode and size of any image message. Raises CorruptPayload."""
    mode, size = metadata.get("mode"), metadata.get("size")
    if type(mode) is not str or mode not in MODES:
        raise CorruptPayload(f"unknown image mode {shorten(mode)}")
    if type(size) is not list or len(size) != 2:
        raise CorruptPayload(f"the size of an image must be [width, height], not {shorten(size)}")
    width, height = (integer(side, "a side of an image", LARGEST_SIDE) for side in size)
    return mode, (width, height)


def _make_image(
    mode: str, size: tuple[int, int], pixel_bytes: int, pixels: memoryview
) -> tuple[Image.Image, bool]:
    """An image, and whether it is a view of `pixels`."""
    if pixels.nbytes == 0:
        return Image.new(mode, size), False
    layout = MODES[mode]
    if pixel_bytes != layout.cell_bytes:
        image = Image.new(mode, size, None)
        image.frombytes(cast(Any, pixels), "raw", mode)
        return image, False
    if hasattr(Image, "fromarrow"):
        exported: Any = _core.ArrowBytes(pixels, layout.arrow_format, layout.cell_bytes)
        return Image.fromarrow(exported, mode, size), True
    mapped_as = mode if mode in _MAPPED_MODES else _MAPPED_AS[layout.cell_bytes]
    mapped = Image.frombuffer(mapped_as, size, cast(Any, pixels), "raw", mapped_as, 0, 1)
    if mapped_as == mode:
        return mapped, True
    image = Image.new(mode, size, None)
    image.im.paste(mapped.im, (0, 0, *size))
    return image, False


def _protect(image: Image.Image) -> Image.Image:
    """Marks an image as read-only: Pillow then copies the pixels before it changes them."""
    image.readonly = 1
    guarded: Any = image
    # The one method that writes into the pixels of a read-only image without asking.
    guarded.frombytes = _refuse
    if not _VIEWS_CAN_BE_EXPORTED:
        guarded.__arrow_c_array__ = _refuse
    return image


def _refuse(*_: object, **__: object) -> NoReturn:
    raise ValueError("this image is a read-only view of a message; call the method of its copy()")


def _bytes_per_pixel(mode: str, metadata: Metadata) -> int:
    """What one pixel takes in the payload; 0: one bit."""
    layout = MODES[mode]
    if "pixel_bytes" not in metadata:
        return layout.packed_bytes
    pixel_bytes = metadata["pixel_bytes"]
    if type(pixel_bytes) is not int or pixel_bytes not in (layout.packed_bytes, layout.cell_bytes):
        raise CorruptPayload(f"pixel_bytes {shorten(pixel_bytes)} does not fit mode {mode}")
    if pixel_bytes == 0:
        raise CorruptPayload("pixel_bytes of mode 1 is 1 or absent, not 0")
    return pixel_bytes


def _palette_plan(mode: str, metadata: Metadata) -> tuple[str, int] | None:
    """Mode and bytes of the palette, or None."""
    if "palette" not in metadata:
        return None
    if mode not in ("P", "PA"):
        raise CorruptPayload(f"an image of mode {mode} has no palette")
    palette = metadata["palette"]
    palette_mode = palette.get("mode") if type(palette) is dict else None
    if type(palette_mode) is not str or palette_mode not in _PALETTE_ENTRY_BYTES:
        raise CorruptPayload(f"a palette needs mode RGB or RGBA and bytes, not {shorten(palette)}")
    size = integer(palette.get("bytes"), "the bytes of a palette", MOST_PALETTE_BYTES)
    if size % _PALETTE_ENTRY_BYTES[palette_mode]:
        raise CorruptPayload(f"a palette of {size} bytes has broken entries")
    return palette_mode, size


def _parse_transparency(metadata: Metadata) -> Any:
    value = metadata["transparency"]
    if type(value) is int:
        return value
    if type(value) is list and all(type(item) is int for item in value):
        return tuple(value)
    table = value.get("table") if type(value) is dict else None
    if type(table) is str and len(table) % 2 == 0 and _HEXADECIMAL.fullmatch(table):
        return bytes.fromhex(table)
    raise CorruptPayload(f"unknown transparency {shorten(value)}")


codec.add_foreign_encoder(Image.Image, encode)
codec.add_library("PIL", encode)
