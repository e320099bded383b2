"""The largest and the smallest architecture of a space."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from efficient_nas.spaces.space import Genotypes, Space
from efficient_nas.types import Genotype

COSTS = ("macs", "params")


def extreme(space: Space, *, largest: bool) -> Genotype:
    """The genotype [num_choices] with the most (or fewest) multiply-accumulates, then parameters.

    Climbs from neighbour to neighbour until none is better. That finds the extreme where the better option of
    a choice does not depend on the others, as in chains of layers, widths, depths, kernels and expansions.
    """
    sign = 1 if largest else -1
    here = space.repair(np.zeros((1, space.num_choices), np.uint8), 0)
    best = _costs(space, here)[0] * sign
    while len(around := space.neighbours(here[0])):
        costs = _costs(space, around) * sign
        first = int(np.lexsort((costs[:, 1], costs[:, 0]))[-1])
        if tuple(costs[first]) <= tuple(best):
            break
        here, best = around[first : first + 1], costs[first]
    genotype: Genotype = here[0]
    return genotype


def _costs(space: Space, genotypes: Genotypes) -> npt.NDArray[np.int64]:
    """[n, 2]: macs and params of each row."""
    costs = space.costs(genotypes)
    return np.stack([costs[name] for name in COSTS], axis=1)
