# SPDX-License-Identifier: Apache-2.0
"""Arrays whose types come from other packages: torch and ml_dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import encode, round_trip, same

import ipc0cp
from ipc0cp import dtypes


@pytest.mark.parametrize("kind", ["PyTorch", "bfloat16", "gradients"])
def test_torch_tensors(kind):
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    if kind == "PyTorch":
        assert same(round_trip(tensor), tensor.numpy())
        assert same(round_trip([tensor.T]), [tensor.T.numpy()])
        return
    refused = tensor.bfloat16() if kind == "bfloat16" else tensor.requires_grad_()
    with pytest.raises(ipc0cp.UnsupportedType, match="Tensor"):
        encode(refused)


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
