"""Which of the libraries that we are timed against are there."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

PEERS = ("pymoo", "pygmo", "deap", "optuna", "moocore", "evotorch")


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def left_out(packages: Sequence[str]) -> str:
    """A sentence that names the peers that are not installed; empty if none is missing."""
    missing = [package for package in packages if not installed(package)]
    return f"Not installed, and left out: {', '.join(missing)}." if missing else ""
