# SPDX-License-Identifier: Apache-2.0
"""Whole programs joined by pipes: standard output and input, and every way to end."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PATIENCE, run_python

import ipc0cp

ONE_LINER = """\
python -c 'from ipc0cp import StdioProducer; p=StdioProducer(); p.push({"k": "v"}); p.close()' \\
  | python -c 'from ipc0cp import StdioConsumer; c=StdioConsumer(); print(c.pop())'
"""
# Lines that Python keeps back are part of what is tested.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
DRAIN = """
import ipc0cp
try:
    for obj in ipc0cp.StdioConsumer():
        print("got", obj)
    print("end")
except ipc0cp.CorruptPayload as error:
    print("cut off" if "cut off" in str(error) else error)
"""


def run_shell(command: str) -> subprocess.CompletedProcess:
    """With `python` being this one, and failing if any part of a pipeline fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail\n{command}"],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )


def pipeline(producer: str, consumer: str = DRAIN) -> tuple[str, str, int]:
    """What the consumer prints, what the producer prints (on standard error), how it ends."""
    with subprocess.Popen(
        [sys.executable, "-c", producer],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as first:
        second = run_python(consumer, stdin=first.stdout, env=ENVIRONMENT)
        first.stdout.close()
        errors = first.stderr.read()
        status = first.wait(PATIENCE)
    assert second.returncode == 0, second.stderr
    return second.stdout, errors, status


def test_the_one_liner_as_printed():
    for _ in range(15):
        finished = run_shell(ONE_LINER)
        assert finished.stdout == "{'k': 'v'}\n"
        assert finished.stderr == ""
        assert finished.returncode == 0


PRINTING = """
import os, sys, ipc0cp
print("before")
p = ipc0cp.StdioProducer()
print("meanwhile")
os.system("echo from a child")
p.push("message")
print("kept back", end="")
p.close()
print("after")
"""


def test_everything_else_goes_to_standard_error():
    output, errors, status = pipeline(PRINTING)
    assert output == "got message\nend\n"
    assert errors == "before\nmeanwhile\nfrom a child\nkept back"
    assert status == 0
    # What is printed after close() goes where it went before.
    finished = subprocess.run(
        [sys.executable, "-c", PRINTING], env=ENVIRONMENT, capture_output=True, timeout=PATIENCE
    )
    assert finished.stdout.endswith(b"after\n")
    assert b"before" not in finished.stdout


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        pytest.param("", "end", id="the end of the program"),
        pytest.param("del p", "end", id="garbage collection"),
        pytest.param("sys.exit()", "end", id="sys.exit"),
        pytest.param("raise ValueError('of the program')", "cut off", id="an exception"),
        pytest.param("raise KeyboardInterrupt", "cut off", id="Ctrl-C"),
        pytest.param("os._exit(0)", "cut off", id="os._exit"),
        pytest.param("os.kill(os.getpid(), 9)", "cut off", id="SIGKILL"),
        pytest.param("os.kill(os.getpid(), 15)", "cut off", id="SIGTERM"),
        pytest.param("os.abort()", "cut off", id="a crash"),
    ],
)
def test_how_a_program_without_close_ends(ending, expected):
    program = f"import os, sys, ipc0cp\np = ipc0cp.StdioProducer()\np.push('half')\n{ending}"
    output, errors, _ = pipeline(program)
    assert output == f"got half\n{expected}\n"
    assert "ipc0cp" not in errors.replace("import os, sys, ipc0cp", "")


@pytest.mark.parametrize("ending", ["pass", "raise ValueError"])
def test_a_child_of_multiprocessing(ending):
    program = f"""
import multiprocessing, os, ipc0cp
def work(writer):
    global p
    p = ipc0cp.StdioProducer(writer)
    p.push("of the child")
    {ending}
if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    reader, writer = os.pipe()
    process = multiprocessing.Process(target=work, args=(writer,))
    process.start()
    os.close(writer)
    process.join()
    consumer = ipc0cp.StdioConsumer(reader)
    print(consumer.pop(30))
    try:
        print(consumer.pop(30))
    except ipc0cp.CorruptPayload:
        print("cut off")
"""
    expected = "None" if ending == "pass" else "cut off"
    assert run_python(program).stdout == f"of the child\n{expected}\n"


def test_a_reader_that_leaves_early_breaks_nothing():
    flood = """
import sys, ipc0cp
with ipc0cp.StdioProducer() as p:
    try:
        while True:
            p.push(bytes(100_000))
    except ipc0cp.NoConsumers as error:
        print(error)
"""
    leaver = "import ipc0cp; print(len(ipc0cp.StdioConsumer().pop()))"
    output, errors, status = pipeline(flood, leaver)
    assert output == "100000\n"
    assert errors == "the stream to standard output: the reader has left\n"
    assert status == 0


def test_standard_input_is_empty_meanwhile_and_comes_back():
    consumer = """
import subprocess, sys, ipc0cp
with ipc0cp.StdioConsumer() as c:
    print(repr(subprocess.run(["cat"], capture_output=True, text=True).stdout))
    print(c.pop(), c.pop())
print(sys.stdin.read())
"""
    producer = """
import sys, ipc0cp
p = ipc0cp.StdioProducer()
p.push("message")
p.close()
print("behind it")
"""
    assert pipeline(producer, consumer)[0] == "''\nmessage None\nbehind it\n\n"


def test_what_was_read_ahead_from_standard_input_is_not_lost():
    consumer = """
import sys, ipc0cp
print(sys.stdin.buffer.readline())
print(list(ipc0cp.StdioConsumer()))
"""
    producer = """
import sys, ipc0cp
print("a line in front", flush=True)
ipc0cp.StdioProducer().push("message")
"""
    assert pipeline(producer, consumer)[0] == "b'a line in front\\n'\n['message']\n"


def test_one_holder_of_standard_output():
    program = """
import os, ipc0cp
p = ipc0cp.StdioProducer()
try:
    ipc0cp.StdioProducer()
except ipc0cp.InvalidArgument as error:
    print(error)
if os.fork() == 0:
    try:
        ipc0cp.StdioProducer()
    except ipc0cp.InvalidArgument as error:
        print("child:", error)
    os._exit(0)
os.wait()
del p
ipc0cp.StdioProducer().push("second")
"""
    _, errors, status = pipeline(program, "import sys; sys.stdin.buffer.read()")
    assert status == 0
    assert errors.count("standard output is taken by another stream") == 2


@pytest.mark.parametrize("kind", ["StdioProducer", "StdioConsumer"])
def test_a_terminal_is_refused(kind):
    controller, terminal = pty.openpty()
    try:
        program = f"import ipc0cp\ntry: ipc0cp.{kind}()\nexcept ValueError as e: print(e)"
        finished = subprocess.run(
            [sys.executable, "-c", program], stdin=terminal, stdout=terminal, timeout=PATIENCE
        )
        assert finished.returncode == 0
        assert b"is a terminal" in os.read(controller, 1000)
    finally:
        os.close(controller)
        os.close(terminal)


def test_standard_error_must_be_something_else():
    finished = run_shell("python -c 'import ipc0cp; ipc0cp.StdioProducer()' 2>&1 | cat")
    assert "2>&1" in finished.stdout
    assert finished.returncode != 0


def start(program: str, **streams) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", program], **streams)


def test_ctrl_c_ends_a_blocked_pop():
    program = "import ipc0cp; print('ready', flush=True); ipc0cp.StdioConsumer().pop()"
    with start(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
               stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == -signal.SIGINT
        assert b"KeyboardInterrupt" in process.stderr.read()


def test_ctrl_c_ends_a_blocked_push_and_the_exit_does_not_wait():
    program = """
import sys, ipc0cp
p = ipc0cp.StdioProducer()
p.push("first")
p.push(bytes(1 << 24))
"""
    with start(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        consumer = ipc0cp.StdioConsumer(process.stdout)
        assert consumer.pop(PATIENCE) == "first"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == -signal.SIGINT
        assert b"KeyboardInterrupt" in process.stderr.read()
        with pytest.raises(ipc0cp.CorruptPayload, match="cut off after"):
            consumer.pop(PATIENCE)


def test_ctrl_c_ends_a_close_that_waits_for_its_reader():
    program = """
import sys, ipc0cp
p = ipc0cp.StdioProducer()
# Frames of one page each, until not one byte more goes into the pipe.
while p.push(bytes(4096 - 20 - 32), timeout=0.05):
    pass
sys.stderr.write("full\\n")
p.close()
"""
    with start(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr.readline() == b"full\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == -signal.SIGINT


@pytest.mark.parametrize("call", ["StdioConsumer().pop()", "StdioProducer(w).push(bytes(1 << 24))"])
def test_a_daemon_thread_that_is_blocked_at_exit(call):
    program = f"""
import os, threading, time, ipc0cp
r, w = os.pipe()
thread = threading.Thread(target=lambda: ipc0cp.{call}, daemon=True)
thread.start()
thread.join(0.1)
"""
    with start(program, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.wait(PATIENCE) == 0, process.stderr.read()
