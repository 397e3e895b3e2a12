# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the process tests."""

from __future__ import annotations

import pytest
from workers import CPP_WORKER, Team


@pytest.fixture
def team(tmp_path):
    """Makes teams of workers; none of their processes outlives the test."""
    assert CPP_WORKER.exists(), f"{CPP_WORKER} is missing: `make build`, or set IPC0CP_BUILD_DIR"
    teams: list[Team] = []

    def make(**common: object) -> Team:
        teams.append(Team(tmp_path, **common))
        return teams[-1]

    yield make
    for made in teams:
        made.end()
