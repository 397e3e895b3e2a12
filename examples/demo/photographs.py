# SPDX-License-Identifier: Apache-2.0
"""The photographs that come inside the scikit-image package, and what their edges must be."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

# File names in skimage/data, in the order of the contact sheet. Which of them are bundled depends
# on the version; the others would be downloaded on first use, so they are left out.
CANDIDATES = {
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "galaxies": "hubble_deep_field.jpg",
    "motorcycle": "motorcycle_left.png",
    "camera": "camera.png",
    "retina": "retina.jpg",
}


@dataclasses.dataclass(frozen=True)
class Photograph:
    """Pixels are height x width x 3 (RGB) or height x width (grey)."""

    title: str
    pixels: Pixels


def load_photographs() -> list[Photograph]:
    """All candidates that are on this machine. Never touches the network."""
    # The package is only looked up: importing it takes longer than reading its photographs.
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise SystemExit('scikit-image is missing: pip install -e ".[demo]"')
    folder = Path(package.origin).parent / "data"
    found = []
    for title, file_name in CANDIDATES.items():
        if (folder / file_name).exists():
            with Image.open(folder / file_name) as image:
                found.append(Photograph(title, np.asarray(image)))
    if not found:
        raise SystemExit(f"no photograph in {folder}")
    return found


def reference_edges(pixels: Pixels) -> tuple[Pixels, float]:
    """The same as the C++ workers compute, in NumPy: edges and mean energy."""
    if pixels.ndim == 3:
        red, green, blue = np.moveaxis(pixels.astype(np.int32), 2, 0)
        luminance = (77 * red + 150 * green + 29 * blue + 128) >> 8
    else:
        luminance = pixels.astype(np.int32)
    smooth_rows = luminance[:-2] + 2 * luminance[1:-1] + luminance[2:]
    smooth_columns = luminance[:, :-2] + 2 * luminance[:, 1:-1] + luminance[:, 2:]
    gradient_x = smooth_rows[:, 2:] - smooth_rows[:, :-2]
    gradient_y = smooth_columns[2:] - smooth_columns[:-2]
    squared = gradient_x * gradient_x + gradient_y * gradient_y
    edges = np.zeros(luminance.shape, np.uint8)
    length = np.sqrt(squared.astype(np.float32))
    edges[1:-1, 1:-1] = np.minimum(length.astype(np.int32), 255)
    return edges, float(squared.sum(dtype=np.int64)) / luminance.size
