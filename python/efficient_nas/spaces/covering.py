"""Genotypes that together show every operator of a space, found by building architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from efficient_nas.spaces.space import Space

EXACT_SIZE = 1024
ROUND = 128
QUIET_ROUNDS = 3  # rounds without a new operator before the search for more stops


def covering_genotypes(space: Space) -> npt.NDArray[np.uint8]:
    """Rows of the space, uint8 [m, num_choices], each with an operator that no earlier one has.

    A space of at most 1,024 genotypes is gone through completely. A larger one starts with the neighbours of
    one sample and continues with random samples until 3 rounds of 128 bring nothing new: an operator in one
    of 100 architectures is then missed with a chance of 2 %.
    """
    seen: set[object] = set()
    kept: list[npt.NDArray[np.uint8]] = []

    def add(rows: npt.NDArray[np.uint8]) -> bool:
        before = len(seen)
        for row in rows:
            operators = set(space.build(row).operators())
            if not operators <= seen:
                seen.update(operators)
                kept.append(row)
        return len(seen) > before

    if space.size <= EXACT_SIZE:
        add(space.enumerate(EXACT_SIZE))
        return np.array(kept)
    start = space.sample(1, 0)
    add(start)
    add(space.neighbours(start[0]))
    quiet = 0
    for seed in range(1, 1 + 64):
        quiet = 0 if add(space.sample(ROUND, seed)) else quiet + 1
        if quiet == QUIET_ROUNDS:
            break
    return np.array(kept)
