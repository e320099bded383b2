"""What an evolution returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Everything evaluated, in its order.

    genotypes: uint8 [n, num_choices]. values: float64 [n, m], NaN where the evaluation failed.
    generations: int64 [n], 0 for the initial population, then one number for each batch of children.
    """

    genotypes: npt.NDArray[np.uint8]
    values: npt.NDArray[np.float64]
    generations: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class EvolutionResult:
    """The last population and the way there.

    population: uint8 [p, num_choices]. values: float64 [p, m] as `evaluate` returned them, NaN where it
    failed. fronts: int32 [p], 0 is best, failed members last.
    """

    population: npt.NDArray[np.uint8]
    values: npt.NDArray[np.float64]
    fronts: npt.NDArray[np.int32]
    history: History
