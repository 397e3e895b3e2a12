# SPDX-License-Identifier: Apache-2.0
"""Signal handlers run in blocked calls, and what they raise is never swallowed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from helpers import PATIENCE, run_python, start_python

PATCHED = """
import sys, threading
# What gevent.monkey.patch_all() does: threading answers for greenlets, not for threads.
class Greenlet:
    ident = 1
    name = "MainThread"
threading.main_thread = Greenlet
threading.get_ident = lambda: 2
threading._main_thread = Greenlet
import ipc0cp
with ipc0cp.SharedRingBufferConsumer(sys.argv[1], 1 << 20) as consumer:
    try:
        print("waiting")
        consumer.pop(timeout=30)
    except BaseException as error:
        print(type(error).__name__)
"""


def expect_ctrl_c_to_end(program: str, ring_name: str) -> None:
    with start_python(program, ring_name) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "KeyboardInterrupt\n"


def test_ctrl_c_where_threading_is_patched(ring_name):
    expect_ctrl_c_to_end(PATCHED, ring_name)


IMPORTED_BY_ANOTHER_THREAD = """
import sys, threading
def load():
    global ipc0cp
    import ipc0cp
thread = threading.Thread(target=load)
thread.start()
thread.join()
with ipc0cp.SharedRingBufferConsumer(sys.argv[1], 1 << 20) as consumer:
    try:
        print("waiting")
        consumer.pop(timeout=30)
    except BaseException as error:
        print(type(error).__name__)
"""


def test_ctrl_c_where_another_thread_imported_the_package(ring_name):
    expect_ctrl_c_to_end(IMPORTED_BY_ANOTHER_THREAD, ring_name)


# A line of the core is delivered while the consumer waits: a producer was killed. The signal comes
# while logging is at it.
IN_A_LOG_LINE = """
import logging, signal, sys
class Alarm(Exception):
    pass
def alarm(*_):
    raise {error}
signal.signal(signal.SIGALRM, alarm)
class Filter(logging.Filter):
    def filter(self, record):
        signal.raise_signal(signal.SIGALRM)
        print("survived")
        return True
import ipc0cp
logger = logging.getLogger("ipc0cp")
logger.setLevel("INFO")
logger.addFilter(Filter())
with ipc0cp.SharedRingBufferConsumer(sys.argv[1], 1 << 20, expected_producers=2) as consumer:
    print("waiting")
    try:
        print(consumer.pop(timeout=30))
    except BaseException as error:
        print(type(error).__name__)
    logger.setLevel("ERROR")
"""

KILLED = """
import sys, ipc0cp
producer = ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20)
print("ready")
sys.stdin.read()
"""


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "TimeoutError", "Alarm"])
def test_what_a_handler_raises_in_a_log_line_ends_the_call(ring_name, error):
    program = IN_A_LOG_LINE.format(error=error)
    with start_python(program, ring_name, stderr=subprocess.PIPE) as consumer:
        assert consumer.stdout.readline() == "waiting\n"
        with start_python(KILLED, ring_name) as producer:
            assert producer.stdout.readline() == "ready\n"
            producer.kill()
        assert consumer.stdout.readline() == f"{error}\n"
        assert consumer.communicate(timeout=PATIENCE)[1] == ""


# The core flushes what Python keeps of standard output before it writes frames to it.
IN_A_FLUSH = """
import io, os, signal, sys
class Alarm(Exception):
    pass
def alarm(*_):
    raise {error}
signal.signal(signal.SIGALRM, alarm)
class Output(io.TextIOWrapper):
    flushed = False
    def flush(self):
        super().flush()
        if not Output.flushed:
            Output.flushed = True
            signal.raise_signal(signal.SIGALRM)
sys.stdout = Output(open(os.dup(1), "wb"))
import ipc0cp
try:
    producer = ipc0cp.StdioProducer()
    for _ in range(10):
        pass
except BaseException as error:
    sys.stderr.write(type(error).__name__)
"""


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "TimeoutError", "Alarm"])
def test_what_a_handler_raises_in_the_flush_of_standard_output(error):
    program = IN_A_FLUSH.format(error=error)
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=PATIENCE, check=False
    )
    assert result.stderr.decode() == error


# A handler may fork. The child comes back into a call of its parent's.
FORKING = """
import os, signal, sys, threading, time
import ipc0cp
pid = None
def fork(*_):
    global pid
    pid = os.fork()
signal.signal(signal.SIGUSR1, fork)
consumer = ipc0cp.{make}
timer = threading.Timer(0.1, lambda: signal.pthread_kill(threading.main_thread().ident,
                                                         signal.SIGUSR1))
timer.start()
try:
    outcome = consumer.pop(timeout=1)
except ipc0cp.Error as error:
    outcome = type(error).__name__
if pid == 0:
    os.write(2, ("child: " + outcome).encode())
    os._exit(0)
end = time.monotonic() + 20
while os.waitpid(pid, os.WNOHANG) == (0, 0):
    if time.monotonic() > end:
        os.kill(pid, signal.SIGKILL)
        os.write(2, b"child hangs")
    time.sleep(0.01)
sys.stderr.write("; parent: " + outcome)
timer.join()
consumer.close()
"""


@pytest.mark.parametrize(
    "make",
    ["SharedRingBufferConsumer(sys.argv[1], 1 << 20)", "StdioConsumer(os.pipe()[0])"],
)
def test_a_handler_that_forks_in_a_blocked_call(ring_name, make):
    result = run_python(FORKING.format(make=make), ring_name, timeout=PATIENCE)
    assert result.stderr == "child: ForkedHandle; parent: Timeout"


BROKEN_FILTER = """
import logging, sys, threading
class Filter(logging.Filter):
    def filter(self, record):
        raise ValueError("a mistake")
import ipc0cp
logger = logging.getLogger("ipc0cp")
logger.setLevel("INFO")
logger.addFilter(Filter())
def consume():
    with ipc0cp.SharedRingBufferConsumer(sys.argv[1], 1 << 20) as consumer:
        print("waiting")
        print(consumer.pop(timeout=30))
thread = threading.Thread(target=consume)
thread.start()
thread.join()
"""


def test_a_broken_log_filter_fails_no_call_of_a_worker_thread(ring_name):
    with start_python(BROKEN_FILTER, ring_name, stderr=subprocess.PIPE) as consumer:
        assert consumer.stdout.readline() == "waiting\n"
        with start_python(KILLED, ring_name) as producer:
            assert producer.stdout.readline() == "ready\n"
            producer.kill()
        assert consumer.stdout.readline() == "None\n"
        assert "ValueError: a mistake" in consumer.communicate(timeout=PATIENCE)[1]


SUB_INTERPRETER = """
import ipc0cp
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
try:
    other = interpreters.create(isolated=False)
except TypeError:
    other = interpreters.create("legacy")
code = '''
try:
    import ipc0cp
except ImportError as error:
    text = str(error)
assert "main interpreter" in text and "mod_wsgi" in text, text
try:
    import ipc0cp._core
except ImportError:
    print("refused", flush=True)
'''
outcome = interpreters.run_string(other, code)
assert outcome is None, outcome
interpreters.destroy(other)
try:
    ipc0cp.SharedRingBufferConsumer("", 1 << 20)
except ipc0cp.InvalidArgument:
    print("the first one works")
"""


def test_a_second_interpreter_is_refused_and_leaves_the_first_alone():
    result = run_python(SUB_INTERPRETER, timeout=PATIENCE)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "refused\nthe first one works\n"
