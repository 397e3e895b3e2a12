# SPDX-License-Identifier: Apache-2.0
"""Every code block of README.md is run; a block that no test covers fails.

Blocks run as printed, but for the name of the ring, which is unique here.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import ipc0cp

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("IPC0CP_BUILD_DIR", ROOT / "build"))
SECONDS = 60

# Language and a text that only this block has; each is used by a test below.
PRODUCER = ("python", "producer.push(b")
CONSUMER = ("python", "consumer.pop(timeout=5.0)")
LOAN = ("python", "producer.loan(")
ASYNCIO = ("python", "async for")
WAIT = ("python", "wait([")
SUBSCRIBER = ("python", "subscribe=True")
LOGGING = ("python", "enable_logging()")
CPP_CONSUMER = ("cpp", "ring_buffer.hpp")
CPP_OUTCOME = ("cpp", "outcome")
TWO_COMMANDS = ("sh", "make demo")
PIP = ("sh", "pip install")
CMAKE = ("sh", "cmake -S")
CMAKE_PROJECT = ("cmake", "find_package(ipc0cp")
CHORES = ("sh", "make help")
PIPE = ("sh", "StdioProducer")
BENCHMARK = ("sh", "run_benchmark.py")
LOOKING = ("sh", "ipc0cp doctor")
COVERED = [
    *(PRODUCER, CONSUMER, LOAN, ASYNCIO, WAIT, SUBSCRIBER, LOGGING),
    *(CPP_CONSUMER, CPP_OUTCOME, TWO_COMMANDS, PIP, CMAKE, CMAKE_PROJECT, CHORES, PIPE, BENCHMARK),
    LOOKING,
]

COUNT_SOURCE = """
from ipc0cp import SharedRingBufferConsumer
with SharedRingBufferConsumer({name!r}) as consumer:
    for frame in consumer:
        print(frame.shape, frame.dtype, int(frame.min()), int(frame.max()))
"""


def blocks() -> list[tuple[str, str]]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def block(key: tuple[str, str]) -> str:
    found = [text for language, text in blocks() if language == key[0] and key[1] in text]
    assert len(found) == 1, f"{len(found)} blocks of README.md match {key}"
    return found[0]


def shell_lines(key: tuple[str, str]) -> list[str]:
    """The commands of a shell block without their comments."""
    lines = [re.sub(r"\s+#.*", "", line).strip() for line in block(key).splitlines()]
    return [line for line in lines if line]


class Running:
    """A process that is killed if the test fails before it ends."""

    def __init__(self, *command: str | Path):
        self.process = subprocess.Popen(
            [str(word) for word in command],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_exception) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def output(self) -> str:
        output, errors = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0, f"exit code {self.process.returncode}\n{errors}"
        return output


def run_python(source: str) -> Running:
    return Running(sys.executable, "-c", source)


def named(key: tuple[str, str], name: str) -> str:
    source, count = re.subn(r'"my_\w+"', f'"{name}"', block(key))
    assert count == 1, "the block names its ring once"
    return source


def test_every_block_is_covered():
    for language, text in blocks():
        keys = [key for key in COVERED if key[0] == language and key[1] in text]
        assert len(keys) == 1, f"{len(keys)} tests cover this {language} block:\n{text}"
    assert len(blocks()) == len(COVERED)


def test_python_quickstart(ring_name):
    with (
        run_python(named(CONSUMER, ring_name)) as consumer,
        run_python(named(PRODUCER, ring_name)) as producer,
    ):
        assert producer.output() == ""
        assert consumer.output().splitlines() == [
            "<class 'numpy.ndarray'>",
            "<class 'dict'>",
            "<class 'bytes'>",
        ]


def test_python_subscriber(ring_name):
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, 1 << 20) as producer,
        ipc0cp.SharedRingBufferConsumer(ring_name) as worker,
        run_python(named(SUBSCRIBER, ring_name)) as monitor,
    ):
        deadline = time.monotonic() + SECONDS
        while producer.stats().active_subscribers == 0:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        for number in range(3):
            producer.push(np.full(4, number))
        producer.close()
        assert monitor.output().splitlines() == ["0.0 0", "1.0 0", "2.0 0"]
        assert len(list(worker)) == 3


def compile_cpp(source_text: str, folder: Path) -> Path:
    """The program of a block."""
    source = folder / "consumer.cpp"
    source.write_text(source_text)
    program = folder / "consumer"
    library = BUILD / "libipc0cp.a"
    assert library.exists(), f"no {library}: run `make build` or set IPC0CP_BUILD_DIR"
    compiled = subprocess.run(
        ["g++", "-std=c++20", "-I", ROOT / "include", source, "-o", program, library, "-pthread"],
        capture_output=True,
        text=True,
    )
    assert compiled.returncode == 0, compiled.stderr
    return program


def test_cpp_quickstart(ring_name, tmp_path):
    program = compile_cpp(named(CPP_CONSUMER, ring_name), tmp_path)
    # The producer ends only if somebody reads, and the ring is gone only if all was read.
    with Running(program) as consumer, run_python(named(PRODUCER, ring_name)) as producer:
        producer.output()
        consumer.output()


def test_looking_at_a_ring(ring_name, tmp_path):
    path = os.pathsep.join([str(BUILD / "cli"), os.environ["PATH"]])
    with (
        ipc0cp.SharedRingBufferConsumer(ring_name, 1 << 20),
        ipc0cp.SharedRingBufferProducer(ring_name, 1 << 20) as producer,
    ):
        producer.push("seen")
        for line in shell_lines(LOOKING):
            if " serve" in line:
                check_page(line, path, ring_name)
                continue
            done = subprocess.run(line.replace("my_ring", ring_name).split(), cwd=tmp_path,
                                  env={**os.environ, "PATH": path}, capture_output=True, text=True,
                                  timeout=SECONDS)
            assert done.returncode == 0, (line, done.stderr)
            assert ring_name[:12] in done.stdout or " -o " in line or " tap " in line
    (file,) = tmp_path.iterdir()
    assert file.read_text() == "seen"


def check_page(line: str, path: str, ring_name: str) -> None:
    """The command of the page, at a port that is free."""
    with subprocess.Popen([*line.split(), "--port", "0"], env={**os.environ, "PATH": path},
                          stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()
            if not url and not Path(path.split(os.pathsep)[0], "ipc0cp-serve").exists():
                return  # Built without cpp-httplib: it has said so.
            with urllib.request.urlopen(f"{url}api/rings", timeout=SECONDS) as answer:
                assert ring_name in answer.read().decode()
        finally:
            server.kill()


def test_cmake_project_of_a_user(tmp_path):
    """The compiler's own language level: C++20 has to come from the target."""
    (tmp_path / "program.cpp").write_text(block(CPP_CONSUMER))
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(user LANGUAGES CXX)\n"
        "add_executable(program program.cpp)\n" + block(CMAKE_PROJECT)
    )
    prefix, build = tmp_path / "prefix", tmp_path / "build"
    for command in (
        ["--install", BUILD, "--prefix", prefix],
        ["-S", tmp_path, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"],
        ["--build", build],
    ):
        with Running("cmake", *command) as running:
            running.output()
    assert (build / "program").exists()


def test_cpp_outcomes_and_ctrl_c(ring_name, tmp_path):
    program = compile_cpp(named(CPP_OUTCOME, ring_name), tmp_path)
    with Running(program) as consumer, run_python(named(PRODUCER, ring_name)) as producer:
        producer.output()
        assert consumer.output().splitlines() == ["ndarray", "json", "bytes", "end_of_stream"]
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, 256 << 20) as producer,
        Running(program) as consumer,
    ):
        producer.push(b"raw bytes")
        while producer.stats().consumer_waits == 0:
            assert consumer.process.poll() is None
        consumer.process.send_signal(signal.SIGINT)
        assert consumer.output().splitlines() == ["bytes", "interrupted"]


def test_loan(ring_name):
    with (
        run_python(COUNT_SOURCE.format(name=ring_name)) as consumer,
        run_python(named(LOAN, ring_name)) as producer,
    ):
        producer.output()
        assert consumer.output() == "(480, 640, 3) uint8 128 128\n"


def test_asyncio(ring_name):
    with (
        run_python(named(ASYNCIO, ring_name)) as consumer,
        run_python(named(LOAN, ring_name)) as producer,
    ):
        producer.output()
        assert consumer.output() == "(480, 640, 3)\n"


def test_wait(ring_name):
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, 1 << 20) as producer,
        Running(sys.executable, "-u", "-c", named(WAIT, ring_name)) as program,
    ):
        program.process.stdin.write("typed\n")
        program.process.stdin.flush()
        assert program.process.stdout.readline() == "typed\n"
        assert producer.push("pushed", SECONDS)
        producer.close()
        assert program.output().split() == ["pushed", "None"]


def test_pipe():
    """As printed, with this interpreter under the name `python`."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    output = subprocess.run(
        block(PIPE), shell=True, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert (output.stdout, output.stderr) == ("{'k': 'v'}\n", "")


def test_logging():
    source = block(LOGGING) + "import logging; print(logging.getLogger('ipc0cp').level)"
    with run_python(source) as program:
        assert program.output() == "20\n"


@pytest.mark.parametrize("key", [TWO_COMMANDS, CHORES], ids=["two commands", "chores"])
def test_make_lines_are_targets_with_help(key):
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = {line.split()[1] for line in listed.stdout.splitlines() if line.startswith("make ")}
    for line in shell_lines(key):
        command, target = line.split()
        assert command == "make"
        assert target in targets
        # A dry run fails where a recipe or something it depends on is missing.
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_pip_lines_are_how_this_installation_came_about():
    assert shell_lines(PIP) == ["pip install -e .", 'pip install -e ".[dev]"']
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "dev" in project["optional-dependencies"]
    origin = importlib.metadata.distribution("ipc0cp").read_text("direct_url.json")
    if origin is None or "dir_info" not in json.loads(origin):
        pytest.skip("these tests run on an installed wheel")
    assert json.loads(origin)["dir_info"].get("editable"), "the tests run on `pip install -e`"


def test_the_benchmark_takes_these_words():
    """The names of what it would measure; test_benchmarks.py runs it."""
    (line,) = shell_lines(BENCHMARK)
    python, *words = line.split()
    assert python == "python"
    listed = subprocess.run(
        [sys.executable, *words, "--list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "cpp-python.ring.large.1x1" in listed.stdout.splitlines()


@pytest.mark.timeout(900)
def test_cmake_lines():
    """They run as written on the build directory of the tests, which is quick if it is built."""
    configure, compile_all, test = shell_lines(CMAKE)
    build = str(BUILD.resolve())
    for line in (configure, compile_all):
        words = [build if word == "build" else word for word in line.split()]
        finished = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert finished.returncode == 0, finished.stdout + finished.stderr
    words = [build if word == "build" else word for word in test.split()]
    listing = subprocess.run(
        [*words, "--show-only=json-v1"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert len(json.loads(listing.stdout)["tests"]) > 0
