# SPDX-License-Identifier: Apache-2.0
"""The dtypes <f16 and <c32 are one format in messages and another one on some processors."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import decode, encode, round_trip, same

import ipc0cp
from ipc0cp._codec import arrays, dtypes


def test_long_double_of_another_processor_is_refused(monkeypatch):
    """Messages have the 80-bit format of x86; arm64 has another one under the same dtype."""
    message = encode(np.array([1, 2], np.longdouble))
    monkeypatch.setattr(dtypes, "_has_x87_long_double", lambda: False)
    dtypes._parse_simple.cache_clear()
    arrays._known_metadata.cache_clear()
    for value, advised in (
        (np.array([1, 2], np.longdouble), "<f8"),
        (np.array([1j], np.clongdouble), "<c16"),
    ):
        with pytest.raises(ipc0cp.UnsupportedType, match=rf"80-bit long .*astype\('{advised}'\)"):
            encode(value)
        assert same(round_trip(value.astype(advised)), value.astype(advised))
    with pytest.raises(ipc0cp.UnsupportedType, match="80-bit long double of x86"):
        decode(*message)
