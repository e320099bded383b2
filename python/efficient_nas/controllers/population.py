"""A bounded set of evaluated architectures with their ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas import pareto
from efficient_nas.controllers.draws import Draws
from efficient_nas.types import Result

ATTEMPTS = ((4, 1), (16, 2), (64, 3))
"""How evolution looks for a child that is not known yet: (children drawn at once, mutations of each)."""


class Population:
    """Up to `capacity` results in slots 0, 1, ...; failed ones must not be added.

    genotypes uint8 [n, num_choices], values float64 [n, m], violations float64 [n].
    """

    def __init__(self, capacity: int, num_choices: int) -> None:
        self.capacity = capacity
        self._genotypes = np.zeros((capacity, num_choices), np.uint8)
        self._values = np.zeros((capacity, 0))
        self._violations = np.zeros(capacity)
        self._size = 0
        self._ranks: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self._size

    @property
    def full(self) -> bool:
        return self._size == self.capacity

    def put(self, slot: int, result: Result) -> None:
        """Stores `result` in `slot`, at most the number of those in use."""
        if self._values.shape[1] != len(result.values):
            self._values = np.zeros((self.capacity, len(result.values)))
        self._genotypes[slot] = result.genotype
        self._values[slot] = result.values
        self._violations[slot] = result.violation
        self._size = max(self._size, slot + 1)
        self._ranks = None

    def reorder(self, slots: npt.NDArray[np.int64]) -> None:
        """Keeps the members of `slots`, in that order."""
        n = len(slots)
        self._genotypes[:n] = self._genotypes[slots]
        self._values[:n] = self._values[slots]
        self._violations[:n] = self._violations[slots]
        self._size = n
        self._ranks = None

    def ranks(self) -> npt.NDArray[np.int64]:
        """The rank of every member by `pareto.rank`, 0 is best."""
        if self._ranks is None:
            self._ranks = rank(self._values[: self._size], self._violations[: self._size])
        return self._ranks

    def tournaments(self, n: int, size: int, draws: Draws) -> npt.NDArray[np.uint8]:
        """The winners of n tournaments, uint8 [n, num_choices]: each the best of `size` members.

        Members are drawn with replacement.
        """
        entrants = draws.many_below(self._size, n * size).reshape(n, size)
        first = self.ranks()[entrants].argmin(axis=1)
        winners: npt.NDArray[np.uint8] = self._genotypes[entrants[np.arange(n), first]]
        return winners

    def state_dict(self) -> dict[str, Any]:
        n = self._size
        return {
            "genotypes": self._genotypes[:n].copy(),
            "values": self._values[:n].copy(),
            "violations": self._violations[:n].copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        n = self._size = len(state["genotypes"])
        values = np.asarray(state["values"], np.float64).reshape(n, -1) if n else np.zeros((0, 0))
        self._values = np.zeros((self.capacity, values.shape[1]))
        self._genotypes[:n] = state["genotypes"]
        self._values[:n] = values
        self._violations[:n] = state["violations"]
        self._ranks = None


def rank(values: npt.NDArray[np.float64], violations: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """`pareto.rank`; a single value needs no fronts: sorting alone takes 4 us for 100 rows instead of 33."""
    if values.shape[1] != 1:
        return pareto.rank(values, violations)
    ranks = np.empty(len(values), np.int64)
    ranks[np.lexsort((values[:, 0], violations))] = np.arange(len(values))
    return ranks
