"""The non-dominated results of a growing set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from efficient_nas.types import Genotype, Result


class Member:
    """One result of a front. `expanded`: all of its neighbours are known."""

    __slots__ = ("expanded", "genotype", "values", "violation")

    def __init__(
        self, genotype: Genotype, values: tuple[float, ...], violation: float, expanded: bool = False
    ) -> None:
        self.genotype = genotype
        self.values = values
        self.violation = violation
        self.expanded = expanded

    def dominates(self, other: Member) -> bool:
        """Constrained domination: less violation, or equal violation and Pareto dominance (Deb 2002, VI)."""
        if self.violation != other.violation:
            return self.violation < other.violation
        pairs = list(zip(self.values, other.values, strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


class Front:
    """The results that no other one dominates, in the order of their arrival. Equal ones all stay."""

    def __init__(self) -> None:
        self._members: list[Member] = []

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def add(self, result: Result) -> None:
        """Adds `result` where nothing dominates it; drops what it dominates."""
        new = Member(result.genotype.copy(), result.values, result.violation)
        if any(member.dominates(new) for member in self._members):
            return
        self._members = [member for member in self._members if not new.dominates(member)]
        self._members.append(new)

    def copy(self) -> Front:
        front = Front()
        front._members = list(self._members)
        return front

    def state_dict(self) -> dict[str, Any]:
        return {
            "genotypes": np.array([m.genotype for m in self._members], np.uint8),
            "values": np.array([m.values for m in self._members], np.float64),
            "violations": np.array([m.violation for m in self._members], np.float64),
            "expanded": np.array([m.expanded for m in self._members], np.bool_),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        columns = (state[name] for name in ("genotypes", "values", "violations", "expanded"))
        self._members = [
            Member(np.array(genotype, np.uint8), tuple(map(float, values)), float(violation), bool(expanded))
            for genotype, values, violation, expanded in zip(*columns, strict=True)
        ]
