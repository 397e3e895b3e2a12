# SPDX-License-Identifier: Apache-2.0
"""Every code block of docs/live_sources.md is run, with the name of the ring replaced."""

from __future__ import annotations

import re
import subprocess

from helpers import PATIENCE, ROOT, run_python
from test_readme import compile_cpp

PAGE = (ROOT / "docs/live_sources.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def source_of(index: int, name: str) -> str:
    text, count = re.subn(r'"my_position"', f'"{name}"', BLOCKS[index][1])
    assert count == 2
    return text


def test_the_page_has_these_blocks():
    assert [language for language, _ in BLOCKS] == ["python", "cpp"]


def test_python(ring_name):
    result = run_python(source_of(0, ring_name))
    assert result.stdout == "{'x': 99.9, 'y': 0.5} 999\n"


def test_cpp(ring_name, tmp_path):
    program = compile_cpp(source_of(1, ring_name), tmp_path)
    result = subprocess.run([program], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert result.stdout == "third, 2 given up\n"
