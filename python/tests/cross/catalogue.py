# SPDX-License-Identifier: Apache-2.0
"""One object of every kind; tests/objects/catalogue.hpp makes the same ones in C++.

In the same order and under the same names, from the same small formulas.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import reduce
from typing import Any

import ml_dtypes
import numpy as np
from PIL import Image

import ipc0cp

CLOUD_HEADER = struct.Struct("<dQ")


@dataclass(eq=False)
class PointCloud:
    """The type of a user: a header, and points behind it."""

    frame: str
    stamp: float
    points: np.ndarray

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PointCloud):
            return NotImplemented
        return (
            (self.frame, self.stamp) == (other.frame, other.stamp)
            and self.points.dtype == other.points.dtype
            and np.array_equal(self.points, other.points)
        )

    __hash__ = None

    def message(self) -> tuple[dict[str, str], bytes]:
        metadata = {"type": "test_point_cloud", "version": "1.0", "frame": self.frame}
        return metadata, CLOUD_HEADER.pack(self.stamp, len(self.points)) + self.points.tobytes()

    @classmethod
    def read(cls, metadata: dict[str, str], payload: memoryview) -> PointCloud:
        stamp, count = CLOUD_HEADER.unpack_from(payload)
        points = np.frombuffer(payload, "<f4", offset=CLOUD_HEADER.size).reshape(count, 3)
        return cls(metadata["frame"], stamp, points)


def register_point_cloud() -> None:
    ipc0cp.register_type(
        "test_point_cloud",
        PointCloud.read,
        "1.0",
        python_type=PointCloud,
        serialize=PointCloud.message,
        view=True,
    )


def plain() -> dict[str, Any]:
    return {
        "bytes/empty": b"",
        "bytes/all": bytes(range(256)),
        "bytes/large": bytes(i * 7 % 256 for i in range(100_000)),
        "text/empty": "",
        "text/short": "h\u00e9llo \U0001f600",
        "text/zero": "a\0b",
        "text/large": "\u00e9" * 50_000,
        "json/zero": 0,
        "json/negative": -5,
        "json/largest": 2**64 - 1,
        "json/smallest": -(2**63),
        "json/whole_float": 2.0,
        "json/tenth": 0.1,
        "json/negative_zero": -0.0,
        "json/huge": 1e300,
        "json/true": True,
        "json/false": False,
        "json/nan": float("nan"),
        "json/infinity": -float("inf"),
        "json/past_64_bits": 2**64,
        "json/below_64_bits": -(2**70),
        "json/integer_keys": {1: "one", "1": [float("inf")], 2**64: None},
        "json/one_key_with_a_dollar": {"$float": "nan"},
        "json/object": {"b": [1, 2.5, None, {"a": []}], "a": {"x": {}}, "\u00e9": "\n"},
    }


def counted(dtype: Any, *shape: int) -> np.ndarray:
    """An array whose bytes are 0, 1, 2, ..."""
    dtype = np.dtype(dtype)
    return np.frombuffer(bytes(range(dtype.itemsize * int(np.prod(shape)))), dtype).reshape(shape)


def arrays() -> dict[str, Any]:
    all_arrays: dict[str, Any] = {}
    for dtype in "|i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 <f2 <f4 <f8 <c8 <c16".split():
        for ordered in (dtype,) if dtype[0] == "|" else (dtype, dtype.replace("<", ">")):
            all_arrays[f"ndarray/{ordered}"] = np.arange(6).reshape(2, 3).astype(ordered)
    all_arrays["ndarray/bfloat16"] = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16)
    all_arrays["ndarray/|b1"] = np.array([[0, 1, 1], [0, 1, 0]], "|b1")
    all_arrays["ndarray/<f16"] = np.arange(3).astype("<f16")
    for name in (
        "complex32 bcomplex32 float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn "
        "float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu float6_e2m3fn float6_e3m2fn "
        "float4_e2m1fn int4 uint4 int2 uint2"
    ).split():
        all_arrays[f"ndarray/{name}"] = counted(getattr(ml_dtypes, name), 2)
    pixels = (np.arange(480 * 640 * 3) * 13 % 251).astype(np.uint8)
    return all_arrays | {
        "ndarray/frame": pixels.reshape(480, 640, 3),
        "ndarray/no_dimensions": np.array(2.5),
        "ndarray/empty": np.zeros((3, 0, 2), "<i8"),
        "ndarray/most_dimensions": np.zeros((1,) * 32, "|u1"),
        "ndarray/fortran": np.asfortranarray(np.arange(6, dtype="<i2").reshape(2, 3)),
        "ndarray/strings": np.array([b"a", b"bcd", b""], "|S3"),
        "ndarray/unicode": np.array(["a", "\u00e9\U0001f600"], "<U2"),
        "ndarray/raw": counted("|V3", 2),
        "ndarray/days": np.array(["2024-02-29", "NaT"], "<M8[D]"),
        "ndarray/nanoseconds": np.array([-1], "<M8[ns]"),
        "ndarray/hours": np.array([5, -6], "<m8[h]"),
        "scalar/float": np.float32(0.5),
        "scalar/integer": np.int64(-7),
        "scalar/text": np.str_("\u00e9a"),
    }


def structured() -> dict[str, Any]:
    aligned = np.zeros(2, np.dtype([("a", "|u1"), ("b", "<f8")], align=True))
    aligned[1] = (2, 1.5)
    nested = [("p", [("x", "<f4"), ("y", ">i2")], (2,)), (("a title", "t"), "|S2")]
    return {
        "structured/packed": np.array([(1, 2.5), (3, 4.5)], [("a", "<i4"), ("b", "<f8")]),
        "structured/aligned": aligned,
        "structured/nested": counted(nested, 3),
        "structured/record": counted(np.dtype((np.record, [("a", "<i4")])), 2),
    }


SIZE = (5, 3)
PIXELS = np.arange(SIZE[0] * SIZE[1])
BANDS = {
    **dict.fromkeys(("L", "P"), 1),
    **dict.fromkeys(("LA", "La", "PA"), 2),
    **dict.fromkeys(("RGB", "YCbCr", "LAB", "HSV"), 3),
    **dict.fromkeys(("RGBA", "RGBa", "RGBX", "CMYK"), 4),
}


def painted(mode: str) -> Image.Image:
    """An image of a mode of bytes: the bytes count up by 7."""
    samples = np.arange(PIXELS.size * BANDS[mode]) * 7
    return Image.frombytes(mode, SIZE, samples.astype(np.uint8).tobytes())


def black_and_white() -> Image.Image:
    bits = np.packbits((PIXELS % 3 == 0).reshape(SIZE[1], SIZE[0]), axis=1)
    return Image.frombytes("1", SIZE, bits.tobytes())


def images() -> dict[str, Any]:
    wide = (PIXELS * 1000).astype("<u2")
    result = {"image/1": black_and_white()}
    result |= {f"image/{mode}": painted(mode) for mode in BANDS}
    result["image/I"] = Image.frombytes("I", SIZE, (PIXELS * 100_000 - 7).astype("<i4").tobytes())
    result["image/F"] = Image.frombytes("F", SIZE, (PIXELS * 0.25 - 1).astype("<f4").tobytes())
    for mode in ("I;16", "I;16L", "I;16N"):
        result[f"image/{mode}"] = Image.frombytes(mode, SIZE, wide.tobytes())
    result["image/I;16B"] = Image.frombytes("I;16B", SIZE, wide.astype(">u2").tobytes())
    result["image/empty"] = Image.new("L", (0, 4))
    # C++ sends these in other layouts of the pixels; the image is the same.
    for mode in ("RGB", "YCbCr", "LAB", "HSV", "LA", "La", "PA"):
        result[f"image/cells_{mode}"] = painted(mode)
    result["image/cells_1"] = black_and_white()
    return result


def indexed(palette_mode: str, transparency: object = None) -> Image.Image:
    image = Image.frombytes("P", (4, 2), b"\1" * 8)
    image.putpalette(bytes(i * 10 for i in range(24)), palette_mode)
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


def image_extras() -> dict[str, Any]:
    colored = Image.new("RGB", (2, 2))
    colored.info["transparency"] = (1, 2, 3)
    return {
        "image/palette_rgb": indexed("RGB"),
        "image/palette_rgba": indexed("RGBA"),
        "image/transparent_index": indexed("RGB", 2),
        "image/transparent_table": indexed("RGB", b"\x00\x80\xff"),
        "image/transparent_color": colored,
        "image/png": Image.new("RGB", (3, 2), (10, 20, 30)),
        "image/info": with_info(),
    }


def with_info() -> Image.Image:
    image = Image.new("L", (2, 1))
    image.info = {
        "dpi": (300.0, 72),
        "exif": b"Exif\0",
        "gamma": float("inf"),
        "long": "\u00e9" * 200,
        "pair": (b"1", ("x", b"23")),
    }
    return image


def floats(count: int) -> np.ndarray:
    return np.arange(count, dtype="<f4") / np.float32(2)


def containers() -> dict[str, Any]:
    return {
        "list/empty": [],
        "list/scalars": [1, "two", None, 2.5, True, {"a": [1]}, []],
        "list/mixed": [
            floats(17),
            b"raw",
            painted("L"),
            "text",
            [1, [floats(3)]],
            {"frame": floats(5), "label": 3},
            np.float32(0.5),
            b"",
            -1,
        ],
        "list/ragged": [floats(n % 5) for n in range(100)],
        "list/planes": [floats(6).reshape(2, 3)] * 3,
        "list/marks": [1, float("nan"), "x", 2**70, {3: [4]}, {"$x": 1}, {"a": float("inf")}],
        "list/deepest": reduce(lambda value, _: [value], range(64), b"x"),
        "list/many": list(range(10_000)),
        "map/mixed": {
            "frame": floats(6),
            "label": 3,
            "name": "x",
            "none": None,
            "list": [1, floats(2)],
            "": b"b",
            '\u00e9"\\': 0.5,
        },
        "map/nested": {"a": {"b": floats(1), "c": False}},
        "map/integer_keys": {1: floats(2), "1": b"b", -3: "text", 2**64: floats(1), "n": 1},
        "map/arrays": {"a": floats(1), "b": floats(2), 3: floats(3)},
    }


def custom() -> dict[str, Any]:
    numbers = np.arange(1000, dtype="<f4")
    cloud = PointCloud("map", 12.5, np.stack([numbers, numbers / 2, -numbers], axis=1))
    unknown = {"type": "test_unknown", "version": "1.0", "x": [1, 2]}
    return {
        "custom/cloud": cloud,
        "custom/in_list": [1, cloud, "end"],
        "custom/in_map": {"cloud": cloud},
        "custom/unknown": ipc0cp.BytesData(b"abc", unknown),
    }


def catalogue() -> dict[str, Any]:
    return plain() | arrays() | structured() | images() | image_extras() | containers() | custom()


def as_png(image: Image.Image) -> ipc0cp.BytesData:
    """What a producer sends that asks for a file."""
    file = io.BytesIO()
    image.save(file, "png")
    metadata = {"type": "image", "version": "1.0", "encoding": "png"}
    metadata |= {"mode": image.mode, "size": list(image.size)}
    return ipc0cp.BytesData(file.getvalue(), metadata)
