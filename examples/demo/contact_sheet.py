# SPDX-License-Identifier: Apache-2.0
"""The picture at the end of the demo: each photograph beside its edges, with what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from sink import Result

# Everything is drawn this many times larger and scaled down at the end: smooth curves and text.
OVERSAMPLING = 2

PAGE_WIDTH = 1720
MARGIN = 56
GAP = 28
COLUMNS = 2
PADDING = 20
TILE_GAP = 6
HEADER_HEIGHT = 150
CAPTION_HEIGHT = 104
CORNER_RADIUS = 16

BACKGROUND = (13, 15, 21)
CARD = (24, 27, 36)
BRIGHT = (240, 243, 248)
DIM = (138, 147, 166)
ACCENT = (112, 205, 255)
# Colours of the edges from no gradient to a strong one.
GLOW = [(0.0, (9, 11, 18)), (0.25, (22, 54, 112)), (0.6, (64, 160, 232)), (1.0, (246, 252, 255))]

# Where tiles that are wider than a photograph look: 0 is its top. None: the whole is shown.
FOCUS: dict[str, float | None] = {"astronaut": 0.0, "camera": 0.15, "retina": None}

Color = tuple[int, int, int]
Point = tuple[int, int]
Box = tuple[int, int, int, int]


def point(x: int, y: int) -> Point:
    """Of the finished page, where it is drawn."""
    return x * OVERSAMPLING, y * OVERSAMPLING


def box(left: int, top: int, right: int, bottom: int) -> Box:
    return point(left, top) + point(right, bottom)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * OVERSAMPLING)


def glowing(edges: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image.Image:
    """Edges in colour. Faint gradients are lifted: most of a photograph is smooth."""
    brightest = max(float(np.percentile(edges, 99.5)), 1.0)
    strength = np.minimum(np.arange(256) / brightest, 1.0) ** 0.75
    positions = [position for position, _ in GLOW]
    table = np.stack(
        [np.interp(strength, positions, [color[channel] for _, color in GLOW])
         for channel in range(3)], axis=1)
    return Image.fromarray(table.astype(np.uint8)[edges])


def draw_histogram(page: Image.Image, area: Box, histogram: list[int]) -> None:
    """Luminance from dark to bright; each column is as bright as the pixels it counts."""
    left, top, right, bottom = area
    draw = ImageDraw.Draw(page)
    # The root keeps one dominant tone from flattening all others.
    heights = np.sqrt(np.array(histogram, float))
    heights /= heights.max()
    edges = np.linspace(left, right, len(histogram) + 1).round().astype(int)
    for index, height in enumerate(heights):
        tone = index / (len(histogram) - 1)
        color = tuple(int(70 + tone * (channel - 70)) for channel in (236, 244, 255))
        column_top = bottom - max(int(height * (bottom - top)), OVERSAMPLING)
        draw.rectangle((edges[index], column_top, edges[index + 1] - 1 - OVERSAMPLING // 2, bottom),
                       fill=color)


class Sheet:
    """The page while it is drawn. Positions are in pixels of the finished page."""

    def __init__(self, rows: int) -> None:
        self.card_width = (PAGE_WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
        self.tile_width = (self.card_width - 2 * PADDING - TILE_GAP) // 2
        self.tile_height = self.tile_width * 3 // 4
        self.card_height = self.tile_height + CAPTION_HEIGHT + 2 * PADDING
        height = HEADER_HEIGHT + rows * self.card_height + (rows - 1) * GAP + MARGIN
        self.page = Image.new("RGB", point(PAGE_WIDTH, height), BACKGROUND)
        self._draw = ImageDraw.Draw(self.page)

    def text(self, x: int, y: int, text: str, size: int, color: Color, anchor: str = "ls") -> None:
        self._draw.text(point(x, y), text, color, font(size), anchor)

    def header(self, title: str, subtitle: str, figures: dict[str, str]) -> None:
        self.text(MARGIN, 78, title, 46, BRIGHT)
        self.text(MARGIN, 112, subtitle, 20, DIM)
        right = PAGE_WIDTH - MARGIN
        for name, value in reversed(figures.items()):
            self.text(right, 78, value, 38, ACCENT, "rs")
            self.text(right, 112, name, 18, DIM, "rs")
            widest = max(font(38).getlength(value), font(18).getlength(name))
            right -= int(widest) // OVERSAMPLING + 56

    def tile(self, image: Image.Image, focus: float | None, x: int, y: int) -> None:
        size = point(self.tile_width, self.tile_height)
        image = image.convert("RGB")
        method = Image.Resampling.LANCZOS
        if focus is None:
            corner = tuple(np.asarray(image)[0, 0].tolist())
            fitted = ImageOps.pad(image, size, method, color=corner)
        else:
            fitted = ImageOps.fit(image, size, method, centering=(0.5, focus))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).rounded_rectangle(
            (0, 0, size[0] - 1, size[1] - 1), 8 * OVERSAMPLING, fill=255)
        self.page.paste(fitted, point(x, y), mask)

    def card(self, index: int, result: Result, largest_energy: float) -> None:
        row, column = divmod(index, COLUMNS)
        x = MARGIN + column * (self.card_width + GAP)
        y = HEADER_HEIGHT + row * (self.card_height + GAP)
        self._draw.rounded_rectangle(
            box(x, y, x + self.card_width, y + self.card_height),
            CORNER_RADIUS * OVERSAMPLING, fill=CARD)
        left, right = x + PADDING, x + PADDING + self.tile_width + TILE_GAP
        top = y + PADDING
        focus = FOCUS.get(result.photograph.title, 0.5)
        self.tile(Image.fromarray(result.photograph.pixels), focus, left, top)
        self.tile(glowing(result.edges), focus, right, top)
        self.caption(left, top + self.tile_height, result, largest_energy)
        area = box(right, top + self.tile_height + 18, right + self.tile_width,
                   y + self.card_height - PADDING)
        draw_histogram(self.page, area, result.histogram)

    def caption(self, x: int, y: int, result: Result, largest_energy: float) -> None:
        height, width = result.photograph.pixels.shape[:2]
        end = x + self.tile_width - 24
        self.text(x, y + 42, result.photograph.title, 28, BRIGHT)
        self.text(end, y + 42, f"{result.frames:,} times", 17, DIM, "rs")
        self.text(x, y + 70, f"{width} x {height}", 17, DIM)
        self.text(end, y + 70, f"edge energy {result.energy:,.0f}", 17, DIM, "rs")
        filled = int((end - x) * (result.energy / largest_energy) ** 0.5)
        self._draw.rounded_rectangle(box(x, y + 92, end, y + 98), 6, fill=(46, 52, 68))
        self._draw.rounded_rectangle(box(x, y + 92, x + max(filled, 6), y + 98), 6, fill=ACCENT)


def draw_contact_sheet(results: Sequence[Result], figures: dict[str, str], path: Path) -> None:
    """Writes a PNG of all results.

    Args:
        figures: what to say at the top, by name.
    """
    sheet = Sheet(rows=-(-len(results) // COLUMNS))
    frames = sum(result.frames for result in results)
    subtitle = f"{frames:,} photographs through shared memory, Python to C++ to Python"
    sheet.header("ipc0cp", subtitle, figures)
    largest_energy = max(result.energy for result in results)
    for index, result in enumerate(results):
        sheet.card(index, result, largest_energy)
    size = (sheet.page.width // OVERSAMPLING, sheet.page.height // OVERSAMPLING)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.page.resize(size, Image.Resampling.LANCZOS).save(path, optimize=True)
