"""The non-dominated results of a growing set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas.types import Result


class Front:
    """The results that no other one dominates, in the order of their arrival; equal ones all stay.

    Constrained domination: less violation, or equal violation and Pareto dominance (Deb et al. 2002, VI).
    genotypes uint8 [n, num_choices], values float64 [n, m], violations float64 [n];
    expanded bool [n] is for the user of the front and False for new members.
    """

    def __init__(self, num_choices: int) -> None:
        self.genotypes: npt.NDArray[np.uint8] = np.zeros((0, num_choices), np.uint8)
        self.values: npt.NDArray[np.float64] = np.zeros((0, 0))
        self.violations: npt.NDArray[np.float64] = np.zeros(0)
        self.expanded: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)

    def add(self, result: Result) -> None:
        """Adds `result` where nothing dominates it; drops what it dominates."""
        values = np.array([result.values])
        if len(self.violations) == 0:
            self.values = np.zeros((0, values.shape[1]))
        same = self.violations == result.violation
        no_worse = (self.values <= values).all(axis=1)
        no_better = (self.values >= values).all(axis=1)
        if ((self.violations < result.violation) | (same & no_worse & ~no_better)).any():
            return
        keep = ~((self.violations > result.violation) | (same & no_better & ~no_worse))
        self.genotypes = np.concatenate([self.genotypes[keep], result.genotype[None]])
        self.values = np.concatenate([self.values[keep], values])
        self.violations = np.append(self.violations[keep], result.violation)
        self.expanded = np.append(self.expanded[keep], False)

    def state_dict(self) -> dict[str, Any]:
        names = ("genotypes", "values", "violations", "expanded")
        return {name: getattr(self, name).copy() for name in names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.genotypes = np.array(state["genotypes"], np.uint8).reshape(-1, self.genotypes.shape[1])
        n = len(self.genotypes)
        self.values = np.array(state["values"], np.float64).reshape(n, -1) if n else np.zeros((0, 0))
        self.violations = np.array(state["violations"], np.float64)
        self.expanded = np.array(state["expanded"], np.bool_)
