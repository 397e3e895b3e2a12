# SPDX-License-Identifier: Apache-2.0
"""Views handed to other libraries by DLPack say that they are read-only."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import numpy as np
import pytest
from helpers import PATIENCE, ROOT

READ_ONLY = 1
# DLManagedTensorVersioned begins with two uint32 of version, two pointers and the flags.
FLAGS_OFFSET = 24
NUMPY_SAYS_IT = np.lib.NumpyVersion(np.__version__) >= "2.1.0"

get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
get_pointer.restype = ctypes.c_void_p
get_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)


def flags_of(array: np.ndarray) -> int:
    capsule = array.__dlpack__(max_version=(1, 0))
    address = get_pointer(capsule, b"dltensor_versioned")
    return ctypes.c_uint64.from_address(address + FLAGS_OFFSET).value


@pytest.fixture(params=[False, True], ids=["view", "owned"])
def popped(request, ring):
    """An array, and whether it may be written."""
    producer, consumer = ring
    producer.push(np.ones((100, 100)))
    return consumer.pop(copy=request.param), request.param


@pytest.mark.skipif(not NUMPY_SAYS_IT, reason="NumPy 2.1 was the first to export the flag")
def test_the_flag(popped):
    array, writable = popped
    assert bool(flags_of(array) & READ_ONLY) is not writable
    assert bool(flags_of(array[1:].T) & READ_ONLY) is not writable


def test_a_consumer_that_cannot_be_told_is_refused(popped):
    array, writable = popped
    if writable:
        assert np.from_dlpack(array).flags.writeable is not None
        return
    with pytest.raises(BufferError, match=r"[Rr]ead-?only"):
        array.__dlpack__()


@pytest.mark.skipif(not NUMPY_SAYS_IT, reason="NumPy 2.1 was the first to export the flag")
def test_numpy_honours_it(popped):
    array, writable = popped
    assert np.from_dlpack(array).flags.writeable is writable


def test_the_example(ring_name):
    pytest.importorskip("torch")
    program = str(ROOT / "examples" / "python" / "tensors.py")
    with subprocess.Popen([sys.executable, program, "produce", ring_name]) as producer:
        result = subprocess.run(
            [sys.executable, program, "consume", ring_name],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert producer.wait(PATIENCE) == 0
    assert result.stdout.splitlines() == [
        "owned: 1.0",
        "copied: 1.0",
        "read: 1.0, writeable: False",
    ]
