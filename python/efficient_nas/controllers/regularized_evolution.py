"""Aging evolution with tournament selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.known import KnownArchitectures
from efficient_nas.controllers.options import check_int
from efficient_nas.controllers.population import ATTEMPTS, Population
from efficient_nas.protocols import SearchSpace
from efficient_nas.types import Genotype, Result


class RegularizedEvolution(Controller):
    """Mutates the winner of a tournament; the oldest member dies, not the worst.

    population_size: how many of the latest results can be parents.
    sample_size: members drawn with replacement for a tournament.
    initial_size: random architectures before the first mutation, at most population_size.

    Real et al. 2019, algorithm 1 (arXiv:1802.01548). Departures: mutation begins before the population is
    full; an architecture is never proposed twice (tournaments go on until a mutant is new, later ones mutate
    more choices); several objectives and constraints are compared by `pareto.rank`;
    failed trials never join. A new stage begins with the whole population, its better half as the youngest.
    """

    name = "regularized_evolution"

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        population_size: int = 100,
        sample_size: int = 50,
        initial_size: int = 20,
    ) -> None:
        super().__init__(space, seed)
        self.population_size = check_int(f"{self.name}: population_size", population_size, 2)
        self.sample_size = check_int(f"{self.name}: sample_size", sample_size, 1)
        self.initial_size = check_int(f"{self.name}: initial_size", initial_size, 1, self.population_size)
        self._population = Population(self.population_size, space.num_choices)
        self._oldest = 0

    def options(self) -> dict[str, Any]:
        return {
            "population_size": self.population_size,
            "sample_size": self.sample_size,
            "initial_size": self.initial_size,
        }

    def propose(self, draws: Draws, known: KnownArchitectures) -> tuple[Genotype, str]:
        if len(self._population) < self.initial_size:
            return known.claim_sample(draws), "random"
        for children, mutations in ATTEMPTS:
            parents = self._population.tournaments(children, self.sample_size, draws)
            child = known.claim(self.space.mutate(parents, draws.seed(), mutations))
            if child is not None:
                return child, "mutation"
        return known.claim_sample(draws), "random"

    def learn(self, result: Result, own: bool) -> None:
        if result.failed:
            return
        if not self._population.full:
            self._population.put(len(self._population), result)
        else:
            self._population.put(self._oldest, result)
            self._oldest = (self._oldest + 1) % self.population_size

    def open_rule(self, space: SearchSpace) -> None:
        n = len(self._population)
        if n:
            better = np.zeros(n, np.bool_)
            better[self._population.order()[: n // 2]] = True
            by_age = (self._oldest + np.arange(n)) % n
            self._population.arrange(np.concatenate([by_age[~better[by_age]], by_age[better[by_age]]]))
        self._oldest = 0

    def rule_state(self) -> dict[str, Any]:
        return {"population": self._population.state_dict(), "oldest": self._oldest}

    def load_rule_state(self, state: Mapping[str, Any]) -> None:
        self._population.load_state_dict(state["population"])
        self._oldest = int(state["oldest"])
