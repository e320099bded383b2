"""The problem on which evolutions are timed: 28 genes of 8 options, two sums to be minimised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from efficient_nas import pareto
from efficient_nas.spaces import Choice, Space

GENES, OPTIONS, OBJECTIVES = 28, 8, 2
AMOUNTS = np.random.default_rng(0).random((GENES, OPTIONS, OBJECTIVES))
"""What each option of each gene adds to the objectives."""

_COLUMNS = np.arange(GENES)


def additive_space() -> Space:
    return Space([Choice(f"gene{i}", range(OPTIONS)) for i in range(GENES)])


def sums(genotypes: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Objectives [n, 2] of genotypes [n, 28]."""
    values: npt.NDArray[np.float64] = AMOUNTS[_COLUMNS, genotypes].sum(axis=1)
    return values


def reached(values: npt.NDArray[np.float64]) -> float:
    """Hypervolume of a population's values, measured from those of an average genotype."""
    return pareto.hypervolume(values, np.full(OBJECTIVES, 0.5 * GENES))
