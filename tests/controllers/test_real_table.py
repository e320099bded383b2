"""On real accuracies of NAS-Bench-201 (12 epochs, CIFAR-10 validation), learning beats chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from efficient_nas import controllers, spaces
from efficient_nas.evaluators import Tabular
from efficient_nas.types import Result

BUDGET, SEEDS = 100, 8


@pytest.fixture(scope="module")
def table(data_dir: Path) -> Tabular:
    path = data_dir / "nasbench201_accuracy" / "mini_nasbench201_12epochs.csv.gz"
    if not path.is_file():
        pytest.skip(f"no table at {path}")
    space = spaces.create("nasbench201")
    return Tabular(path, space, "cifar10-val", {"architecture": "cellstr"}, scale=0.01)


def best_found(name: str, table: Tabular) -> list[float]:
    """The best accuracy after BUDGET trials, for each seed."""
    accuracy = dict(zip(map(bytes, table.genotypes), table.values().tolist(), strict=True))
    best = []
    for seed in range(SEEDS):
        controller = controllers.create(name, table.space, seed)
        seen = []
        for _ in range(BUDGET):
            (p,) = controller.ask(1)
            seen.append(accuracy[p.genotype.tobytes()])
            controller.tell([Result(p.trial, p.genotype, p.origin, (-seen[-1],))])
        best.append(max(seen))
    return best


def test_search_beats_random_search(table: Tabular) -> None:
    random = best_found("random", table)
    for name in ("regularized_evolution", "hybrid", "local_search"):
        found = best_found(name, table)
        assert np.mean(found) > np.mean(random) + 2 * np.std(random) / np.sqrt(SEEDS)
        assert np.min(found) > np.mean(random)
