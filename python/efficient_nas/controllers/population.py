"""A bounded set of evaluated architectures in the order of their quality."""

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
        self._order: npt.NDArray[np.int64] | None = None

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
        self._order = None

    def drop_worst(self) -> None:
        """Frees the slot of the worst member; the member of the last slot moves there."""
        slot, last = int(self.order()[-1]), self._size - 1
        for array in (self._genotypes, self._values, self._violations):
            array[slot] = array[last]
        self._size = last
        self._order = None

    def arrange(self, slots: npt.NDArray[np.int64]) -> None:
        """Puts the members of `slots`, a permutation of those in use, into slots 0, 1, ..."""
        for array in (self._genotypes, self._values, self._violations):
            array[: self._size] = array[slots]
        self._order = None

    def order(self) -> npt.NDArray[np.int64]:
        """The slots from the best member to the worst by `pareto.rank`."""
        if self._order is None:
            self._order = order(self._values[: self._size], self._violations[: self._size])
        return self._order

    def tournaments(self, n: int, size: int, draws: Draws) -> npt.NDArray[np.uint8]:
        """The winners of n tournaments, uint8 [n, num_choices]: each the best of `size` members.

        Members are drawn with replacement, by their places in the order, of which the first wins.
        """
        places = draws.many_below(self._size, n * size).reshape(n, size).min(axis=1).view(np.int64)
        winners: npt.NDArray[np.uint8] = self._genotypes.take(self.order().take(places), axis=0)
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
        self._order = None


def order(values: npt.NDArray[np.float64], violations: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The rows from best to worst by `pareto.rank`, int64 [n].

    A single value needs no fronts: sorting alone takes 4 us for 100 rows instead of 33.
    """
    if values.shape[1] == 1:
        return np.lexsort((values[:, 0], violations))
    return pareto.rank(values, violations).argsort()  # np.argsort takes 1 us for 11 rows, this 0.3
