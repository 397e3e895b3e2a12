#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of `ipc0cp top` and of the page of `ipc0cp serve`: docs/pictures.

Stages a small pipeline with a stopped worker, lets it run for some seconds, and takes what the
program shows. Names, states and sentences are the same each time; rates and ages are what they are.
Needs the program in build/cli, the Python package, Matplotlib for its font, and Chromium.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from browser import Browser, find_browser
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("IPC0CP_BUILD_DIR", ROOT / "build")) / "cli" / "ipc0cp"
PICTURES = ROOT / "docs" / "pictures"
#: Where the rings of the pictures are, so that others of the machine are in none.
RINGS = Path("/dev/shm/demo")

START = """
import sys, time
from pathlib import Path
import numpy as np
import ipc0cp
Path("/proc/self/comm").write_text(sys.argv[1])
Producer, Consumer = ipc0cp.SharedRingBufferProducer, ipc0cp.SharedRingBufferConsumer
def every(seconds):
    due = time.monotonic()
    while True:
        due = max(due + seconds, time.monotonic() - 1)
        time.sleep(max(0, due - time.monotonic()))
        yield
"""
#: Name of the process and what it does; each waits for its rings by itself.
PARTS = {
    "camera": """
frames, previews = Producer("frames", 64 << 20), Producer("previews", 2 << 20)
frame, preview = np.zeros((480, 640, 3), np.uint8), np.zeros((120, 160, 3), np.uint8)
previews.push(preview)  # Waits for its consumer, as those below do not.
for tick, _ in enumerate(every(1 / 240)):
    if tick // 960 % 2 == 0 or tick % 2 == 0:
        frames.push(frame)
    if tick % 8 == 0:
        previews.push(preview, timeout=0)
""",
    "detector": """
frames, detections = Consumer("frames"), Producer("detections", 1 << 20)
for number, frame in enumerate(frames):
    detections.push({"frame": number, "boxes": [[10, 20, 64, 64]]})
""",
    "tracker": """
for detection in Consumer("detections"):
    time.sleep(0.001)
""",
    "encoder": """
previews = Consumer("previews")
view = previews.pop()
print("holds a view", flush=True)
time.sleep(3600)
""",
    "microphone": """
audio = Producer("audio", 16 << 20, consumer_wait_timeout=3600.0)
while True:
    audio.push(bytes(4096))
""",
}


LEAVE = """
import os
consumer, producer = Consumer("archive", 8 << 20), Producer("archive", 8 << 20)
for _ in range(3):
    producer.push(bytes(300_000))
os._exit(0)  # Without closing them, as a crash would.
"""


def kill_all(processes: list[subprocess.Popen[bytes]]) -> None:
    """At once: who is left would say that nobody reads any more."""
    for process in processes:
        process.kill()


@contextmanager
def pipeline() -> Iterator[None]:
    """The rings and processes of the pictures, and nothing of them afterwards."""
    RINGS.mkdir()
    os.environ["IPC0CP_DIRECTORY"] = str(RINGS)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, RINGS)
        subprocess.run([sys.executable, "-c", START + LEAVE, "archivist"], check=True)
        processes: list[subprocess.Popen[bytes]] = []
        for name, source in PARTS.items():
            process = subprocess.Popen([sys.executable, "-c", START + source, name],
                                       stdout=subprocess.PIPE)
            stack.callback(process.wait)
            processes.append(process)
            if name == "encoder":
                assert process.stdout is not None
                process.stdout.readline()
                process.send_signal(signal.SIGSTOP)
        stack.callback(kill_all, processes)
        yield


# ---- a terminal as a picture --------------------------------------------------------------------

GROUND, TEXT = "#11151b", "#d8dee6"
COLORS = {"31": "#ff7d7d", "32": "#5fd08a", "33": "#f0c24b", "2": "#7d8894"}
ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")


def draw_terminal(text: str, columns: int) -> Image.Image:
    """The text of a terminal, with its colours, bold and reversed letters."""
    fonts = {bold: ImageFont.truetype(
        font_manager.findfont(f"DejaVu Sans Mono:{'bold' if bold else 'regular'}"), 26)
        for bold in (False, True)}
    wide, high, margin = fonts[False].getlength("M"), 36, 28
    lines = text.rstrip("\n").split("\n")
    size = (round(columns * wide) + 2 * margin, len(lines) * high + 2 * margin)
    picture = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        left, top = float(margin), margin + row * high
        codes: set[str] = set()
        for index, part in enumerate(ESCAPE.split(line)):
            if index % 2 == 1:
                codes = set() if part in ("", "0") else codes | set(part.split(";"))
                continue
            color = next((COLORS[code] for code in codes if code in COLORS), TEXT)
            right = left + len(part) * wide
            if "7" in codes and part:
                draw.rectangle((left, top, right, top + high), fill=TEXT)
                color = GROUND
            draw.text((left, top + 2), part, fill=color, font=fonts["1" in codes])
            left = right
    return picture


def picture_of_top() -> None:
    columns = 118
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "40"}
    # A terminal of its own, so that there are colours.
    finished = subprocess.run(
        ["script", "-qec", f"stty cols {columns} rows 40; {PROGRAM} top --once -i 1", "/dev/null"],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    picture = draw_terminal(finished.stdout.replace("\r", ""), columns)
    picture.quantize(64).save(PICTURES / "top.png", optimize=True)


# ---- the page -----------------------------------------------------------------------------------

def pictures_of_page(seconds: float) -> None:
    server = subprocess.Popen([PROGRAM, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        with ExitStack() as stack:
            browsers = {name: stack.enter_context(
                Browser(width=1240, height=400, scale=1.5, dark=name == "page_dark"))
                for name in ("page", "page_dark")}
            for browser in browsers.values():
                browser.go(url)
                browser.wait_for("document.querySelectorAll('.name').length > 4")
                browser.value("[...document.querySelectorAll('.name')]"
                              ".find(name => name.title === 'frames').click()")
            time.sleep(seconds)
            for name, browser in browsers.items():
                browser.wait_for("document.querySelector('#connection.live') !== null")
                path = PICTURES / f"{name}.png"
                path.write_bytes(browser.picture())
                Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)
                if browser.said:
                    sys.exit(f"the page complains: {browser.said}")
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90, help="how long the page is watched")
    arguments = parser.parse_args()
    if find_browser() is None or not PROGRAM.with_name("ipc0cp-serve").exists():
        sys.exit("needs Chromium and the program with its page: make pictures")
    PICTURES.mkdir(exist_ok=True)
    with pipeline():
        time.sleep(3)
        picture_of_top()
        pictures_of_page(arguments.seconds)
    for path in sorted(PICTURES.glob("*.png")):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
