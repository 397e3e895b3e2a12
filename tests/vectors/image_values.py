# SPDX-License-Identifier: Apache-2.0
"""Golden vectors of images, written by hand: generate.py needs no Pillow, their expressions do."""

import struct
import zlib


def _image(name, python, members, payload):
    metadata = '{"type":"image","version":"1.0",' + members + "}"
    return {
        "name": name,
        "python": python,
        "needs": "PIL.Image",
        "metadata": metadata,
        "payload_hex": payload.hex(),
    }


def _raw(name, python, members, payload):
    return _image(name, f"PIL.Image.{python}", f'"encoding":"raw",{members}', payload)


def _plain(mode, pixel_bytes):
    payload = bytes(range(6 * pixel_bytes))
    python = f"frombytes('{mode}', (3, 2), bytes(range({6 * pixel_bytes})))"
    return _raw(f"mode_{mode}", python, f'"mode":"{mode}","size":[3,2]', payload)


def _cells(mode, pixel_bytes, cells):
    """The image of `_plain` as Pillow keeps it, in cells of 4 bytes."""
    python = f"frombytes('{mode}', (3, 2), bytes(range({6 * pixel_bytes})))"
    pixels = [range(start, start + pixel_bytes) for start in range(0, 6 * pixel_bytes, pixel_bytes)]
    payload = b"".join(cells(*pixel) for pixel in pixels)
    return _raw(f"cells_{mode}", python, f'"mode":"{mode}","size":[3,2],"pixel_bytes":4', payload)


def _with(python, statement):
    """An expression for an image to which something is done in place."""
    return f"reduce(lambda image, _: {statement} or image, [0], PIL.Image.{python})"


def _palette(name, python, statement, members, payload):
    return _image(name, _with(python, statement), f'"encoding":"raw",{members}', payload)


_PACKED = {
    1: "L",
    2: "LA La PA I;16 I;16L I;16N I;16B",
    3: "RGB YCbCr LAB HSV",
    4: "RGBA RGBa RGBX CMYK I F",
}

_RAW = [
    *(_plain(mode, size) for size in _PACKED for mode in _PACKED[size].split()),
    *(_cells(mode, 2, lambda band, alpha: bytes([band] * 3 + [alpha])) for mode in ("LA", "La")),
    *(_cells(mode, 3, lambda *bands: bytes([*bands, 255])) for mode in ("RGB", "YCbCr", "HSV")),
    # Packed, a and b are signed; in cells they count from 128.
    _cells("LAB", 3, lambda light, a, b: bytes([light, a ^ 0x80, b ^ 0x80, 255])),
    _raw(
        "mode_1",
        "frombytes('1', (9, 2), bytes([0xAA, 0x80, 0x01, 0x00]))",
        '"mode":"1","size":[9,2]',
        bytes([0xAA, 0x80, 0x01, 0x00]),
    ),
    _raw(
        "cells_1",
        "frombytes('1', (9, 2), bytes([0xAA, 0x80, 0x01, 0x00]))",
        '"mode":"1","size":[9,2],"pixel_bytes":1',
        bytes([255, 0, 255, 0, 255, 0, 255, 0, 255] + [0] * 7 + [255, 0]),
    ),
    _raw("one_pixel", "new('L', (1, 1), 7)", '"mode":"L","size":[1,1]', b"\x07"),
    _raw("empty", "new('RGB', (0, 5))", '"mode":"RGB","size":[0,5]', b""),
    _raw("empty_both_ways", "new('1', (0, 0))", '"mode":"1","size":[0,0]', b""),
]

_PIXELS = "frombytes('P', (2, 1), bytes([0, 1]))"
_ONE_PIXEL = "new('P', (1, 1))"

_PALETTES = [
    _palette(
        "palette",
        _PIXELS,
        "image.putpalette(bytes(range(6)))",
        '"mode":"P","size":[2,1],"palette":{"mode":"RGB","bytes":6}',
        bytes([0, 1]) + bytes(range(6)),
    ),
    _palette(
        "palette_of_256",
        _PIXELS,
        "image.putpalette(bytes(range(256)) * 3)",
        '"mode":"P","size":[2,1],"palette":{"mode":"RGB","bytes":768}',
        bytes([0, 1]) + bytes(range(256)) * 3,
    ),
    _palette(
        "palette_with_alpha",
        _PIXELS,
        "image.putpalette(bytes(range(8)), 'RGBA')",
        '"mode":"P","size":[2,1],"palette":{"mode":"RGBA","bytes":8}',
        bytes([0, 1]) + bytes(range(8)),
    ),
    _palette(
        "palette_and_alpha",
        "frombytes('PA', (1, 1), bytes([1, 128]))",
        "image.putpalette(bytes(range(6)))",
        '"mode":"PA","size":[1,1],"pixel_bytes":4,"palette":{"mode":"RGB","bytes":6}',
        bytes([1, 1, 1, 128]) + bytes(range(6)),
    ),
    _palette(
        "palette_of_no_pixels",
        "new('P', (0, 3))",
        "image.putpalette(bytes(range(3)))",
        '"mode":"P","size":[0,3],"palette":{"mode":"RGB","bytes":3}',
        bytes(range(3)),
    ),
    _palette(
        "transparent_index",
        _ONE_PIXEL,
        "image.putpalette(bytes(3)) or image.info.update(transparency=0)",
        '"mode":"P","size":[1,1],"palette":{"mode":"RGB","bytes":3},"transparency":0',
        bytes(4),
    ),
    _palette(
        "transparent_table",
        _ONE_PIXEL,
        "image.putpalette(bytes(3)) or image.info.update(transparency=bytes([0, 255, 128]))",
        '"mode":"P","size":[1,1],"palette":{"mode":"RGB","bytes":3},'
        '"transparency":{"table":"00ff80"}',
        bytes(4),
    ),
    _palette(
        "transparent_colour",
        "new('RGB', (1, 1), (1, 2, 3))",
        "image.info.update(transparency=(1, 2, 3))",
        '"mode":"RGB","size":[1,1],"pixel_bytes":4,"transparency":[1,2,3]',
        bytes([1, 2, 3, 255]),
    ),
    _palette(
        "transparent_grey",
        "new('L', (1, 1), 9)",
        "image.info.update(transparency=9)",
        '"mode":"L","size":[1,1],"transparency":9',
        b"\x09",
    ),
]


def _chunk(kind, content):
    """A chunk of a PNG file."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def _segment(marker, content):
    """A segment of a JPEG file."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def _png_file():
    """2 x 1 pixels of RGB; the row starts with the number of its filter."""
    header = struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(bytes([0, 1, 2, 3, 4, 5, 6])))
        + _chunk(b"IEND", b"")
    )


def _jpeg_file():
    """8 x 8 pixels of grey 128: one block in which all is 0, with codes of one bit."""
    code_of_one_bit = bytes([1] + [0] * 15 + [0])
    return (
        b"\xff\xd8"
        + _segment(0xDB, b"\x00" + bytes([1] * 64))
        + _segment(0xC0, struct.pack(">BHHBBBB", 8, 8, 8, 1, 1, 0x11, 0))
        + _segment(0xC4, b"\x00" + code_of_one_bit)
        + _segment(0xC4, b"\x10" + code_of_one_bit)
        + _segment(0xDA, bytes([1, 1, 0x00, 0, 63, 0]))
        + b"\x3f\xff\xd9"
    )


_FILES = [
    _image(
        "png",
        "PIL.Image.frombytes('RGB', (2, 1), bytes([1, 2, 3, 4, 5, 6]))",
        '"encoding":"png","mode":"RGB","size":[2,1]',
        _png_file(),
    ),
    _image(
        "jpeg",
        "PIL.Image.new('L', (8, 8), 128)",
        '"encoding":"jpeg","mode":"L","size":[8,8]',
        _jpeg_file(),
    ),
]



def _info(name, python, encoding, info, content, pieces):
    """An image of version 2.0: with an info, and pieces of it behind the content."""
    changed = f"reduce(lambda image, _: image.info.update({info[0]}) or image, [0], {python})"
    vector = _image(name, changed, f'{encoding},"info":{info[1]}', content + pieces)
    vector["metadata"] = vector["metadata"].replace('"version":"1.0"', '"version":"2.0"', 1)
    return vector


_INFOS = [
    _info(
        "info",
        "PIL.Image.new('L', (2, 1), 9)",
        '"encoding":"raw","mode":"L","size":[2,1]',
        (
            "dict(dpi=(300.0, 72), exif=b'Exif', n=2**64, note='short', gamma=float('inf'),"
            " t=(b'12', ('x', b'3')), on=True, none=None, long='\u00e9' * 128)",
            '{"dpi":[300.0,72],"exif":{"$bytes":4},"n":{"$int":"0x10000000000000000"},'
            '"note":"short","gamma":{"$float":"inf"},"t":[{"$bytes":2},["x",{"$bytes":1}]],'
            '"on":true,"none":null,"long":{"$text":256}}',
        ),
        b"\x09\x09",
        b"Exif123" + "\u00e9".encode() * 128,
    ),
    _info(
        "info_behind_a_palette",
        "PIL.Image.new('P', (1, 1))",
        '"encoding":"raw","mode":"P","size":[1,1]',
        ("dict(icc_profile=b'abc')", '{"icc_profile":{"$bytes":3}}'),
        b"\x00",
        b"abc",
    ),
    _info(
        "info_without_pixels",
        "PIL.Image.new('L', (0, 3))",
        '"encoding":"raw","mode":"L","size":[0,3]',
        ("dict(comment=b'')", '{"comment":{"$bytes":0}}'),
        b"",
        b"",
    ),
    _info(
        "info_behind_a_file",
        _FILES[0]["python"],
        '"encoding":"png","mode":"RGB","size":[2,1]',
        ("dict(exif=b'Exif')", '{"exif":{"$bytes":4}}'),
        _png_file(),
        b"Exif",
    ),
]

IMAGES = _RAW + _PALETTES + _FILES + _INFOS
