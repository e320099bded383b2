"""One measured table for the tests of this folder."""

from __future__ import annotations

from typing import Any

import pytest

from efficient_nas.devices import OperatorTable
from efficient_nas.spaces import Candidate, Space
from networks import space

SHAPE = (3, 16, 16)


@pytest.fixture(scope="session")
def test_space() -> Space:
    return space()


@pytest.fixture(scope="session")
def candidates(test_space: Space) -> list[Candidate]:
    """Every architecture of the space."""
    return [Candidate(test_space, row, SHAPE, 10) for row in test_space.enumerate()]


@pytest.fixture(scope="session")
def measured(test_space: Space) -> tuple[OperatorTable, list[Any]]:
    """A table of the space, and the calls of its progress callback."""
    calls: list[Any] = []
    table = OperatorTable.for_space(
        test_space, SHAPE, 10, seconds=2.0, progress=lambda done, total: calls.append((done, total))
    )
    return table, calls
