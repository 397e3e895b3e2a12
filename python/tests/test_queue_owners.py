# SPDX-License-Identifier: Apache-2.0
"""Owners that use their queue to the last: the outcome is that of multiprocessing.Queue."""

from __future__ import annotations

import pytest
import queue_workers as workers
from helpers import SHM, run_file, run_python

import ipc0cp

PATIENCE = workers.PATIENCE
ORDERS = ["ipc0cp, multiprocessing.util", "multiprocessing.util, ipc0cp"]


def leftovers(name: str) -> list:
    return list(SHM.glob(f"ipc0cp.{name}"))


# ---- daemon threads at the end -------------------------------------------------------------------

WAITING = """
import {order}, threading
queue = ipc0cp.Queue(1)
print(queue.name, flush=True)
queue.put(0) if {method!r} != "get" else None
begun = threading.Event()
def wait():
    begun.set()
    while True:
        {{"put": lambda: queue.put(1), "get": queue.get, "join": queue.join}}[{method!r}]()
threading.Thread(target=wait, daemon=True).start()
begun.wait()
"""


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("method", ["get", "put", "join"])
def test_a_daemon_thread_that_waits_is_silent(order, method):
    result = run_python(WAITING.format(order=order, method=method))
    assert (result.returncode, result.stderr) == (0, "")
    assert not leftovers(result.stdout.strip())


LISTENER = """
import logging, logging.handlers, sys, ipc0cp
queue = ipc0cp.Queue(pickle=True)
handler = logging.StreamHandler(sys.stdout)
handler.emit_before, told = handler.emit, __import__("threading").Event()
handler.emit = lambda record: (handler.emit_before(record), told.set())
logging.handlers.QueueListener(queue, handler).start()
logging.getLogger().addHandler(logging.handlers.QueueHandler(queue))
logging.getLogger().warning("hello")
told.wait(30)
"""


def test_a_listener_that_is_never_stopped_is_silent():
    result = run_python(LISTENER)
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello\n", "")


# ---- owners that tell their workers at the end ---------------------------------------------------

OWNER = """
import {order}
import atexit, gc, multiprocessing as mp, sys
def work(queue):
    while queue.get() is not None: pass
class Owner:
    def __init__(self):
        self.queue = ipc0cp.Queue()
        print(self.queue.name, flush=True)
        self.process = mp.get_context(sys.argv[1]).Process(
            target=work, args=(self.queue,), daemon={daemon})
        self.process.start()
        self.cycle = self
    def stop(self):
        self.queue.put(None)
        self.process.join(30)
        print(self.process.exitcode, flush=True)
    {method}
if __name__ == "__main__":
    owner = Owner()
    {ending}
"""
ENDINGS = {
    "cycle": ("__del__ = stop", "del owner; gc.collect()"),
    "cycle at exit": ("__del__ = stop", "pass"),
    "hook": ("", "atexit.register(owner.stop)"),
    "finalizer": ("", "multiprocessing.util.Finalize(owner, owner.stop, exitpriority=15)"),
    "late finalizer": ("", "multiprocessing.util.Finalize(owner, owner.stop, exitpriority=-50)"),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_an_owner_stops_its_worker_at_its_end(tmp_path, order, method, ending):
    """In a cycle, weakref callbacks run before `__del__`; at exit, priorities decide."""
    stop, last = ENDINGS[ending]
    program = tmp_path / "program.py"
    program.write_text(OWNER.format(order=order, method=stop, ending=last, daemon=True))
    result = run_file(program, method)
    assert (result.returncode, result.stderr) == (0, "")
    name, exit_code = result.stdout.split()
    # Late ones come when multiprocessing has terminated its daemons.
    assert exit_code in (["-15"] if ending in ("cycle at exit", "late finalizer") else ["0"])
    assert not leftovers(name)


TERMINATED = """
import multiprocessing as mp, sys, ipc0cp
def work(queue, told):
    told.put(1)
    queue.get()
if __name__ == "__main__":
    context = mp.get_context(sys.argv[1])
    queue, told = ipc0cp.Queue(), ipc0cp.Queue()
    print(queue.name, flush=True)
    process = context.Process(target=work, args=(queue, told), daemon=True)
    process.start()
    told.get()
    if sys.argv[2] == "closed": queue.close()
    if sys.argv[2] == "deleted": del queue
    if sys.argv[3] == "terminated":
        process.terminate()
        process.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("parent", ["closed", "deleted", "open"])
@pytest.mark.parametrize("when", ["terminated", "at exit"])
def test_nothing_stays_when_workers_are_terminated(tmp_path, method, parent, when):
    program = tmp_path / "program.py"
    program.write_text(TERMINATED)
    result = run_file(program, method, parent, when)
    assert (result.returncode, result.stderr) == (0, "")
    assert not leftovers(result.stdout.strip())


# ---- subclasses ----------------------------------------------------------------------------------


class Tagged(ipc0cp.Queue):
    def __init__(self, tag, **options):
        super().__init__(**options)
        self.tag = tag


class Slotted(ipc0cp.Queue):
    __slots__ = ("tag",)

    def __init__(self, tag):
        super().__init__()
        self.tag = tag


class WithState(Tagged):
    """The way multiprocessing.JoinableQueue extends Queue."""

    def __getstate__(self):
        return super().__getstate__(), self.tag

    def __setstate__(self, state):
        super().__setstate__(state[0])
        self.tag = state[1]


def answer(queue, results):
    results.put((type(queue).__name__, queue.tag, queue.get(timeout=PATIENCE)))


@pytest.mark.parametrize("kind", [Tagged, Slotted, WithState])
def test_a_subclass_keeps_its_attributes(start, kind):
    queue = kind("the tag")
    with ipc0cp.Queue() as results:
        process = start(answer, queue, results)
        queue.put(7)
        assert results.get(timeout=PATIENCE) == (kind.__name__, "the tag", 7)
        process.join(PATIENCE)
    queue.close()
