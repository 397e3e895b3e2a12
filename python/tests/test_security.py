# SPDX-License-Identifier: Apache-2.0
"""What other users may put under a ring's name; tests/security has more of it, in C++."""

from __future__ import annotations

import os
import signal
import stat

import pytest
from helpers import MIB, SHM, file_of

import ipc0cp
from ipc0cp import SharedRingBufferConsumer as Consumer
from ipc0cp import SharedRingBufferProducer as Producer

NOBODY = 65534
SOMEBODY = 4242


def run_as(user: int, function) -> None:
    """Runs a function in a child, as another user if it is not ours; a failure of it is ours."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            if user != os.geteuid():
                os.setgid(user)
                os.setuid(user)
            function()
        except BaseException as error:
            os.write(2, f"as user {user}: {error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def users() -> list[int]:
    return [0, NOBODY] if os.geteuid() == 0 else [os.geteuid()]


@pytest.fixture
def precious(tmp_path):
    """A file elsewhere that everybody may write, and that nobody may write through us."""
    path = tmp_path / "precious"
    path.write_bytes(b"precious")
    path.chmod(0o666)
    yield path
    assert path.read_bytes() == b"precious"


PLANTS = {
    "text": lambda path, _: path.write_bytes(b"text"),
    "symlink": lambda path, precious: path.symlink_to(precious),
    "symlink_to_nothing": lambda path, precious: path.symlink_to(precious.with_name("absent")),
    "hard_link": lambda path, _: (path.write_bytes(b"text"), os.link(path, f"{path}.real")),
    "fifo": lambda path, _: os.mkfifo(path, 0o666),
    "directory": lambda path, _: path.mkdir(),
}


@pytest.mark.parametrize("by", ["ourselves", "somebody"])
@pytest.mark.parametrize("plant", PLANTS)
def test_planted(ring_name, precious, plant, by):
    if by == "somebody" and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    path = file_of(ring_name)
    PLANTS[plant](path, precious)
    if by == "somebody":
        os.chown(path, SOMEBODY, SOMEBODY, follow_symlinks=False)
    before = path.lstat()

    def expect_refused():
        for open_ring in (
            lambda: Producer(ring_name, MIB),
            lambda: Consumer(ring_name, MIB),
            lambda: Consumer(ring_name),
        ):
            with pytest.raises((ipc0cp.NotARing, ipc0cp.PermissionDenied), match=ring_name):
                open_ring()

    try:
        for user in users():
            run_as(user, expect_refused)
        after = path.lstat()
        assert (after.st_ino, after.st_size, after.st_mtime_ns, after.st_mode) == (
            before.st_ino, before.st_size, before.st_mtime_ns, before.st_mode)
        assert not precious.with_name("absent").exists()
    finally:
        path.rmdir() if plant == "directory" else path.unlink()
        path.with_name(f"{path.name}.real").unlink(missing_ok=True)


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
@pytest.mark.parametrize("mode", [None, 0o600, 0o640, 0o666])
def test_the_mode_is_what_was_asked_for(ring_name, mode, umask):
    before = os.umask(umask)
    try:
        producer = Producer(ring_name, MIB, **({} if mode is None else {"mode": mode}))
    finally:
        os.umask(before)
    with producer, Consumer(ring_name):
        assert stat.S_IMODE(file_of(ring_name).stat().st_mode) == (mode or 0o600)


@pytest.mark.parametrize("mode", [0, 0o400, 0o577, 0o1777, 0o4755, -1])
def test_modes_that_are_refused(ring_name, mode):
    with pytest.raises(ValueError, match="0o600"):
        Producer(ring_name, MIB, mode=mode)
    assert not file_of(ring_name).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_ring_is_private_unless_opened(ring_name):
    def expect_refused(**trust):
        with pytest.raises(PermissionError, match="mode="):
            Consumer(ring_name, **trust)

    def use():
        with Consumer(ring_name, auto_unlink=False, trusted_owners=[0]) as consumer:
            assert consumer.pop(10) == b"for everybody"

    with Producer(ring_name, MIB), Consumer(ring_name):
        run_as(NOBODY, expect_refused)
        run_as(NOBODY, lambda: expect_refused(trusted_owners=[0]))
    with Producer(ring_name, MIB, mode=0o666) as producer, Consumer(ring_name):
        producer.push(b"for everybody")
        run_as(NOBODY, use)


@pytest.mark.parametrize("name", ["..", "...", ".hidden", "-rf"])
def test_names_of_dots_stay_in_their_directory(ring_name, name):
    name = f"{name}{ring_name}"
    before = {path.name for path in SHM.iterdir()}
    with Consumer(name, MIB):
        assert file_of(name).is_file()
        made = {path.name for path in SHM.iterdir()} - before
        assert f"ipc0cp.{name}" in made
    assert not file_of(name).exists()
