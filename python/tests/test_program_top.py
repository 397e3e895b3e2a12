# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp top` in a terminal, `--once` and as JSON; and `ipc0cp bench`."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

import pytest
from helpers import PATIENCE, SHM
from program import DONE, PROGRAM, WRONG_USAGE, finish, output, start
from test_program_doctor import PUSH_FOREVER, running
from test_program_looking import check_shape, schema

import ipc0cp

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A terminal of some size in which `ipc0cp top` runs."""

    def __init__(self, columns: int, rows: int, interval: str = "100ms", **environment: str):
        self.process, self.file = pty.fork()
        if self.process == 0:
            os.environ.update(environment)
            os.execv(PROGRAM, ["ipc0cp", "top", "--interval", interval])
        self.text = ""
        self.resize(columns, rows)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_exception) -> None:
        os.close(self.file)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self) -> None:
        if select.select([self.file], [], [], 0.1)[0]:
            try:
                self.text += os.read(self.file, 1 << 16).decode(errors="replace")
            except OSError:  # The other end is gone.
                return

    def page(self, *, where) -> list[str]:
        """The lines of the last whole page, once they are so."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read()
            pages = [part for part in self.text.split("\x1b[H") if part.endswith("\x1b[J")]
            if not pages:
                continue
            lines = ESCAPES.sub("", pages[-1]).split("\r\n")
            if where(lines):
                return lines
        raise AssertionError(f"not shown: {self.text[-4000:]!r}")

    def until(self, text: str, start: int = 0) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.text[start:]:
            assert time.monotonic() < deadline, self.text[-2000:]
            self.read()

    def press(self, key: str) -> None:
        os.write(self.file, key.encode())

    def end(self) -> int:
        self.press("q")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read()
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process != 0:
                self.read()
                return os.waitstatus_to_exitcode(status)
        raise AssertionError("q does not end it")


@pytest.fixture
def full_ring(ring_name):
    """A ring whose consumer takes nothing, and whose producer waits for room."""
    with ipc0cp.SharedRingBufferConsumer(ring_name, 4 << 20):
        with running(PUSH_FOREVER, ring_name):
            yield ring_name


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40), (50, 12)])
def test_a_page_fits_the_terminal(full_ring, columns, rows):
    with Terminal(columns, rows) as terminal:
        lines = terminal.page(where=lambda lines: any("takes nothing" in line for line in lines))
        assert len(lines) <= rows
        assert max(len(line) for line in lines) == columns
        assert lines[0].startswith("ipc0cp  ")
        assert lines[1].split()[:2] == ["NAME", "DEPTH"]
        assert lines[2].startswith(full_ring[:8])
        assert "[########] 100%" in lines[2]
        assert lines[-1].startswith("q end")
        assert terminal.end() == DONE
    assert terminal.text.endswith("\x1b[?25h\x1b[?1049l")


def test_keys_and_another_size(full_ring):
    with Terminal(80, 24) as terminal:
        terminal.page(where=lambda lines: "*n name" in lines[-1])
        terminal.press("d")
        terminal.page(where=lambda lines: "*d depth" in lines[-1])
        terminal.resize(130, 30)
        terminal.page(where=lambda lines: "MEMORY" in lines[1] and len(lines[1]) == 130)
        terminal.page(where=lambda lines: any(line.startswith(full_ring) for line in lines))
        assert terminal.end() == DONE


@pytest.mark.usefixtures("full_ring")
def test_no_interval_at_all_is_shown_and_hears_keys():
    with Terminal(80, 24, interval="0") as terminal:
        terminal.page(where=lambda lines: "*n name" in lines[-1])
        assert terminal.end() == DONE


JOB_CONTROL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], ["ipc0cp", "top", "--interval", "100ms"])
_, status = os.waitpid(child, os.WUNTRACED)
assert os.WIFSTOPPED(status), status
os.tcsetpgrp(0, os.getpgrp())
print("<stopped>", flush=True)
assert sys.stdin.readline() == "fg\\n"
os.tcsetpgrp(0, child)
os.kill(child, signal.SIGCONT)
_, status = os.waitpid(child, 0)
os._exit(os.waitstatus_to_exitcode(status))
"""


def test_ctrl_z_gives_the_terminal_back(full_ring):
    terminal = Terminal.__new__(Terminal)
    terminal.process, terminal.file = pty.fork()
    if terminal.process == 0:
        os.execv(sys.executable, [sys.executable, "-c", JOB_CONTROL, str(PROGRAM)])
    terminal.text = ""
    terminal.resize(80, 24)
    with terminal:
        terminal.page(where=lambda lines: any(line.startswith(full_ring[:9]) for line in lines))
        terminal.press("\x1a")
        terminal.until("<stopped>")
        assert terminal.text.rindex("\x1b[?1049l") < terminal.text.index("<stopped>")
        assert termios.tcgetattr(terminal.file)[3] & termios.ICANON
        terminal.press("fg\n")
        seen = len(terminal.text)
        terminal.until("\x1b[?1049h", start=seen)
        terminal.until("\x1b[J", start=seen)
        assert not termios.tcgetattr(terminal.file)[3] & termios.ICANON
        assert terminal.end() == DONE


def test_a_terminal_without_pages_is_told():
    with Terminal(80, 24, TERM="dumb") as terminal:
        terminal.until("ipc0cp top --once")
        assert "\x1b" not in terminal.text
        assert os.waitstatus_to_exitcode(os.waitpid(terminal.process, 0)[1]) == WRONG_USAGE


@pytest.mark.usefixtures("full_ring")
def test_colors_only_where_they_are_wanted():
    with Terminal(80, 24) as terminal:
        terminal.page(where=lambda lines: len(lines) > 3)
        assert terminal.end() == DONE
    assert "\x1b[31m" in terminal.text
    with Terminal(80, 24, NO_COLOR="1") as terminal:
        terminal.page(where=lambda lines: len(lines) > 3)
        assert terminal.end() == DONE
    assert not re.search(r"\x1b\[[0-9;]+m", terminal.text)


def test_once(full_ring):
    text = output("top", "--once", env={**os.environ, "COLUMNS": "100"})
    assert "\x1b" not in text
    (line,) = [line for line in text.splitlines() if line.startswith(full_ring)]
    assert 80 < len(line) <= 100
    assert f"! {full_ring}: consumer pid {os.getpid()}" in text


def test_json(full_ring):
    told = json.loads(output("top", "--once", "--json"))
    assert list(told) == list(schema("top --json"))
    check_shape(told["directory"], schema("top --json")["directory"])
    (ring,) = [ring for ring in told["rings"] if ring["name"] == full_ring]
    assert ring["rates"]["messages_out"] == 0
    assert any("takes nothing" in sentence for sentence in ring.pop("findings"))
    check_shape({"rings": [ring]}, schema("ls --json"))


def test_without_a_terminal_it_says_what_there_is():
    finished = finish("top")
    assert finished.returncode == WRONG_USAGE
    assert "ipc0cp top --once" in finished.stderr


def test_bench():
    before = set(SHM.iterdir())
    told = json.loads(output("bench", "--quick", "--json"))
    assert [line["payload_bytes"] for line in told["one_way"]] == [64, 4096, 65536, 1048576]
    assert all(line["ring_messages_per_second"] > 0 for line in told["one_way"])
    assert told["round_trip"]["ring_seconds"] > 0
    left = [path for path in set(SHM.iterdir()) - before if "bench" in path.name]
    assert not left


def test_an_interrupted_bench_leaves_no_ring():
    process = start("bench", "--quick")
    questions = f"ipc0cp.bench-{process.pid}-5"  # Of the round trips, which another process reads.
    deadline = time.monotonic() + 2 * PATIENCE
    while not (SHM / questions).exists():
        assert time.monotonic() < deadline and process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 130
    assert not list(SHM.glob(f"ipc0cp.bench-{process.pid}-*"))
