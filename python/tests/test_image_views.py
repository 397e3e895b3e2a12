# SPDX-License-Identifier: Apache-2.0
"""Popped images are views of the ring; whatever Pillow does with them leaves the ring alone."""

from __future__ import annotations

import gc
import pickle

import numpy as np
import pytest
from helpers import MIB, new_name, run_python
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer
from ipc0cp._codec import codec, images
from ipc0cp._codec.encoding import Received

MAPS_EVERY_MODE = hasattr(Image, "fromarrow")
SIZE = (160, 120)


def picture(mode="RGB", size=SIZE):
    random = np.random.default_rng(1)
    if mode in ("L", "RGB", "RGBA", "CMYK", "LA"):
        shape = (size[1], size[0], len(Image.new(mode, (1, 1)).getbands()))
        return Image.frombytes(mode, size, random.integers(0, 256, shape, np.uint8).tobytes())
    return picture("L", size).convert(mode)


def popped(ring, image, **options):
    producer, consumer = ring
    producer.push(image)
    return consumer.pop(10, **options)


VIEWED = [
    mode for mode in images.MODES if MAPS_EVERY_MODE or mode in ("L", "P", "RGBX", "RGBA", "CMYK")
]


def test_a_popped_image_keeps_its_block(ring):
    for mode in VIEWED:
        image = Image.new(mode, (200, 100))
        view = popped(ring, image)
        assert ring[1].stats().used_bytes >= 200 * 100, mode
        assert view == image
        del view
        assert ring[1].stats().used_bytes == 0, mode


def test_a_copy_keeps_nothing(ring):
    image = picture()
    copy = popped(ring, image, copy=True)
    assert ring[1].stats().used_bytes == 0
    assert copy == image
    copy.load()[0, 0] = (1, 2, 3)
    assert copy.getpixel((0, 0)) == (1, 2, 3)
    copy.frombytes(image.tobytes())
    assert copy == image


def write_pixel_access(image):
    with pytest.raises(ValueError, match="readonly"):
        image.load()[0, 0] = image.getpixel((1, 1))


def write_frombytes(image):
    with pytest.raises(ValueError, match="copy"):
        image.frombytes(bytes(len(image.tobytes())))
    image.copy().frombytes(bytes(len(image.tobytes())))


def draw_on(image):
    ImageDraw.Draw(image).rectangle((0, 0, 50, 50), fill=1, outline=2)


def put_data(image):
    image.putdata([image.getpixel((3, 3))] * 70)


def thumbnail(image):
    image.thumbnail((10, 10))


WRITERS = {
    "putpixel": lambda image: image.putpixel((0, 0), image.getpixel((5, 5))),
    "paste_colour": lambda image: image.paste(0, (0, 0, 20, 20)),
    "paste_image": lambda image: image.paste(ImageOps.flip(image), (0, 0)),
    "draw": draw_on,
    "putdata": put_data,
    "thumbnail": thumbnail,
    "pixel_access": write_pixel_access,
    "frombytes": write_frombytes,
}
COLOUR_WRITERS = {
    "putalpha": lambda image: image.putalpha(3),
    "alpha_composite": lambda image: image.putalpha(picture("L")),
    "paste_mask": lambda image: image.paste((1, 2, 3), None, picture("L")),
    "in_place_transpose": lambda image: ImageOps.exif_transpose(image, in_place=True),
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_writing_leaves_the_message_alone(ring, writer):
    for mode in ("RGB", "L", "RGBA", "I", "F", "1", "LA", "CMYK"):
        for size in (SIZE, (10, 8)):  # Small ones are copied out of the ring.
            check_writer(ring, writer, picture(mode, size))


@pytest.mark.parametrize("writer", COLOUR_WRITERS.values(), ids=COLOUR_WRITERS)
def test_writing_colours_leaves_the_message_alone(ring, writer):
    check_writer(ring, writer, picture())


def check_writer(ring, writer, image):
    producer, consumer = ring
    producer.push(image)
    message = consumer.pop_raw(10)
    before = bytes(message.payload)
    view = codec.decode(message.metadata, Received(message.payload))
    assert view == image
    writer(view)
    assert bytes(message.payload) == before
    expected = image.copy()
    expected.readonly = 1
    if writer is not write_frombytes:
        writer(expected)
        assert view == expected


def test_reading_methods_work_on_views(ring):
    image = picture()
    view = popped(ring, image)
    for method in (
        lambda one: one.resize((30, 20)),
        lambda one: one.crop((10, 10, 30, 30)),
        lambda one: one.rotate(30),
        lambda one: one.filter(ImageFilter.GaussianBlur(2)),
        lambda one: one.convert("L"),
        lambda one: one.convert("RGBA"),
        lambda one: one.quantize(8).convert("RGB"),
        lambda one: one.point(lambda value: 255 - value),
        lambda one: ImageChops.add(one, one),
        lambda one: one.copy(),
        lambda one: pickle.loads(pickle.dumps(one)),
    ):
        assert method(view) == method(image)
    assert view.histogram() == image.histogram()
    assert view.getbbox() == image.getbbox()
    assert view.getcolors(10**6) == image.getcolors(10**6)
    assert np.array_equal(np.asarray(view), np.asarray(image))
    assert [band.tobytes() for band in view.split()] == [band.tobytes() for band in image.split()]


def test_views_outlive_close_and_consumer(ring_name):
    image = picture()
    producer = Producer(ring_name, 4 * MIB)
    consumer = Consumer(ring_name, 4 * MIB)
    producer.push([image, {"deep": image}])
    first, second = consumer.pop(10)
    producer.close()
    consumer.close()
    del producer, consumer
    gc.collect()
    assert first == image
    assert second["deep"] == image
    part = first.crop((0, 0, 10, 10))
    del first, second
    gc.collect()
    assert part == image.crop((0, 0, 10, 10))


@pytest.mark.skipif(not MAPS_EVERY_MODE, reason="this Pillow knows no Arrow")
def test_a_view_is_exported_through_arrow_or_refused(ring):
    """Pillow crashed there before version 13."""
    image = picture()
    view = popped(ring, image)
    try:
        again = Image.fromarrow(view, "RGB", image.size)
    except ValueError as error:
        assert "copy()" in str(error)
        again = Image.fromarrow(view.copy(), "RGB", image.size)
    assert again == image


def test_a_palette_can_be_changed_on_a_view(ring):
    image = picture("P")
    view = popped(ring, image)
    view.putpalette(bytes(range(256)) * 3)
    assert view.tobytes() == image.tobytes()
    grey = popped(ring, picture("L"))
    grey.putpalette(bytes(768))
    assert grey.mode == "P"


def test_a_popped_image_is_pushed_again(ring):
    image = picture()
    assert popped(ring, popped(ring, image)) == image
    assert ring[1].stats().used_bytes == 0


def test_images_larger_than_a_block_of_pillow(ring_name):
    image = picture("L", (5000, 100)).resize((2300, 2300)).convert("RGB")  # Over 16 MiB.
    with Consumer(ring_name, 64 * MIB) as consumer, Producer(ring_name, 64 * MIB) as producer:
        for _ in range(2):
            assert producer.push(image)
            assert consumer.pop(20) == image


def test_an_image_that_does_not_fit(ring):
    producer, consumer = ring
    with pytest.raises(ValueError, match="4194304"):
        producer.push(Image.new("RGB", (1100, 1100)))
    producer.push(b"next")
    assert consumer.pop(10) == b"next"


AT_EXIT = """
import atexit, os, sys, ipc0cp
from PIL import Image
consumer = ipc0cp.SharedRingBufferConsumer(sys.argv[1], 4 << 20)
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 4 << 20)
picture = Image.linear_gradient("L")
producer.push(picture)
producer.push([picture])
view, nested = consumer.pop(10), consumer.pop(10)
child = os.fork()
if child == 0:
    assert view == picture
    del view
    assert nested[0] == picture
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
atexit.register(lambda: print("exit", view == picture))
"""


def test_views_at_fork_and_at_the_end_of_the_interpreter():
    result = run_python(AT_EXIT, new_name())
    assert (result.returncode, result.stdout, result.stderr) == (0, "exit True\n", "")
