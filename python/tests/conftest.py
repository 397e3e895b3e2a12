# SPDX-License-Identifier: Apache-2.0
"""Fixtures: every ring has a name of its own, and what a test leaves behind fails it.

The rings of a run are in a directory of its own, so that others on the machine do not matter.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import shutil
import signal
import subprocess

import pytest
import run_directory  # Before whatever asks where rings are.
from helpers import MIB, PATIENCE, ROOT, SHM, file_of, new_name
from hypothesis import settings

import ipc0cp

# Failing examples are printed in a form that can be run again.
settings.register_profile("ipc0cp", deadline=None, print_blob=True, max_examples=150)
settings.load_profile("ipc0cp")


@pytest.fixture
def ring_name():
    """A name for a ring; the test must have removed the ring by its end."""
    name = new_name()
    yield name
    gc.collect()
    leftovers = [path for path in SHM.glob("ipc0cp.*") if name in path.name]
    file_of(name).unlink(missing_ok=True)
    assert not leftovers, f"the test has left {leftovers}"


@pytest.fixture
def ring(ring_name):
    """A producer and a consumer of one ring of 4 MiB."""
    with (
        ipc0cp.SharedRingBufferConsumer(ring_name, 4 * MIB) as consumer,
        ipc0cp.SharedRingBufferProducer(ring_name, 4 * MIB) as producer,
    ):
        yield producer, consumer


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def context(request):
    """multiprocessing with each of its ways to start children."""
    return multiprocessing.get_context(request.param)


@pytest.fixture
def start(context):
    """Starts children that are gone when the test ends."""
    processes = []

    def make(target, *arguments):
        processes.append(context.Process(target=target, args=arguments, daemon=True))
        processes[-1].start()
        return processes[-1]

    yield make
    for process in processes:
        process.kill()
        process.join(PATIENCE)


@pytest.fixture(scope="session")
def messages(tmp_path_factory):
    """The module flatbuffer_messages, over the classes flatc makes of messages.fbs."""
    pytest.importorskip("flatbuffers", reason="needs the extra [flatbuffers]")
    if shutil.which("flatc") is None:
        pytest.skip("needs flatc, Debian's flatbuffers-compiler")
    generated = tmp_path_factory.mktemp("generated")
    source = ROOT / "tests" / "flatbuffers" / "messages.fbs"
    subprocess.run(["flatc", "--python", "-o", generated, source], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(generated)
        yield importlib.import_module("flatbuffer_messages")


@pytest.fixture(autouse=True, scope="session")
def _no_leftovers_of_this_run():
    yield
    gc.collect()
    # Names carry our process number, so that runs side by side do not blame one another.
    left = [*SHM.glob(f"ipc0cp.test-{os.getpid()}-*"), *SHM.glob(f"ipc0cp.queue-{os.getpid()}-*")]
    assert not left, f"the run has left {left}"
    run_directory.remove()


def pytest_sessionstart() -> None:
    # A shell ignores SIGINT for what it runs in the background, and children inherit that; the
    # tests that send it need the default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
