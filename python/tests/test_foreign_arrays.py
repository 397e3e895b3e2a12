# SPDX-License-Identifier: Apache-2.0
"""Arrays whose types come from other packages: torch and ml_dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import encode, round_trip, same

import ipc0cp
from ipc0cp._codec import dtypes


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    for shared in (tensor, tensor.T, tensor[:, 1], tensor.sum()):
        assert same(round_trip(shared), np.array(shared.numpy(), order="K"))
        assert same(round_trip([shared]), [np.array(shared.numpy(), order="K")])


@pytest.mark.parametrize("kind", ["bfloat16", "requires_grad_", "to_sparse", "meta"])
def test_torch_tensors_without_memory_that_numpy_can_share(kind):
    torch = pytest.importorskip("torch")
    tensor = torch.ones(2, 3)
    with pytest.raises(ipc0cp.UnsupportedType, match=r"Tensor.*detached copy on the CPU"):
        encode(tensor.to("meta") if kind == "meta" else getattr(tensor, kind)())


@pytest.mark.parametrize("name", sorted(dtypes.ML_DTYPES))
def test_ml_dtypes(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    if not hasattr(ml_dtypes, name):
        pytest.skip("this ml_dtypes is too old")
    kind = getattr(ml_dtypes, name)
    array = np.arange(2).astype(kind)
    assert same(round_trip(array), array)
    assert same(round_trip(array[::-1]), array[::-1].copy())
    scalar = kind(1)
    back = round_trip(scalar)
    assert type(back) is kind
    assert back == scalar
