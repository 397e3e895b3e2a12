# SPDX-License-Identifier: Apache-2.0
"""The package as users meet it: import, help, logging."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import pydoc
from importlib import resources

import numpy as np
import pytest
from helpers import MIB, new_name, run_python, same

import ipc0cp
from ipc0cp import _core


def test_import_is_lazy():
    program = (
        "import sys, ipc0cp\n"
        "heavy = {'numpy', 'PIL', 'asyncio', 'multiprocessing'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "name = sys.argv[1]\n"
        "consumer = ipc0cp.SharedRingBufferConsumer(name, 1 << 20)\n"
        "producer = ipc0cp.SharedRingBufferProducer(name, 1 << 20)\n"
        "for value in (b'x', 'x', {'a': [1]}, [1, 'a'], 2.5):\n"
        "    producer.push(value)\n"
        "    assert consumer.pop() == value\n"
        "assert 'numpy' not in sys.modules\n"
    )
    result = run_python(program, new_name())
    assert result.returncode == 0, result.stderr


def test_every_public_name_is_documented():
    for name in ipc0cp.__all__:
        thing = getattr(ipc0cp, name)
        if name == "__version__":
            continue
        assert inspect.getdoc(thing), name
        if not inspect.isclass(thing) or not thing.__module__.startswith("ipc0cp"):
            continue
        for member_name, member in vars(thing).items():
            if not member_name.startswith("_") and callable(member):
                assert inspect.getdoc(member), f"{name}.{member_name}"


def test_help_shows_arguments():
    text = pydoc.render_doc(ipc0cp.SharedRingBufferProducer, renderer=pydoc.plaintext)
    for word in ("total_data_bytes", "consumer_wait_timeout", "Raises", "seconds"):
        assert word in text
    assert "timeout" in str(inspect.signature(ipc0cp.SharedRingBufferConsumer.pop))


def test_the_package_is_typed():
    assert resources.files("ipc0cp").joinpath("py.typed").is_file()
    stub = resources.files("ipc0cp").joinpath("_core.pyi")
    if stub.is_file():
        assert "class ProducerHandle" in stub.read_text()


def test_version():
    assert ipc0cp.__version__ == _core.version()
    assert ipc0cp.__version__.count(".") == 2


def test_repr_and_stats(ring):
    producer, consumer = ring
    producer.push(b"x" * 1000)
    assert "1 messages" in repr(producer)
    assert consumer.name in repr(consumer)
    stats = consumer.stats()
    assert (stats.active_producers, stats.active_consumers, stats.messages) == (1, 1, 1)
    assert stats.total_data_bytes == 4 * MIB
    assert stats.used_bytes >= 1000
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats.messages = 2
    consumer.pop()
    stats = producer.stats()
    assert (stats.pushed, stats.popped, stats.messages, stats.most_messages) == (1, 1, 0, 1)


def test_log_lines_reach_the_logger(caplog):
    caplog.set_level(logging.DEBUG, "ipc0cp")
    from ipc0cp.log import logger

    assert logger.name == "ipc0cp"
    ipc0cp.log._receive(logging.WARNING, "100 % as it is")
    assert caplog.records[-1].getMessage() == "100 % as it is"
    assert caplog.records[-1].levelno == logging.WARNING


def test_set_log_level():
    logger = logging.getLogger("ipc0cp")
    before = logger.level
    try:
        for level, expected in (("INFO", 20), ("debug", 10), (35, 35)):
            ipc0cp.set_log_level(level)
            assert logger.level == expected
        with pytest.raises(ValueError, match="LOUD"):
            ipc0cp.set_log_level("LOUD")
    finally:
        logger.setLevel(before)


STALE = """
import logging, os, sys, ipc0cp
name = sys.argv[1]
if os.fork() == 0:
    consumer = ipc0cp.SharedRingBufferConsumer(name, 1 << 20)
    producer = ipc0cp.SharedRingBufferProducer(name, 1 << 20)
    producer.push(b"left behind")
    os.kill(os.getpid(), 9)
os.wait()
class Handler(logging.Handler):
    def emit(self, record):
        with ipc0cp.SharedRingBufferConsumer(name + ".handler", 1 << 20):
            print(record.levelname, record.getMessage())
logging.getLogger("ipc0cp").addHandler(Handler())
if len(sys.argv) > 2:
    ipc0cp.enable_logging()
    ipc0cp.enable_logging("INFO")
ipc0cp.SharedRingBufferProducer(name, 1 << 20).close()
ipc0cp.SharedRingBufferConsumer(name, 1 << 20).close()
"""


def test_lines_of_the_core_reach_handlers_that_use_rings_themselves():
    result = run_python(STALE, new_name())
    assert result.returncode == 0, result.stderr
    assert "discard" in result.stdout
    assert "Traceback" not in result.stderr


def test_enable_logging_writes_each_line_once():
    result = run_python(STALE, new_name(), "enable")
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if "discard" in line]
    assert len(lines) == 1, result.stderr
    assert "ipc0cp" in lines[0]


def test_a_strided_array_is_gathered_into_the_ring(ring):
    producer, consumer = ring
    array = np.arange(200_000, dtype="<i4").reshape(400, 500)[::2, ::-3]
    producer.push(array)
    assert same(consumer.pop(), np.ascontiguousarray(array))
