# SPDX-License-Identifier: Apache-2.0
"""The golden vectors of docs/object_format.md, both ways."""

from __future__ import annotations

import functools
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import decode, encode, same

import ipc0cp
from ipc0cp import dtypes

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors"
MALFORMED = (
    "malformed",
    "malformed_containers",
    "malformed_images",
    "malformed_flatbuffers",
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
    return eval(vector["python"], names)


@pytest.mark.parametrize("vector", load(GOOD))
def test_written_as_the_vector_says(vector):
    metadata, payload = encode(value_of(vector))
    expected_metadata, expected_payload = message_of(vector)
    if b'"pixel_bytes"' in expected_metadata:
        pytest.skip("which of Pillow's layouts saves a copy is the writer's choice")
    assert metadata.decode() == expected_metadata.decode()
    dtype = vector.get("dtype", "")
    if "fields" in dtype or dtype[1:] in ("f16", "c32"):  # Padding may differ.
        assert same(decode(metadata, payload), decode(expected_metadata, expected_payload))
    elif json.loads(metadata)["type"] == "json":
        assert same(json.loads(payload), json.loads(expected_payload))
    else:
        assert payload == expected_payload


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
    # A str or list that was sent as json is written as text or list from here.
    if not (isinstance(found, (str, list)) and '"json"' in vector["metadata"]):
        metadata, _ = encode(found)
        assert metadata.decode() == vector["canonical"]


@pytest.mark.parametrize("vector", load(MALFORMED))
def test_refused(vector):
    with pytest.raises(ipc0cp.Error) as caught:
        decode(*message_of(vector))
    assert caught.value.code.name == vector["error"]


def test_vectors_were_found():
    assert {"bytes", "text", "json", "ndarray", "structured", "list", "map"} <= set(GOOD)


@pytest.mark.parametrize("vector", load(["structured"]))
def test_dtype_descriptions_are_stable(vector):
    description = json.loads(vector["metadata"])["dtype"]
    assert dtypes.describe(dtypes.parse(description)) == description
