# SPDX-License-Identifier: Apache-2.0
"""Images as PNG or JPEG files, see section 7 of docs/object_format.md; needs Pillow."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from ipc0cp._codec import codec, image_info, images
from ipc0cp._codec.encoding import Encoded, Metadata, Received, type_name
from ipc0cp._codec.metadata import metadata_text
from ipc0cp._codec.refusals import is_of_elsewhere
from ipc0cp.errors import CorruptPayload, UnsupportedType
from ipc0cp.objects import ImageData

_KEYS_OF_RAW_IMAGES = ("pixel_bytes", "palette", "transparency")


def encode_data(data: ImageData, _: int = 0) -> Encoded:
    """Plans an image in the encoding that was asked for."""
    if not isinstance(data.image, Image.Image):
        raise UnsupportedType(f"ImageData holds a Pillow image, not {type_name(data.image)}")
    if data.encoding == "raw":
        return images.encode_any(data.image)
    return _encode(data.image, data.encoding, data.options)


def _encode(image: Image.Image, encoding: str, options: dict[str, Any]) -> Encoded:
    """Plans an image as a file; mode and size come back as they are, the rest as the file has it.

    Raises:
        UnsupportedType: if Pillow cannot write such a file, or it has another mode when read.
    """
    images.load(image)
    file = io.BytesIO()
    try:
        image.save(file, format=encoding, **options)
        with Image.open(file, formats=[encoding]) as written:
            mode, size = written.mode, written.size
    except Exception as error:  # Plugins raise what they like, for the image or for an option.
        if is_of_elsewhere(error):
            raise
        raise UnsupportedType(
            f"an image of mode {image.mode} and size {image.size} cannot be sent as {encoding}:"
            f" {error}"
        ) from error
    if (mode, size) != (image.mode, image.size):
        raise UnsupportedType(
            f"an image of mode {image.mode} would come out of a {encoding} file with mode {mode};"
            f" push image.convert({mode!r}), or send it raw"
        )
    metadata: Metadata = {"type": "image", "version": "1.0", "encoding": encoding, "mode": mode}
    metadata["size"] = list(size)
    file.seek(0, io.SEEK_END)
    file.write(images.add_info(image, metadata))
    payload = file.getbuffer()
    return Encoded(metadata_text(metadata), payload.nbytes, payload=payload)


def decode(metadata: Metadata, received: Received, encoding: str) -> Image.Image:
    """The image in a file; it owns its memory.

    Raises:
        CorruptPayload: if the file cannot be read or is not what the metadata says.
        UnsupportedType: if it has more pixels than ``PIL.Image.MAX_IMAGE_PIXELS`` allows.
    """
    if present := [key for key in _KEYS_OF_RAW_IMAGES if key in metadata]:
        raise CorruptPayload(f"a {encoding} image keeps its {present[0]} in the file")
    mode, size = images.mode_and_size_of(metadata)
    entries, pieces_bytes = images.info_of(metadata)
    file_bytes = received.payload.nbytes - pieces_bytes
    if file_bytes < 0:
        raise CorruptPayload(
            f"the info of an image needs {pieces_bytes} bytes, the payload has"
            f" {received.payload.nbytes}"
        )
    try:
        with Image.open(io.BytesIO(received.payload[:file_bytes]), formats=[encoding]) as file:
            if (file.mode, file.size) != (mode, size):
                raise CorruptPayload(
                    f"a {encoding} image has mode {file.mode} and size {file.size}, its metadata"
                    f" says {mode} and {size}"
                )
            image = file.copy()
    except CorruptPayload:
        raise
    except Image.DecompressionBombError as error:
        raise UnsupportedType(
            f"{error}; raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        ) from None
    except Exception as error:  # Plugins raise what they like for damaged files.
        if is_of_elsewhere(error):
            raise
        raise CorruptPayload(f"a {encoding} image cannot be read: {error}") from error
    info: dict[Any, Any] = image_info.parse(entries, received.payload[file_bytes:])
    if "transparency" in image.info:
        info["transparency"] = image.info["transparency"]
    image.info = info
    return image


codec.add_foreign_encoder(ImageData, encode_data)
images.add_file_decoder("png", decode)
images.add_file_decoder("jpeg", decode)
# Last: who finds it, in another thread while this one imports us, finds all encodings.
codec.add_decoder("image", images.decode)
