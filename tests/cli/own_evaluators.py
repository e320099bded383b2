"""Evaluators that a config names, for searches in processes of their own."""

from __future__ import annotations

import time
from typing import Any

from efficient_nas.spaces import Choice, Space


def plain_space() -> Space:
    return Space([Choice(f"x{i}", [0, 1, 2, 3]) for i in range(6)], name="plain")


class Slow:
    """An accuracy from genotype and seed, after a while."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def evaluate(self, candidate: Any, seed: int) -> dict[str, float]:
        time.sleep(self.seconds)
        return {"accuracy": float(candidate.genotype.sum()) / 20 - (seed % 997) / 1e5}
