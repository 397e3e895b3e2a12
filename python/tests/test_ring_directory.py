# SPDX-License-Identifier: Apache-2.0
"""IPC0CP_DIRECTORY: where rings live, what is refused, and what the errors say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers import MIB, SHM, file_of, run_python

import ipc0cp

OPEN = """
import os, sys, ipc0cp
try:
    with ipc0cp.SharedRingBufferProducer(sys.argv[1], 1 << 20) as producer:
        with ipc0cp.SharedRingBufferConsumer(sys.argv[1]) as consumer:
            producer.push(b"message")
            assert consumer.pop(10) == b"message"
            print(os.listdir(os.environ["IPC0CP_DIRECTORY"]))
except ipc0cp.Error as error:
    print(type(error).__name__, error.errno, error)
"""


def open_in(directory: object, name: str, source: str = OPEN, **environment: str) -> str:
    environment = {**os.environ, "IPC0CP_DIRECTORY": str(directory), **environment}
    finished = run_python(source, name, env=environment)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture
def memory():
    """A directory on a tmpfs."""
    path = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="ipc0cp-directory-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def disk(tmp_path):
    found = subprocess.run(
        ["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True).stdout.strip()
    if found in ("tmpfs", "ramfs"):
        pytest.skip("the temporary directory is in memory")
    return tmp_path


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_rings_live_there(ring_name, memory, ending):
    assert open_in(f"{memory}{ending}", ring_name) == f"['ipc0cp.{ring_name}']\n"
    assert not list(memory.iterdir())
    assert not file_of(ring_name).exists()


def test_an_empty_value_means_the_default(ring_name):
    source = OPEN.replace('os.environ["IPC0CP_DIRECTORY"]', '"/dev/shm"')
    assert f"ipc0cp.{ring_name}" in open_in("", ring_name, source)


def test_this_run_has_a_directory_of_its_own(ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, MIB):
        assert (SHM / f"ipc0cp.{ring_name}").exists()
        assert not Path("/dev/shm", f"ipc0cp.{ring_name}").exists()


def test_a_disk_is_refused_by_name_unless_allowed(ring_name, disk):
    text = open_in(disk, ring_name)
    assert text.startswith("SystemFailure 22"), text
    for word in (f"IPC0CP_DIRECTORY={disk}", "not memory", "IPC0CP_ALLOW_DISK=1", "tmpfs"):
        assert word in text
    assert open_in(disk, ring_name, IPC0CP_ALLOW_DISK="1") == f"['ipc0cp.{ring_name}']\n"


@pytest.mark.parametrize("given, errno, words", [
    ("/dev/shm/no-such-directory", 2, "/dev/shm/no-such-directory does not exist"),
    (sys.executable, 20, "is not a directory"),
    ("relative", 22, "is not an absolute path"),
])
def test_what_is_no_directory_is_named(ring_name, given, errno, words):
    text = open_in(given, ring_name)
    assert text.startswith(f"SystemFailure {errno}"), text
    assert words in text


AS_NOBODY = """
import os
os.setuid(65534)
""" + OPEN


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_directory_that_may_not_be_written(ring_name, memory):
    memory.chmod(0o755)
    text = open_in(memory, ring_name, "import ipc0cp._core\n" + AS_NOBODY)
    assert text.startswith("PermissionDenied 13"), text
    for word in (str(memory), "chmod 1777", "IPC0CP_DIRECTORY"):
        assert word in text


def in_a_mount_namespace(script: str, name: str, **environment: str) -> str:
    command = ["unshare", "-m", "sh", "-c", f'{script} && exec "$@"', "sh", sys.executable, "-c"]
    result = subprocess.run(
        [*command, "import ipc0cp\n" + OPEN, name], capture_output=True, text=True, timeout=60,
        env={**os.environ, **environment})
    if "unshare:" in result.stderr or "mount:" in result.stderr:
        pytest.skip(f"no mount namespace here: {result.stderr}")
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount namespace")
def test_a_missing_dev_shm_is_named_with_a_way_out(ring_name):
    text = in_a_mount_namespace("mount -t tmpfs tmpfs /dev && mknod /dev/urandom c 1 9",
                                ring_name, IPC0CP_DIRECTORY="")
    assert text.startswith("SystemFailure 2"), text
    for word in ("/dev/shm does not exist", "mount -t tmpfs", "IPC0CP_DIRECTORY"):
        assert word in text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount namespace")
def test_a_missing_proc_is_named_with_a_way_out(ring_name):
    text = in_a_mount_namespace("mount -t tmpfs tmpfs /proc", ring_name)
    assert text.startswith("SystemFailure 2"), text
    for word in ("there is no /proc", "mount -t proc proc /proc"):
        assert word in text
    assert not file_of(ring_name).exists()


RESERVE = """
import ipc0cp, logging, sys
ipc0cp.enable_logging()
logging.basicConfig(stream=sys.stdout)
try:
    ipc0cp.SharedRingBufferConsumer(sys.argv[1], 64 << 20).close()
    print("made")
    ipc0cp.SharedRingBufferProducer(sys.argv[1], 64 << 20, reserve=True)
except ipc0cp.NoSpace as error:
    print("NoSpace", error.errno, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount namespace")
def test_a_memory_limit_of_the_group_is_named(ring_name):
    """The kernel kills who goes beyond it; what is reserved at once is refused before."""
    group = "/sys/fs/cgroup/memory.max"
    script = (
        "mount -t tmpfs tmpfs /sys/fs/cgroup"
        f" && echo 33554432 > {group} && echo 1048576 > /sys/fs/cgroup/memory.current"
        " && echo 0 > /sys/fs/cgroup/memory.swap.max")
    command = ["unshare", "-m", "sh", "-c", f'{script} && exec "$@"', "sh", sys.executable, "-c"]
    result = subprocess.run(
        [*command, RESERVE, ring_name], capture_output=True, text=True, timeout=60)
    if "unshare:" in result.stderr or "mount:" in result.stderr:
        pytest.skip(f"no mount namespace here: {result.stderr}")
    assert result.returncode == 0, result.stderr
    warning, made, refused = result.stdout.splitlines()
    assert made == "made"
    assert refused.startswith("NoSpace 28"), refused
    for text in (warning, refused):
        for word in ("32505856 are left of the 33554432", group, "--memory"):
            assert word in text
