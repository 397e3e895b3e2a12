# SPDX-License-Identifier: Apache-2.0
"""Every program of examples/ in every mix of languages, and the demo with its killed worker."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from helpers import SHM
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PROGRAMS = Path(os.environ.get("IPC0CP_BUILD_DIR", ROOT / "build")) / "examples"
DEMO = EXAMPLES / "demo" / "run_demo.py"
SECONDS = 60

# What the consumer of each example prints, whoever produces.
OUTPUTS = {
    "hello": [
        "text hello",
        'json {"from":"a producer","to":["a","consumer"]}',
        "ndarray 1 to 6",
        "end of stream",
    ],
    "loan": [f"480 x 640, {1000 * number} to {1000 * number + 639}" for number in range(3)],
    "flatbuffer": ["frame 0:", "frame 1: cat 0.5", "frame 2: cat 0.5 dog 0.75"],
    "borrow": ["brightest 200, writable no"],
    "list_and_map": [
        "front door: 480 x 640 x 3, first 64",
        "cat 0.75, 600 pixels",
        "dog 0.5, 100 pixels",
    ],
    "camera": ["all accounted for: True", "in order: True"],
    "latest_camera": ["in order: True", "all accounted for: True"],
    "poll": ["10 numbers, then end_of_stream"],
    "opencv": ["200 x 100 at 100, 50"],
    "torch_loader": ["64 samples, the images add up to 2016"],
}
POINT_CLOUD = [f"100000 points around 49.5 4.5 {height}" for height in (0.0, 0.5, 1.0)]
STDIO = ["front door: 255", "front door: 200", "front door: 100", "end of stream"]
RANKS = ["20 batches, the products add up to 99614720"]
MONITOR = ["40 jobs went by, in order: True"]
WORKER_POOL = ["40 results, the sums add up to 10660"]
# What an example needs beyond the package, in Python.
NEEDS = {"opencv": "cv2", "torch_loader": "torch"}


def rings() -> set[str]:
    return {path.name for path in SHM.glob("ipc0cp.*")}


@pytest.fixture(autouse=True)
def _classes_of_the_schema(request, monkeypatch):
    """Lets `flatbuffer` find its Python classes, or skips it."""
    monkeypatch.setenv("PYTHONPATH", str(PROGRAMS / "generated"))
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if parameters.get("name") == "flatbuffer":
        pytest.importorskip("flatbuffers", reason="needs the extra [flatbuffers]")
        if shutil.which("flatc") is None:
            pytest.skip("needs flatc, Debian's flatbuffers-compiler")


def command(name: str, language: str) -> list[str]:
    if language == "python":
        if name in NEEDS:
            pytest.importorskip(NEEDS[name])
        return [sys.executable, str(EXAMPLES / "python" / f"{name}.py")]
    program = PROGRAMS / name
    if name == "opencv" and not program.exists():
        pytest.skip("built without OpenCV (libopencv-imgproc-dev)")
    assert program.exists(), f"no {program}: run `make build` or set IPC0CP_BUILD_DIR"
    return [str(program)]


def test_the_table_names_every_example():
    in_python = {path.stem for path in (EXAMPLES / "python").glob("*.py")}
    in_cpp = {path.stem for path in (EXAMPLES / "cpp").glob("*.cpp")}
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE))
    in_both = {*OUTPUTS, "monitor", "point_cloud", "ranks", "stdio", "worker_pool"}
    assert in_cpp == in_both
    assert in_python == listed == {*in_both, "tensors"}


@pytest.mark.parametrize("consumer_language", ["python", "cpp"])
@pytest.mark.parametrize("producer_language", ["python", "cpp"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_example(name, producer_language, consumer_language, ring_name):
    if (name, consumer_language) == ("torch_loader", "cpp"):
        pytest.skip("torch_loader consumes in Python only")
    producer = [*command(name, producer_language), "produce", ring_name]
    consumer = [*command(name, consumer_language), "consume", ring_name]
    assert output_of(consumer, producer) == OUTPUTS[name]


@pytest.mark.parametrize("worker_language", ["python", "cpp"])
@pytest.mark.parametrize("boss_language", ["python", "cpp"])
def test_worker_pool(boss_language, worker_language, ring_name):
    boss = [*command("worker_pool", boss_language), "boss", ring_name]
    workers = [
        [*command("worker_pool", language), "work", ring_name]
        for language in (worker_language, "cpp")
    ]
    assert output_of(boss, *workers) == WORKER_POOL


@pytest.mark.parametrize("languages", [*product(["python", "cpp"], repeat=3)], ids="-".join)
def test_ranks(languages, ring_name):
    producer, *ranks = (
        [*command("ranks", language), part, ring_name]
        for language, part in zip(languages, ("produce", "rank", "rank"), strict=True)
    )
    assert outputs_of(*ranks, producer) == [RANKS, RANKS, []]


@pytest.mark.parametrize("pool_language", ["python", "cpp"])
@pytest.mark.parametrize("monitor_language", ["python", "cpp"])
def test_monitor(monitor_language, pool_language, ring_name):
    monitor = [*command("monitor", monitor_language), "watch", ring_name]
    pool = command("worker_pool", pool_language)
    workers = [[*pool, "work", ring_name] for _ in range(2)]
    before = rings()

    def has_joined() -> None:
        deadline = time.monotonic() + SECONDS
        while f"ipc0cp.{ring_name}" not in rings() - before:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    outputs = outputs_of(monitor, *workers, [*pool, "boss", ring_name], after_first=has_joined)
    assert (outputs[0], outputs[-1]) == (MONITOR, WORKER_POOL)


@pytest.mark.parametrize("languages", [*product(["python", "cpp"], repeat=3)], ids="-".join)
def test_point_cloud(languages, ring_name):
    producer, lifter, consumer = (
        [*command("point_cloud", language), part, ring_name]
        for language, part in zip(languages, ("produce", "lift", "consume"), strict=True)
    )
    assert output_of(consumer, lifter, producer) == POINT_CLOUD


def test_points_of_a_point_cloud_stay_where_they_are(ring_name):
    program = f"""
import os, sys
sys.path.append({str(EXAMPLES / "python")!r})
from point_cloud import RING_BYTES, POINTS, PointCloud
from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

def is_mapping_of(inode, address):
    # By inode: the handle that made the ring mapped it before it had a name.
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps]
    ranges = [line[0].split("-") for line in lines if line[4] == inode]
    return any(int(low, 16) <= address < int(high, 16) for low, high in ranges)

with SharedRingBufferConsumer(sys.argv[1], RING_BYTES) as consumer:
    inode = str(os.stat(os.environ["IPC0CP_DIRECTORY"] + "/ipc0cp." + sys.argv[1]).st_ino)
    with SharedRingBufferProducer(sys.argv[1], RING_BYTES) as producer:
        producer.push(PointCloud.empty(1.5, POINTS))
    cloud = consumer.pop()
points = cloud.points
del cloud
first = points.__array_interface__["data"][0]
last = first + points.nbytes - 1
print(is_mapping_of(inode, first), is_mapping_of(inode, last), points.flags.writeable)
"""
    finished = subprocess.run(
        [sys.executable, "-c", program, ring_name], capture_output=True, text=True, timeout=SECONDS
    )
    assert finished.stdout == "True True False\n", finished.stderr


@pytest.mark.parametrize("middle_language", ["python", "cpp"])
@pytest.mark.parametrize("outer_language", ["python", "cpp"])
def test_stdio(outer_language, middle_language):
    parts = (("produce", outer_language), ("invert", middle_language), ("consume", outer_language))
    line = " | ".join(shlex.join([*command("stdio", kind), part]) for part, kind in parts)
    finished = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, timeout=SECONDS
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == STDIO
    assert finished.stderr == "sending three frames\n"


def output_of(*commands: list[str]) -> list[str]:
    """The lines that the first of several programs prints, all of which have to succeed."""
    return outputs_of(*commands)[0]


def outputs_of(
    *commands: list[str], after_first: Callable[[], None] = lambda: None
) -> list[list[str]]:
    """The lines of each of them."""
    programs: list[subprocess.Popen[str]] = []
    try:
        for words in commands:
            programs.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
            if len(programs) == 1:
                after_first()
        outputs = [program.communicate(timeout=SECONDS)[0] for program in programs]
        assert [program.returncode for program in programs] == [0] * len(programs)
    finally:
        for program in programs:
            program.kill()
            if not program.stdout.closed:
                program.communicate()
    return [output.splitlines() for output in outputs]


def demo_command(sheet: Path, *options: str) -> list[str]:
    pytest.importorskip("rich", reason="the demo needs the extra [demo]")
    pytest.importorskip("skimage", reason="the demo needs the extra [demo]")
    worker = str(PROGRAMS / "demo_worker")
    return [sys.executable, str(DEMO), "--worker", worker, "--output", str(sheet), *options]


def run_demo(sheet: Path, *options: str) -> dict[str, str]:
    """The rows of the closing table."""
    before = rings()
    finished = subprocess.run(
        demo_command(sheet, "--frames", "160", *options),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert not {name for name in rings() - before if name.startswith("ipc0cp.demo-")}
    return dict(re.findall(r"^([\w /']+?) {2,}(\S.*)$", finished.stdout, flags=re.MULTILINE))


def test_demo_accounts_for_every_frame_when_a_worker_is_killed(tmp_path):
    rows = run_demo(tmp_path / "sheet.png")
    lost = next(value for name, value in rows.items() if name.startswith("lost with worker"))
    lost_frames = int(lost.split(":")[0])
    processed = int(rows["frames processed"].split()[0])
    assert rows["frames sent"] == "160"
    assert lost_frames in (0, 1)
    assert processed + lost_frames == 160
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG"
        # A page of pictures, not a blank one.
        assert len(image.convert("RGB").resize((64, 64)).getcolors(4096)) > 500


def test_demo_loses_nothing_when_nobody_is_killed(tmp_path):
    rows = run_demo(tmp_path / "sheet.png", "--no-chaos")
    assert rows["frames processed"].split()[0] == "160"
    assert not any(name.startswith("lost") for name in rows)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_demo_leaves_nothing_behind_when_it_is_stopped(tmp_path, ending):
    demo = subprocess.Popen(
        demo_command(tmp_path / "sheet.png", "--frames", "1000000"),
        stdout=subprocess.PIPE,
        text=True,
    )
    own_rings = {f"ipc0cp.demo-{name}-{demo.pid}" for name in ("frames", "results")}
    try:
        # Lines that count frames come once the rings and the workers are there.
        assert any(re.match(r" *[1-9][\d,]* of", line) for line in demo.stdout)
        assert own_rings <= rings()
        demo.send_signal(ending)
        assert demo.wait(SECONDS) == 128 + ending
    finally:
        demo.kill()
        demo.wait()
        demo.stdout.close()
    assert not own_rings & rings()
    assert processes_naming(f"demo-frames-{demo.pid}") == []


def processes_naming(word: str) -> list[str]:
    """Command lines of living processes in which the word stands."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended while we looked.
        if word in text:
            found.append(text)
    return found
