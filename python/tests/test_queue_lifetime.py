# SPDX-License-Identifier: Apache-2.0
"""The life of a queue: who leaves last removes it, whoever leaves, and however."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import numpy as np
import pytest
import queue_workers as workers
from helpers import Background, file_of, run_file, run_python
from queue_workers import PATIENCE, wait_until

import ipc0cp


def is_gone(name: str) -> bool:
    return not file_of(name).exists()


def end_well(process) -> None:
    process.join(PATIENCE)
    assert process.exitcode == 0


def kill(process) -> None:
    process.kill()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL


# ---- one process ---------------------------------------------------------------------------------


def test_close_removes_it_with_what_is_queued():
    queue = ipc0cp.Queue()
    queue.put(np.zeros(100_000))
    assert not is_gone(queue.name)
    queue.close()
    assert is_gone(queue.name)


def test_garbage_removes_it():
    queue = ipc0cp.Queue()
    queue.put("left")
    name = queue.name
    cycle = [queue]
    cycle.append(cycle)
    del queue, cycle
    gc.collect()
    assert is_gone(name)


def test_with_block_closes():
    with ipc0cp.Queue() as queue:
        pass
    assert queue.closed
    assert is_gone(queue.name)


def test_views_outlive_the_queue():
    queue = ipc0cp.Queue()
    array = np.arange(100_000)
    queue.put(array)
    view = queue.get(copy=False)
    assert not view.flags.writeable
    queue.close()
    assert is_gone(queue.name)
    assert np.array_equal(view, array)


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "sys.exit(3)",
        "1 / 0",
        "threading.Thread(target=queue.get, daemon=True).start()",
        "threading.Thread(target=lambda: queue.put(queue.get() + queue.get())).start();"
        " queue.put('x')",
        "kept = [queue]; kept.append(kept)",
    ],
)
@pytest.mark.parametrize("first", ["ipc0cp", "multiprocessing"])
def test_end_of_the_program_removes_it(ending, first):
    program = (
        f"import {first}, sys, threading, ipc0cp, multiprocessing.util\n"
        "queue = ipc0cp.Queue()\n"
        "print(queue.name, flush=True)\n"
        "queue.put('left')\n"
        f"{ending}\n"
    )
    result = run_python(program)
    assert result.returncode == {"sys.exit(3)": 3, "1 / 0": 1}.get(ending, 0), result.stderr
    assert ("Error" in result.stderr) == (ending == "1 / 0"), result.stderr
    assert is_gone(result.stdout.strip())


FORKED = """
import ipc0cp, os, sys
queue, told = ipc0cp.Queue(), ipc0cp.Queue()
queue.put("from the parent")
print(queue.name, told.name, flush=True)
child = os.fork()
if child == 0:
    assert told.get(timeout=30) == "the parent has closed it"
    assert queue.get(timeout=30) == "from the parent"
    sys.exit(0)
queue.close()
told.put("the parent has closed it")
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_child_is_last():
    result = run_python(FORKED)
    assert (result.returncode, result.stderr) == (0, "")
    assert all(is_gone(name) for name in result.stdout.split())


def test_nothing_stays_if_making_one_fails(monkeypatch):
    from ipc0cp._queue import share as queue_share

    names = []

    def fail(name):
        names.append(name)
        raise OSError("no keeper")

    monkeypatch.setattr(queue_share._core, "RingKeeper", fail)
    with pytest.raises(OSError, match="no keeper"):
        ipc0cp.Queue()
    assert [is_gone(name) for name in names] == [True]


# ---- parents that leave --------------------------------------------------------------------------


def test_parent_closes_before_its_children_have_begun(start):
    queue, results = ipc0cp.Queue(), ipc0cp.Queue()
    queue.put("from the parent")
    putting = start(workers.put_all, queue, ["from the child"])
    getting = start(workers.get_count, queue, 2, results)
    queue.close()
    assert sorted(results.get(timeout=PATIENCE)) == ["from the child", "from the parent"]
    end_well(putting)
    end_well(getting)
    assert is_gone(queue.name)
    results.close()


def test_child_lives_longer_than_its_parents_share(context, start):
    queue, results = ipc0cp.Queue(), ipc0cp.Queue()
    event = context.Event()
    queue.put("a")
    queue.put("b")
    process = start(workers.use_then_report, queue, results, event)
    name = queue.name
    del queue
    gc.collect()
    assert not is_gone(name), "the child has not used it yet, but it has been handed to it"
    event.set()
    assert results.get(timeout=PATIENCE) == ("a", 1)
    end_well(process)
    assert is_gone(name)
    results.close()


def test_children_that_never_use_it(context, start):
    queue = ipc0cp.Queue()
    event = context.Event()
    process = start(workers.put_when_told, queue, event, [])
    queue.close()
    assert not is_gone(queue.name)
    event.set()
    end_well(process)
    assert is_gone(queue.name)


PARENT = """
import {imports}
import os, signal, sys, time
def child(queue, results):
    results.put(queue.get(timeout=30))
    if sys.argv[2] == "daemon":
        queue.get()
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue, results = ipc0cp.Queue(), ipc0cp.Queue()
    queue.put("from the parent")
    is_daemon = sys.argv[2] == "daemon"
    process = context.Process(target=child, args=(queue, results), daemon=is_daemon)
    process.start()
    print(queue.name, results.name, process.pid, flush=True)
    if is_daemon:
        print(results.get(timeout=30), flush=True)
"""


@pytest.mark.parametrize("imports", ["ipc0cp, multiprocessing", "multiprocessing, ipc0cp"])
@pytest.mark.parametrize("kind", ["daemon", "waited for"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_parent_ends_while_its_child_is_at_work(tmp_path, imports, kind, method):
    """Daemons are terminated at the end of their parent, which then is the last."""
    program = tmp_path / "program.py"
    program.write_text(PARENT.format(imports=imports))
    result = run_file(program, method, kind)
    assert (result.returncode, result.stderr) == (0, "")
    queue_name, results_name = result.stdout.split()[:2]
    assert is_gone(queue_name)
    assert is_gone(results_name)


KILLED_PARENT = """
import multiprocessing, os, signal, sys, ipc0cp
from queue_workers import use_then_report
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue, results = ipc0cp.Queue(), ipc0cp.Queue()
    queue.put("a")
    event = context.Event()
    process = context.Process(target=use_then_report, args=(queue, results, event))
    process.start()
    child = os.fork()
    if child == 0:
        os.kill(os.getppid(), signal.SIGKILL)
        event.set()
        print(*results.get(timeout=30), queue.name, results.name, flush=True)
        queue.close()
        results.close()
        os._exit(0)
    signal.pause()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_parent_is_killed_before_its_child_has_begun(tmp_path, method, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(workers.__file__).parent))
    program = tmp_path / "program.py"
    program.write_text(KILLED_PARENT)
    result = run_file(program, method)
    assert result.returncode == -signal.SIGKILL
    item, left, *names = result.stdout.split()
    assert (item, left) == ("a", "0")
    wait_until(lambda: all(map(is_gone, names)), "the child to leave")


# ---- kills ---------------------------------------------------------------------------------------


def test_a_killed_getter_stops_nobody(context, start):
    """With multiprocessing a getter that dies in get() keeps the lock of all readers."""
    with ipc0cp.Queue() as queue:
        for _ in range(3):
            started = context.Event()
            process = start(workers.get_without_end, queue, started)
            queue.put("x")
            assert started.wait(PATIENCE)
            kill(process)
        wait_until(queue.empty, "nothing to be left")
        getting = Background(queue.get, timeout=PATIENCE)
        queue.put("y")
        assert getting.result() == "y"
    assert is_gone(queue.name)


def test_a_killed_putter_stops_nobody(context, start):
    with ipc0cp.Queue(50) as queue:
        processes = []
        for _ in range(3):
            started = context.Event()
            processes.append(start(workers.put_without_end, queue, started))
            queue.get(timeout=PATIENCE)
        for process in processes:
            kill(process)
        last = {}
        while not queue.empty():
            pid, number, data = queue.get_nowait()
            assert data == bytes(number % 3000)
            assert number == last.get(pid, number - 1) + 1, "in order, none twice, none left out"
            last[pid] = number
        queue.put("y")
        assert queue.get(timeout=PATIENCE) == "y"
    assert is_gone(queue.name)


def test_an_item_in_the_hands_of_a_killed_process_is_lost(context, start):
    with ipc0cp.Queue() as queue:
        taken = context.Event()
        queue.put(np.zeros(1_000_000))
        queue.put("next")
        process = start(workers.take_and_stop, queue, taken)
        assert taken.wait(PATIENCE)
        kill(process)
        assert queue.get(timeout=PATIENCE) == "next"
        wait_until(lambda: workers.stats_of(queue).used_bytes == 0, "its room to come back")
        assert workers.stats_of(queue).lost == 1
    assert is_gone(queue.name)


def test_if_all_are_killed_the_file_is_stale():
    program = (
        "import ipc0cp, os\n"
        "queue = ipc0cp.Queue()\n"
        "queue.put('left')\n"
        "print(queue.name, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    name = run_python(program).stdout.strip()
    assert not is_gone(name)
    # Nobody keeps it, so whoever comes next as a reader finds what was left, and cleans up.
    with ipc0cp.SharedRingBufferConsumer(name) as consumer:
        assert consumer.stats().repaired_deaths == 2
        assert consumer.pop() == "left"
    assert is_gone(name)


# ---- hands from outside --------------------------------------------------------------------------


def test_a_reader_that_comes_by_name_does_not_take_it_away():
    queue = ipc0cp.Queue()
    queue._share.writing().close()
    queue._share.reading().close()
    queue._share._ends.clear()  # As in a child that has not used it yet.
    ipc0cp.SharedRingBufferConsumer(queue.name).close()
    assert not is_gone(queue.name)
    queue.put(1)
    assert queue.get() == 1
    queue.close()
    assert is_gone(queue.name)


def test_removed_by_hand(context, start):
    with ipc0cp.Queue() as queue, ipc0cp.Queue() as results:
        event = context.Event()
        process = start(workers.use_then_report, queue, results, event)
        file_of(queue.name).unlink()
        event.set()
        process.join(PATIENCE)
        assert process.exitcode == 1, "get() raised, it did not wait for ever"
        queue.put(1)
        assert queue.get() == 1
