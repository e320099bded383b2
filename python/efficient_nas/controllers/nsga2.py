"""Multi-objective evolution by non-dominated sorting and crowding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.known import KnownArchitectures
from efficient_nas.controllers.options import check_float, check_int
from efficient_nas.controllers.population import Population
from efficient_nas.protocols import SearchSpace
from efficient_nas.types import Genotype, Result

_CHILDREN = 4  # children of one couple drawn at a time, until one is new
_ATTEMPTS = 8


class NSGA2(Controller):
    """Crosses and mutates winners of binary tournaments; the worst member by front and crowding leaves.

    population_size: members, the first ones random. crossover_probability: how often a child has two
        parents; every child is mutated in one choice.

    Deb et al. 2002, with its constrained domination. Departures: steady state, i.e. every result enters
    selection at once instead of a generation at a time, which suits few evaluations and open proposals
    (Durillo et al. 2009); an architecture is never proposed twice (later attempts mutate more choices);
    failed trials never join. A new stage keeps the population.
    """

    name = "nsga2"

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        population_size: int = 10,
        crossover_probability: float = 0.5,
    ) -> None:
        super().__init__(space, seed)
        self.population_size = check_int(f"{self.name}: population_size", population_size, 2)
        self.crossover_probability = check_float(
            f"{self.name}: crossover_probability", crossover_probability, 0, 1
        )
        self._population = Population(self.population_size + 1, space.num_choices)

    def options(self) -> dict[str, Any]:
        return {
            "population_size": self.population_size,
            "crossover_probability": self.crossover_probability,
        }

    def propose(self, draws: Draws, known: KnownArchitectures) -> tuple[Genotype, str]:
        if len(self._population) < self.population_size:
            return known.sample_new(draws), "random"
        for attempt in range(_ATTEMPTS):
            children = self._parents(draws)
            crossed = draws.uniforms(1)[0] < self.crossover_probability
            if crossed:
                children = self.space.crossover(children, self._parents(draws), draws.seed())
            child = known.first_new(self.space.mutate(children, draws.seed(), 1 + attempt // 2))
            if child is not None:
                return child, "crossover" if crossed else "mutation"
        return known.sample_new(draws), "random"

    def learn(self, result: Result, own: bool) -> None:
        if result.failed:
            return
        population = self._population
        population.put(len(population), result)
        if population.full:
            population.reorder(np.flatnonzero(population.ranks() < self.population_size))

    def rule_state(self) -> dict[str, Any]:
        return {"population": self._population.state_dict()}

    def load_rule_state(self, state: Mapping[str, Any]) -> None:
        self._population.load_state_dict(state["population"])

    def _parents(self, draws: Draws) -> npt.NDArray[np.uint8]:
        """One winner, _CHILDREN times."""
        winner = self._population.genotype(self._population.tournament(2, draws))
        return np.repeat(winner[None], _CHILDREN, axis=0)
