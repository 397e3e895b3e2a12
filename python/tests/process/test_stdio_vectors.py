# SPDX-License-Identifier: Apache-2.0
"""All golden vectors through pipelines of three programs, in every mix of languages."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from stdio_pipeline import Pipeline, worker_command

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers import decode, same
from test_vectors import GOOD, VECTORS

LANGUAGES = ("cpp", "python")
PATHS = [VECTORS / f"{group}.json" for group in GOOD]


def expected_messages() -> list[dict[str, str]]:
    return [vector for path in PATHS for vector in json.loads(path.read_text())]


def check(line: str, vector: dict[str, str], is_all_cpp: bool) -> None:
    found = json.loads(line)
    if is_all_cpp:
        assert found["metadata"] == vector["metadata"], vector["name"]
        assert found["payload_hex"] == vector["payload_hex"], vector["name"]
        return
    # Padding, the digits of floats and the layout of images are the writer's choice.
    left, right = (
        decode(message["metadata"].encode(), bytes.fromhex(message["payload_hex"]))
        for message in (found, vector)
    )
    assert same(left, right), vector["name"]


@pytest.mark.parametrize("receiver", LANGUAGES)
@pytest.mark.parametrize("relay", LANGUAGES)
@pytest.mark.parametrize("sender", LANGUAGES)
def test_vectors(sender, relay, receiver):
    pytest.importorskip("ml_dtypes")
    vectors = expected_messages()
    with Pipeline(
        worker_command(sender, "send_vectors", vectors=",".join(map(str, PATHS))),
        worker_command(relay, "relay"),
        worker_command(receiver, "print_messages"),
    ) as pipeline:
        lines = pipeline.output().splitlines()
    assert len(lines) == len(vectors) > 100
    for line, vector in zip(lines, vectors, strict=True):
        check(line, vector, {sender, relay, receiver} == {"cpp"})
