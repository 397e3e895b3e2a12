# SPDX-License-Identifier: Apache-2.0
"""What images say about themselves arrives with them, and what cannot is named once."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from helpers import decode, encode
from PIL import Image, ImageOps, PngImagePlugin

import ipc0cp


def round_trip(value, copy=False):
    return decode(*encode(value), copy=copy)


def photo() -> io.BytesIO:
    """A photo of a phone: turned on its side, with a colour profile."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image = Image.new("RGB", (40, 20))
    image.save(file, "JPEG", exif=exif, dpi=(300, 300), icc_profile=bytes(range(256)) * 2000)
    return file


@pytest.mark.parametrize(
    "make",
    [
        lambda image: image,
        lambda image: image.copy(),
        ipc0cp.ImageData,
        lambda image: ipc0cp.ImageData(image, "jpeg"),
        lambda image: ipc0cp.ImageData(image, "png"),
    ],
    ids=["opened", "copied", "raw", "jpeg", "png"],
)
@pytest.mark.parametrize("copy", [False, True])
def test_a_photo_can_be_turned_upright(make, copy):
    opened = Image.open(photo())
    back = round_trip(make(opened), copy)
    assert type(back) is Image.Image
    assert ImageOps.exif_transpose(back).size == (20, 40)
    assert back.info == opened.info
    assert [type(value) for value in back.info.values()] == [
        type(value) for value in opened.info.values()
    ]


@pytest.mark.parametrize(
    "info",
    [
        {"a": b"", "b": b"bytes", "c": bytes(500_000)},
        {"text": "short", "long": "\u00e9" * 300, "": "empty key"},
        {"whole": 1, "real": 1.0, "on": True, "off": False, "none": None, "large": 2**64},
        {"infinite": float("-inf"), "zero": -0.0},
        {"pair": (72, 72.5), "nested": ((1, (b"x", "y")), ()), "empty": ()},
        {"$bytes": 5, "$float": "nan"},
    ],
    ids=lambda info: " ".join(info),
)
@pytest.mark.parametrize("mode", ["L", "P", "1", "RGB"])
def test_values_come_back_as_they_were(info, mode):
    image = Image.new(mode, (3, 2))
    image.info = dict(info)
    assert repr(round_trip(image).info) == repr(info)


def test_an_image_without_pixels_keeps_its_info():
    image = Image.new("P", (0, 3))
    image.info = {"comment": b"nothing to see"}
    assert round_trip(image).info == image.info


def test_an_image_without_info_is_written_as_ever():
    metadata, payload = encode(Image.new("L", (2, 2)))
    assert metadata == b'{"type":"image","version":"1.0","encoding":"raw","mode":"L","size":[2,2]}'
    assert len(payload) == 4


def test_resolutions_of_tiff_files_arrive_as_floats():
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, "TIFF", dpi=(300, 150))
    back = round_trip(Image.open(file))
    assert back.info["dpi"] == (300.0, 150.0)
    assert {type(value) for value in back.info["dpi"]} == {float}


def test_international_text_of_png_files_arrives_as_text():
    text = PngImagePlugin.PngInfo()
    text.add_itxt("Title", "h\u00e9llo", "fr")
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, "PNG", pnginfo=text)
    title = round_trip(Image.open(file)).info["Title"]
    assert title == "h\u00e9llo"
    assert type(title) is str


def test_what_cannot_be_carried_is_named_once(caplog):
    image = Image.new("L", (2, 2))
    lost = {"test_list": [1], (2, 5): b"iptc", "test_deep": deep(9), "\ud800": 1}
    image.info = {"dpi": (1, 2)}
    image.info |= lost
    with caplog.at_level(logging.WARNING, "ipc0cp"):
        assert round_trip(image).info == {"dpi": (1, 2)}
        round_trip(image)
    (record,) = caplog.records
    for word in ("'test_list' (list)", "(2, 5)", "test_deep", "ud800"):
        assert word in record.getMessage()


def deep(levels: int) -> tuple:
    value = ()
    for _ in range(levels - 1):
        value = (value,)
    return value


def test_at_most_so_many_entries(caplog):
    image = Image.new("L", (1, 1))
    image.info = {f"test{n}": n for n in range(1030)}
    with caplog.at_level(logging.WARNING, "ipc0cp"):
        assert len(round_trip(image).info) == 1024
    assert "test1024" in caplog.text


def test_integers_of_numpy_arrive_as_int():
    image = Image.new("L", (2, 2))
    image.info = {"large": np.int64(2**53 + 1), "pair": (np.uint8(3), np.int16(-4))}
    back = round_trip(image).info
    assert repr(back) == repr({"large": 2**53 + 1, "pair": (3, -4)})
