# SPDX-License-Identifier: Apache-2.0
"""The golden vectors of docs/object_format.md, both ways."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import decode, encode, same

import ipc0cp
from ipc0cp._codec import dtypes, images

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors"
MALFORMED = (
    "malformed",
    "malformed_containers",
    "malformed_images",
    "malformed_flatbuffers",
    "malformed_second",
)


def load(groups):
    cases = []
    for group in groups:
        for vector in json.loads((VECTORS / f"{group}.json").read_text()):
            cases.append(pytest.param(vector, id=f"{group}-{vector['name']}"))
    return cases


GOOD = sorted(
    path.stem
    for path in VECTORS.glob("*.json")
    if path.stem != "accepted" and path.stem not in MALFORMED
)


def message_of(vector) -> tuple[bytes, bytes]:
    if "metadata_hex" in vector:
        return bytes.fromhex(vector["metadata_hex"]), bytes.fromhex(vector["payload_hex"])
    return vector["metadata"].encode(), bytes.fromhex(vector["payload_hex"])


def value_of(vector):
    names = {"np": np, "reduce": functools.reduce}
    if "needs" in vector:
        names[vector["needs"].split(".")[0]] = pytest.importorskip(vector["needs"].split(".")[0])
        importlib.import_module(vector["needs"])
    try:
        return eval(vector["python"], names)
    except AttributeError as error:
        pytest.skip(f"the installed {vector['needs']} is too old: {error}")


IMAGES = load(["image"])


@pytest.mark.parametrize("vector", load(set(GOOD) - {"image"}))
def test_written_as_the_vector_says(vector):
    metadata, payload = encode(value_of(vector))
    expected_metadata, expected_payload = message_of(vector)
    assert metadata.decode() == expected_metadata.decode()
    dtype = vector.get("dtype", "")
    if "fields" in dtype or dtype[1:] in ("f16", "c32"):  # Padding may differ.
        assert same(decode(metadata, payload), decode(expected_metadata, expected_payload))
    elif json.loads(metadata)["type"] == "json":
        assert same(json.loads(payload), json.loads(expected_payload))
    else:
        assert payload == expected_payload


@pytest.mark.parametrize("vector", IMAGES)
def test_images_written_as_the_vector_says(vector):
    expected_metadata, expected_payload = message_of(vector)
    expected = json.loads(expected_metadata)
    image = value_of(vector)
    is_file = expected["encoding"] != "raw"
    metadata, payload = encode(ipc0cp.ImageData(image, expected["encoding"]) if is_file else image)
    found = json.loads(metadata)
    # The vectors hold both layouts; which of them saves a copy is the writer's choice.
    is_other_layout = found.get("pixel_bytes") != expected.get("pixel_bytes")
    if is_other_layout:
        expected["pixel_bytes"] = found["pixel_bytes"]
        assert found == expected
    else:
        assert metadata.decode() == expected_metadata.decode()
    assert decode(metadata, payload) == image
    if is_file or is_other_layout:
        return
    assert len(payload) == len(expected_payload)
    pixel_end = len(payload) - expected.get("palette", {}).get("bytes", 0)
    assert payload[pixel_end:] == expected_payload[pixel_end:]
    bands = BANDS_IN_CELLS.get(expected["mode"], (0, 1, 2, 3))
    if expected.get("pixel_bytes") == 4:
        for band in bands:
            assert payload[band:pixel_end:4] == expected_payload[band:pixel_end:4]
    else:
        assert payload == expected_payload


#: The bytes of a cell of 4 that have a meaning.
BANDS_IN_CELLS = {
    **dict.fromkeys(("RGB", "YCbCr", "LAB", "HSV"), (0, 1, 2)),
    **dict.fromkeys(("LA", "La", "PA"), (0, 3)),
}


def test_there_is_a_vector_for_each_layout_of_an_image():
    layouts = {(one["mode"], one.get("pixel_bytes")) for one in map(metadata_of, IMAGES)}
    for mode, layout in images.MODES.items():
        assert (mode, None) in layouts
        if layout.cell_bytes != layout.packed_bytes:
            assert (mode, layout.cell_bytes) in layouts


def metadata_of(parameter):
    return json.loads(parameter.values[0]["metadata"])


@pytest.mark.parametrize("vector", load(GOOD))
def test_read_as_the_vector_says(vector):
    expected = value_of(vector)
    found = decode(*message_of(vector))
    if isinstance(expected, tuple):
        expected = list(expected)
    assert same(found, expected), f"{found!r} is not {expected!r}"
    if "strides" in vector:
        assert list(np.asarray(found).strides) == vector["strides"]
    if "item_bytes" in vector:
        assert np.asarray(found).dtype.itemsize == vector["item_bytes"]


@pytest.mark.parametrize("vector", load(["accepted"]))
def test_accepted_and_written_canonically(vector):
    found = decode(*message_of(vector))
    if "value" in vector:
        assert same(found, json.loads(vector["value"]))
    # A str or list that was sent as json is written as text or list from here, and images in cells.
    is_other_type = isinstance(found, (str, list)) and '"json"' in vector["metadata"]
    if not is_other_type:
        metadata, _ = encode(found)
        assert metadata.decode().replace(',"pixel_bytes":4', "") == vector["canonical"]


@pytest.mark.parametrize("vector", load(MALFORMED))
def test_refused(vector):
    with pytest.raises(ipc0cp.Error) as caught:
        decode(*message_of(vector))
    assert caught.value.code.name == vector["error"]
    assert 10 < len(str(caught.value)) < 600


def test_the_files_are_what_generate_writes():
    command = [sys.executable, VECTORS / "generate.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def test_vectors_were_found():
    assert {"bytes", "text", "json", "ndarray", "structured", "list", "map"} <= set(GOOD)


@pytest.mark.parametrize("vector", load(["structured"]))
def test_dtype_descriptions_are_stable(vector):
    description = json.loads(vector["metadata"])["dtype"]
    assert dtypes.describe(dtypes.parse(description)) == description
