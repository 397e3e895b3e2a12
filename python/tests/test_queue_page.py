# SPDX-License-Identifier: Apache-2.0
"""Every code block of docs/migrate_from_multiprocessing_queue.md is run, as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PATIENCE, SHM

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "migrate_from_multiprocessing_queue.md"

# A text that only this block has, and what the block prints.
PROGRAMS = {
    "frames = multiprocessing.Queue(": "[0.0, 1.0, 2.0]\n",
    "frames = ipc0cp.Queue(maxsize=8)": "[0.0, 1.0, 2.0]\n",
    "pickle=True": "cat (480, 640, 3) True\n",
    "copy=False": "921600 False\n",
    "total_data_bytes=1 << 30": f"{300 << 20}\n",
}
BENCHMARK = "python benchmarks/studies/python_queue.py --markdown\n"


def blocks() -> list[tuple[str, str]]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_every_block_is_covered():
    for language, text in blocks():
        if language == "python":
            assert sum(key in text for key in PROGRAMS) == 1, text
        else:
            assert (language, text) == ("sh", BENCHMARK)
    assert len(blocks()) == len(PROGRAMS) + 1


@pytest.mark.parametrize("key", PROGRAMS)
def test_program(tmp_path, key):
    program = tmp_path / "program.py"
    (source,) = [text for language, text in blocks() if language == "python" and key in text]
    program.write_text(source)
    with subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        outputs = process.communicate(timeout=PATIENCE)
    assert (process.returncode, *outputs) == (0, PROGRAMS[key], "")
    assert not list(SHM.glob(f"ipc0cp.queue-{process.pid}-*"))


def test_only_imports_and_constructors_change():
    before, after = (
        next(text for _, text in blocks() if key in text).splitlines() for key in list(PROGRAMS)[:2]
    )
    assert set(after) - set(before) == {
        "import ipc0cp",
        "    frames = ipc0cp.Queue(maxsize=8)",
        "    results = ipc0cp.Queue()",
    }


def test_the_table_is_what_the_program_prints():
    """Its figures were measured; this run only shows that they have come from there."""
    command = [sys.executable, ROOT / BENCHMARK.split()[1], "--markdown", "--only", "*[Nn]one*"]
    result = subprocess.run(
        [*command, "--seconds", "0.02", "--runs", "1"], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    header, line, row = result.stdout.splitlines()
    page = PAGE.read_text(encoding="utf-8").splitlines()
    start = page.index(header)
    assert page[start + 1] == line
    rows = page[start + 2 : page.index("", start)]
    sys.path.insert(0, str(ROOT / "benchmarks" / "studies"))
    try:
        from python_queue import PAYLOADS
    finally:
        sys.path.pop(0)
    assert [text.split(" | ")[0].removeprefix("| ") for text in rows] == list(PAYLOADS)
    assert row.startswith("| None | ")
