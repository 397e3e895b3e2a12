# SPDX-License-Identifier: Apache-2.0
"""Pillow images: every mode, palettes, sizes, files, and what is refused."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from helpers import decode, encode, round_trip, run_python
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImagePalette

import ipc0cp
from ipc0cp._codec import images


def random_image(mode, size=(13, 7), seed=1):
    layout = images.MODES[mode]
    row_bytes = layout.packed_bytes * size[0] if layout.packed_bytes else -(-size[0] // 8)
    if row_bytes * size[1] == 0:
        return Image.new(mode, size)
    data = np.random.default_rng(seed).integers(0, 256, row_bytes * size[1], np.uint8)
    return Image.frombytes(mode, size, data.tobytes())


@pytest.fixture(params=["this Pillow", "before 11.2.1"], autouse=True)
def _both_ways_to_map_memory(request, monkeypatch):
    if request.param == "this Pillow":
        return
    if not hasattr(Image, "fromarrow"):
        pytest.skip("this Pillow has no fromarrow, the other run has tested it")
    monkeypatch.delattr(Image, "fromarrow")


@pytest.mark.parametrize("size", [(13, 7), (1, 1), (8, 1), (0, 3), (3, 0), (0, 0)], ids=str)
@pytest.mark.parametrize("mode", images.MODES)
def test_every_mode(mode, size):
    image = random_image(mode, size)
    metadata, payload = encode(image)
    for copy in (False, True):
        back = decode(metadata, payload, copy)
        assert type(back) is Image.Image
        assert back == image
        assert (back.mode, back.size, back.info) == (image.mode, image.size, {})
        assert bool(back.readonly) is not copy


@pytest.mark.parametrize("mode", images.MODES)
def test_packed_pixels_are_read_too(mode):
    """As C++ may send them: not in Pillow's cells."""
    image = random_image(mode)
    metadata = {"type": "image", "encoding": "raw", "mode": mode, "size": [13, 7]}
    for copy in (False, True):
        back = decode(json.dumps(metadata).encode(), image.tobytes(), copy)
        assert back == image
        assert bool(back.readonly) is not copy


@given(
    st.sampled_from(sorted(images.MODES)),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 2**32 - 1),
)
def test_any_image_comes_out_equal(mode, width, height, seed):
    image = random_image(mode, (width, height), seed)
    metadata, payload = encode(image)
    assert decode(metadata, payload) == image
    assert encode(decode(metadata, payload)) == (metadata, payload)


def test_images_in_several_blocks_of_memory():
    """Pillow takes a new block every 16 MiB."""
    image = random_image("L", (5000, 1000)).resize((5000, 5000))
    assert round_trip(image) == image
    wide = image.convert("RGB")
    metadata, payload = encode(wide)
    assert len(payload) == 4 * 5000 * 5000
    assert decode(metadata, payload) == wide


def test_a_mapped_image_is_pushed():
    pixels = bytes(range(256)) * 12
    image = Image.frombuffer("RGBX", (32, 24), pixels, "raw", "RGBX", 0, 1)
    assert round_trip(image) == image
    assert round_trip(round_trip(image)) == image


@pytest.mark.parametrize("size", [1, 5, 256])
@pytest.mark.parametrize("palette_mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("mode", ["P", "PA"])
def test_palettes(mode, palette_mode, size):
    image = random_image(mode)
    entries = np.random.default_rng(2).integers(0, 256, size * len(palette_mode), np.uint8)
    image.putpalette(entries.tobytes(), palette_mode)
    back = round_trip(image)
    assert back == image
    assert back.palette.mode == image.palette.mode == palette_mode
    assert bytes(back.palette.palette) == bytes(image.palette.palette)
    assert back.palette.colors == image.palette.colors
    assert back.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


@pytest.mark.parametrize("mode", ["P", "PA"])
def test_an_empty_palette(mode):
    image = Image.new(mode, (3, 2))
    back = round_trip(image)
    assert back == image
    assert back.palette.mode == image.palette.mode


def test_palettes_that_pillow_made():
    picture = random_image("RGB", (64, 64))
    for image in (
        picture.quantize(7),
        picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=9),
        picture.convert("P"),
        random_image("L").convert("P"),
        random_image("RGBA", (32, 32)).quantize(5),
        picture.quantize(7).convert("PA"),
    ):
        back = round_trip(image)
        assert back == image
        assert back.palette.mode == image.palette.mode
        # Pillow 10.0 keeps fewer entries here than it draws with.
        assert bytes(back.palette.palette).startswith(bytes(image.palette.palette))


def test_a_palette_that_has_not_been_realised():
    image = Image.new("P", (2, 1))
    image.putpixel((1, 0), (10, 20, 30))  # A new colour: the palette is marked as changed.
    assert round_trip(image) == image
    assert round_trip(image).convert("RGB").getpixel((1, 0)) == (10, 20, 30)


@pytest.mark.parametrize(
    ("mode", "transparency"),
    [("P", 3), ("P", b"\x00\xff\x80"), ("P", b""), ("L", 7), ("RGB", (1, 2, 3)), ("1", 0)],
    ids=str,
)
def test_transparency_and_info_are_kept(mode, transparency):
    image = random_image(mode)
    if mode == "P":
        image.putpalette(bytes(range(60)))
    image.info.update(transparency=transparency, dpi=(72, 72), comment=b"kept")
    back = round_trip(image)
    assert back.info == image.info
    assert type(back.info["transparency"]) is type(transparency)
    assert back.tobytes() == image.tobytes()
    assert back.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


@pytest.mark.parametrize("transparency", [1.5, "1", (1, 2.0), [1, 2, 3], True, bytearray(2)])
def test_transparency_that_would_change(transparency):
    image = Image.new("P", (2, 2))
    image.info["transparency"] = transparency
    with pytest.raises(ipc0cp.UnsupportedType, match=type(transparency).__name__):
        encode(image)


class Picture(Image.Image):
    pass


def opened(file_format="png"):
    file = io.BytesIO()
    random_image("RGB").save(file, file_format)
    return Image.open(file)


def test_subclasses_are_refused_with_the_way_out():
    image = Picture()
    with pytest.raises(ipc0cp.UnsupportedType, match=r"image\.copy\(\).*ImageData"):
        encode(image)


def test_files_can_be_pushed_as_they_are_opened():
    for make in (lambda image: image, lambda image: image.copy(), ipc0cp.ImageData):
        image = opened()
        back = round_trip(make(image))
        assert type(back) is Image.Image
        assert back.tobytes() == image.tobytes()


def test_images_without_pixels_are_refused():
    closed = random_image("RGB")
    closed.close()
    with pytest.raises(ipc0cp.UnsupportedType, match="closed"):
        encode(closed)
    with pytest.raises(ipc0cp.UnsupportedType, match="mode ''"):
        encode(Image.Image())
    broken = io.BytesIO()
    random_image("RGB", (200, 200)).save(broken, "png")
    with pytest.raises(ipc0cp.UnsupportedType, match="no pixels"):
        encode(ipc0cp.ImageData(Image.open(io.BytesIO(broken.getvalue()[:500]))))


def test_other_things_of_pillow_are_refused():
    for thing in (ImagePalette.ImagePalette(), ImageFilter.BLUR(), random_image("L").im):
        with pytest.raises(ipc0cp.UnsupportedType, match="pushed"):
            encode(thing)


def file_round_trip(image, encoding, **options):
    metadata, payload = encode(ipc0cp.ImageData(image, encoding, **options))
    assert json.loads(metadata)["encoding"] == encoding
    return decode(metadata, payload), payload


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "I;16"])
def test_png_files_lose_nothing(mode):
    image = random_image(mode)
    back, payload = file_round_trip(image, "png", compress_level=9)
    assert back == image
    assert type(back) is Image.Image
    assert payload.startswith(b"\x89PNG")


def test_png_files_with_a_palette():
    image = random_image("RGB").quantize(16)
    image.info["transparency"] = 3
    back, _ = file_round_trip(image, "png")
    assert back.mode == "P"
    assert back.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_files_look_alike(mode):
    image = Image.linear_gradient("L").convert(mode)
    back, payload = file_round_trip(image, "jpeg", quality=95)
    assert (back.mode, back.size) == (image.mode, image.size)
    assert len(payload) < image.width * image.height
    difference = np.asarray(back, int) - np.asarray(image, int)
    assert np.abs(difference).max() < 16
    _, smaller = file_round_trip(image, "jpeg", quality=10)
    assert len(smaller) < len(payload)


@pytest.mark.parametrize(
    ("mode", "encoding", "options"),
    [
        ("F", "png", {}),
        ("HSV", "png", {}),
        ("RGBA", "jpeg", {}),
        ("1", "jpeg", {}),
        ("I", "jpeg", {}),
        ("RGB", "jpeg", {"quality": "no such preset"}),
    ],
    ids=str,
)
def test_files_that_would_change_the_image_are_refused(mode, encoding, options):
    with pytest.raises(ipc0cp.UnsupportedType, match=f"{mode}.*{encoding}"):
        encode(ipc0cp.ImageData(random_image(mode), encoding, **options))


def test_an_empty_image_has_no_file():
    with pytest.raises(ipc0cp.UnsupportedType, match="png"):
        encode(ipc0cp.ImageData(Image.new("RGB", (0, 3)), "png"))


def test_bad_image_data():
    for arguments, options in ((("gif",), {}), ((), {"quality": 3}), ((None,), {})):
        with pytest.raises(ValueError, match=r"raw"):
            ipc0cp.ImageData(Image.new("L", (1, 1)), *arguments, **options)
    with pytest.raises(ipc0cp.UnsupportedType, match="Pillow image"):
        encode(ipc0cp.ImageData(np.zeros((2, 2))))


def file_metadata(encoding="png", mode="RGB", size=(13, 7)):
    metadata = {"type": "image", "encoding": encoding, "mode": mode, "size": list(size)}
    return json.dumps(metadata).encode()


def test_damaged_files(monkeypatch):
    _, payload = encode(ipc0cp.ImageData(random_image("RGB"), "png"))
    assert decode(file_metadata(), payload) == random_image("RGB")
    for metadata, damaged in (
        (file_metadata(), b""),
        (file_metadata(), b"no file"),
        (file_metadata(), payload[:60]),
        (file_metadata(), payload[: len(payload) // 2]),
        (file_metadata("jpeg"), payload),
        (file_metadata(mode="RGBA"), payload),
        (file_metadata(size=(7, 13)), payload),
    ):
        with pytest.raises(ipc0cp.CorruptPayload):
            decode(metadata, damaged)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ipc0cp.UnsupportedType, match="MAX_IMAGE_PIXELS"):
        decode(file_metadata(), payload)


def test_a_size_that_pillow_cannot_hold():
    with pytest.raises(ipc0cp.UnsupportedType, match="Pillow"):
        decode(
            b'{"type":"image","encoding":"raw","mode":"RGB","size":[2147483647,0],"pixel_bytes":4}',
            b"",
        )


def test_a_palette_on_an_image_without():
    with pytest.raises(ipc0cp.CorruptPayload, match="no palette"):
        decode(
            b'{"type":"image","encoding":"raw","mode":"L","size":[1,1],'
            b'"palette":{"mode":"RGB","bytes":3}}',
            b"1234",
        )


HALF_IMPORTED = """
import io, sys
import ipc0cp._codec.images
from PIL import Image
from ipc0cp._codec import codec
from ipc0cp._codec.encoding import Received
assert "ipc0cp._codec.image_files" not in sys.modules
file = io.BytesIO()
Image.new("L", (3, 2), 7).save(file, "png")
metadata = {"type": "image", "encoding": "png", "mode": "L", "size": [3, 2]}
print(codec.decode(metadata, Received(file.getbuffer(), False)).getpixel((2, 1)))
"""


def test_the_first_image_while_another_thread_imports_the_modules():
    """What it finds then is the first of two modules, without the decoders of files."""
    assert run_python(HALF_IMPORTED).stdout == "7\n"
