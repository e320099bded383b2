"""Fixtures and settings that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets: $EFFICIENT_NAS_DATA, or `shared/data` beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EFFICIENT_NAS_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data: set EFFICIENT_NAS_DATA, or put it at {folder}")
    return folder
