"""Spaces and objectives for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from efficient_nas.spaces import Choice, Space

Genotypes = npt.NDArray[np.uint8]
Evaluate = Callable[[Genotypes], npt.NDArray[np.float64]]


def plain_space(choices: int, options: int) -> Space:
    return Space([Choice(f"c{i}", range(options)) for i in range(choices)])


def tangled_space() -> Space:
    """Conditions and an ordered pair."""
    return Space(
        [
            Choice("depth", [1, 2, 3]),
            Choice("a", ["x", "y", "z"]),
            Choice("b", ["x", "y", "z"], when={"depth": [2, 3]}),
            Choice("from", [0, 1, 2, 3], when={"depth": [3]}),
            Choice("to", [0, 1, 2, 3], when={"depth": [3]}),
        ],
        ordered=[("from", "to")],
    )


def additive(space: Space, objectives: int, seed: int = 0) -> Evaluate:
    """Each option of each choice adds a random amount to each objective."""
    amounts = np.random.default_rng(seed).random(
        (space.num_choices, int(space.cardinalities.max()), objectives)
    )
    return lambda genotypes: amounts[np.arange(space.num_choices), genotypes].sum(axis=1)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    if draw(st.booleans()):
        return tangled_space()
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    return Space([Choice(f"c{i}", range(n)) for i, n in enumerate(sizes)])
