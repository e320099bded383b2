"""A bounded set of evaluated architectures with their ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas import pareto
from efficient_nas.controllers.draws import Draws
from efficient_nas.types import Genotype, Result


class Population:
    """Up to `capacity` results in slots 0, 1, ...; failed ones must not be added.

    genotypes uint8 [n, num_choices], values float64 [n, m], violations float64 [n].
    """

    def __init__(self, capacity: int, num_choices: int) -> None:
        self.capacity = capacity
        self._genotypes = np.zeros((capacity, num_choices), np.uint8)
        self._values = np.zeros((capacity, 0))
        self._violations = np.zeros(capacity)
        self._never_failed = np.zeros(capacity, np.bool_)
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

    def genotype(self, slot: int) -> Genotype:
        row: Genotype = self._genotypes[slot]
        return row

    def ranks(self) -> npt.NDArray[np.int64]:
        """The rank of every member by `pareto.rank`, 0 is best."""
        if self._ranks is None:
            n = self._size
            self._ranks = pareto.rank(self._values[:n], self._violations[:n], self._never_failed[:n])
        return self._ranks

    def tournament(self, size: int, draws: Draws) -> int:
        """The slot of the best of `size` members drawn with replacement."""
        entrants = draws.many_below(self._size, size)
        return int(entrants[self.ranks()[entrants].argmin()])

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
