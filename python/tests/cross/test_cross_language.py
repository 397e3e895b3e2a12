# SPDX-License-Identifier: Apache-2.0
"""Every type from each language to each, also by way of C++ that builds it anew.

The whole catalogue goes through each chain of processes once; what the last one found is looked at
by groups of types.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from catalogue import catalogue
from helpers import file_of, new_name
from test_vectors import GOOD, VECTORS, message_of, value_of

import ipc0cp

ROOT = Path(__file__).resolve().parents[3]
CPP_WORKER = Path(os.environ.get("IPC0CP_BUILD_DIR") or ROOT / "build") / "tests" / "object_worker"
PYTHON_WORKER = Path(__file__).with_name("object_worker.py")
RING_BYTES = 64 << 20
SECONDS = 60

GROUPS = list(dict.fromkeys(name.split("/")[0] for name in catalogue()))
CHAINS = ["py-py", "py-cpp", "cpp-py", "cpp-cpp"]
CHAINS += [
    f"{producer}-rebuild-{consumer}" for producer in ("py", "cpp") for consumer in ("py", "cpp")
]


def start(language: str, role: str, **options: object) -> subprocess.Popen:
    assert CPP_WORKER.exists(), f"{CPP_WORKER} is missing: `make build`, or set IPC0CP_BUILD_DIR"
    program = [str(CPP_WORKER)] if language == "cpp" else [sys.executable, str(PYTHON_WORKER)]
    arguments = [f"role={role}", *(f"{key}={value}" for key, value in options.items())]
    return subprocess.Popen([*program, *arguments], stderr=subprocess.PIPE, text=True)


def finish(*workers: subprocess.Popen) -> None:
    """Waits for the proper end of all; the last one pushes, so it tells first what went wrong."""
    try:
        for worker in reversed(workers):
            try:
                _, errors = worker.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"{worker.args} hangs") from None
            assert worker.returncode == 0, (
                f"{worker.args} ended with {worker.returncode}:\n{errors}"
            )
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def read_report(path: Path) -> dict[str, str]:
    """Name of each object -> what was wrong with it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines)


@functools.cache
def report_of(chain: str) -> dict[str, str] | str:
    """Runs the chain, once; a text if that failed."""
    producer, *_, consumer = chain.split("-")
    rings = [new_name(), new_name()]
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report"
        last = rings[1] if "rebuild" in chain else rings[0]
        workers = [start(consumer, "check", name=last, report=report)]
        if "rebuild" in chain:
            workers.append(start("cpp", "rebuild", name=rings[0], target=rings[1]))
        workers.append(start(producer, "produce", name=rings[0]))
        try:
            finish(*workers)
            return read_report(report)
        except AssertionError as error:
            return str(error)
        finally:
            for name in rings:
                file_of(name).unlink(missing_ok=True)


@pytest.mark.parametrize("group", [*GROUPS, "end"])
@pytest.mark.parametrize("chain", CHAINS)
def test_arrives_as_it_was(chain, group):
    report = report_of(chain)
    assert isinstance(report, dict), report
    assert list(report) == [*catalogue(), "end"]
    wrong = {
        name: problem for name, problem in report.items() if name.split("/")[0] == group and problem
    }
    assert not wrong


def vectors(group: str) -> list[dict]:
    all_vectors = json.loads((VECTORS / f"{group}.json").read_text(encoding="utf-8"))
    return [vector for vector in all_vectors if "python" in vector]


def push_vector(producer, vector) -> bool:
    # How a file is compressed is the choice of its writer, so those go as they are.
    if any(f'"encoding":"{name}"' in vector["metadata"] for name in ("png", "jpeg")):
        payload = bytes.fromhex(vector["payload_hex"])
        return producer.push_raw(vector["metadata"], payload, timeout=SECONDS)
    return producer.push(value_of(vector), timeout=SECONDS)


def test_cpp_reads_what_python_writes_for_the_golden_vectors(tmp_path, ring_name):
    report = tmp_path / "report"
    worker = start("cpp", "vectors", name=ring_name, report=report, groups=",".join(GOOD))
    with ipc0cp.SharedRingBufferProducer(ring_name, RING_BYTES) as producer:
        names = []
        for group in GOOD:
            for vector in vectors(group):
                assert push_vector(producer, vector)
                names.append(f"{group}/{vector['name']}")
    finish(worker)
    found = read_report(report)
    assert list(found) == [*names, "end"]
    assert not {name: problem for name, problem in found.items() if problem}


def test_python_reads_what_cpp_writes_for_the_golden_vectors():
    """C++ builds each anew as an owner; the very bytes of the vector come back."""
    source, target = new_name(), new_name()
    worker = start("cpp", "rebuild", name=source, target=target)
    expected = [message_of(vector) for group in GOOD for vector in vectors(group)]
    with ipc0cp.SharedRingBufferConsumer(target, RING_BYTES) as consumer:
        with ipc0cp.SharedRingBufferProducer(source, RING_BYTES) as producer:
            for metadata, payload in expected:
                assert producer.push_raw(metadata, payload, timeout=SECONDS)
        found = []
        while (message := consumer.pop_raw(timeout=SECONDS)) is not None:
            found.append((message.metadata_json, bytes(message.payload)))
    finish(worker)
    assert found == expected
