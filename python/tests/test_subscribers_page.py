# SPDX-License-Identifier: Apache-2.0
"""Every code block of docs/subscribers.md is run, with the name of the ring replaced."""

from __future__ import annotations

import re
import subprocess

import pytest
from helpers import PATIENCE, ROOT, run_python
from test_readme import compile_cpp

PAGE = (ROOT / "docs/subscribers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
JOBS = [{"job": number} for number in range(3)]


def source_of(index: int, name: str) -> str:
    text, count = re.subn(r'"my_\w+"', f'"{name}"', BLOCKS[index][1])
    assert count == 3, "a producer and two consumers"
    return text


def test_the_page_has_these_blocks():
    assert [language for language, _ in BLOCKS] == ["python", "python", "cpp"]


@pytest.mark.parametrize(
    ("index", "lines"),
    [(0, [f"worked {JOBS}", f"watched {JOBS} missed 0"]), (1, ["15.0", "15.0"])],
    ids=["beside workers", "broadcast"],
)
def test_python(ring_name, index, lines):
    finished = run_python(source_of(index, ring_name))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == lines


def test_cpp(ring_name, tmp_path):
    program = compile_cpp(source_of(2, ring_name), tmp_path)
    finished = subprocess.run([program], capture_output=True, text=True, timeout=PATIENCE)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == ["for everybody"] * 2
