"""Draws distinct architectures from a distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from efficient_nas.checks import integer
from efficient_nas.spaces import Space
from efficient_nas.spaces.space import Genotypes
from efficient_nas.types import Genotype, derive_seed

ROUNDS = 40
ROUND_SIZE = 1024
Draw = Callable[[int, float, np.random.Generator], Genotypes]
"""Genotypes [size, num_choices] for (size, flatness, generator); flatness 1 is the distribution itself."""


def distinct_rows(space: Space, first: Genotype, n: int, seed: int, draw: Draw) -> Genotypes:
    """`first` and n - 1 more rows that are distinct architectures, in the order in which they were drawn.

    A larger n gives the same rows and more. Each round of draws is flatter than the one before; ValueError
    if there are not as many after all of them.
    """
    integer("sample: n", n)
    rows = first[None]
    for index in range(ROUNDS):
        if len(rows) >= n:
            break
        generator = np.random.Generator(np.random.Philox(derive_seed(seed, "sample", index)))
        rows = np.concatenate([rows, draw(ROUND_SIZE, 1.25**index, generator)])
        rows = rows[space.deduplicate(rows)]
    if len(rows) < n:
        raise ValueError(f"sample: n must be at most the {len(rows)} architectures that were found, got {n}")
    return rows[:n]


def ranked(
    log_probabilities: npt.NDArray[np.float64], n: int, draw: np.random.Generator
) -> npt.NDArray[np.float64]:
    """n times [...] log-probabilities with Gumbel noise, whose order is that of draws without replacement.

    Their argmax is one draw, the two largest are two (the Gumbel-max trick). Probabilities need not sum
    to 1, and may lie far apart.
    """
    noise: npt.NDArray[np.float64] = draw.gumbel(size=(n, *log_probabilities.shape))
    return log_probabilities + noise
