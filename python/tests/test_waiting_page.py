# SPDX-License-Identifier: Apache-2.0
"""Every code block of docs/waiting_on_several.md is run, with the name of the ring replaced."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest
from helpers import PATIENCE, ROOT, start_python
from test_readme import compile_cpp

import ipc0cp

PAGE = (ROOT / "docs/waiting_on_several.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def source_of(index: int, name: str) -> str:
    text, count = re.subn(r'"my_frames"', f'"{name}"', BLOCKS[index][1])
    assert count == 1
    return text


def send_frames(name: str) -> None:
    with ipc0cp.SharedRingBufferProducer(name, 1 << 20) as producer:
        for size in (2, 3):
            assert producer.push(np.zeros((size, size), np.uint8), PATIENCE)


def output_of(process: subprocess.Popen[str]) -> list[str]:
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return output.splitlines()


def test_the_page_has_these_blocks():
    assert [language for language, _ in BLOCKS] == ["python", "python", "cpp"]


@pytest.mark.parametrize(
    ("index", "lines"),
    [(0, ["(2, 2)", "(3, 3)", "stop at the end", "the end"]), (1, ["(2, 2)", "(3, 3)"])],
    ids=["wait", "asyncio"],
)
def test_python(ring_name, index, lines):
    with start_python(source_of(index, ring_name)) as process:
        send_frames(ring_name)
        assert sorted(output_of(process)) == sorted(lines)


def test_cpp(ring_name, tmp_path):
    program = compile_cpp(source_of(2, ring_name), tmp_path)
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as process:
        send_frames(ring_name)
        assert output_of(process) == ["4 bytes", "9 bytes"]
