# SPDX-License-Identifier: Apache-2.0
"""The installed package in use: arrays from another process, and what was installed.

Run by a Python that has nothing but the wheel and what it depends on.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import uuid
from importlib import resources
from pathlib import Path

import numpy as np

import ipc0cp

FRAMES = 50
PRODUCE = """
import sys
import numpy as np
import ipc0cp
with ipc0cp.SharedRingBufferProducer(sys.argv[1], 4 << 20) as producer:
    for number in range(int(sys.argv[2])):
        assert producer.push(np.full((48, 64, 3), number, np.uint8), timeout=60)
    with producer.loan((2, 3), "<f8") as array:
        array[...] = 0.5
    producer.push({"text": "\N{SNOWMAN}", "parts": [np.arange(3), b"bytes"]})
"""


def check_exchange() -> None:
    name = f"smoke-{uuid.uuid4().hex}"
    consumer = ipc0cp.SharedRingBufferConsumer(name, 4 << 20)
    command = [sys.executable, "-I", "-c", PRODUCE, name, str(FRAMES)]
    with consumer, subprocess.Popen(command) as producer:
        for number in range(FRAMES):
            frame = consumer.pop(timeout=60)
            assert frame.shape == (48, 64, 3)
            assert (frame == number).all()
            assert not frame.flags.writeable
        assert consumer.pop(timeout=60).tolist() == [[0.5] * 3] * 2
        last = consumer.pop(timeout=60, copy=True)
        assert last["text"] == "\N{SNOWMAN}"
        assert last["parts"][1] == b"bytes"
        assert np.array_equal(last["parts"][0], [0, 1, 2])
        assert consumer.pop(timeout=60) is None
    assert producer.returncode == 0
    assert not Path(os.environ.get("IPC0CP_DIRECTORY", "/dev/shm"), f"ipc0cp.{name}").exists()


def check_installation() -> None:
    package = Path(ipc0cp.__file__).parent
    assert package.is_relative_to(sys.prefix), f"{package} is not the installed package"
    assert ipc0cp.__version__ == importlib.metadata.version("ipc0cp")
    for name in ("py.typed", "_core.pyi"):
        assert resources.files("ipc0cp").joinpath(name).is_file(), f"no {name}"


if __name__ == "__main__":
    check_installation()
    check_exchange()
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}: {FRAMES + 2} messages")
