# SPDX-License-Identifier: Apache-2.0
"""The script that draws docs/pictures/frame_ages.png."""

from __future__ import annotations

import importlib.util

import pytest
from helpers import ROOT
from PIL import Image


def test_ages_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("ages", ROOT / "scripts/plot_frame_ages.py")
    ages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ages)
    picture = tmp_path / "ages.png"
    ages.draw({"queue": [50.0, 290.0], "Python": [3.0, 9.0], "C++": [1.0, 8.0]}, picture)
    with Image.open(picture) as image:
        assert image.size[0] > 600
        assert len(image.convert("RGB").getcolors(1 << 20)) > 20
