"""Multi-objective evolution by non-dominated sorting and crowding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.known import KnownArchitectures
from efficient_nas.controllers.options import check_float, check_int
from efficient_nas.controllers.population import ATTEMPTS, Population
from efficient_nas.protocols import SearchSpace
from efficient_nas.types import Genotype, Result


class NSGA2(Controller):
    """Crosses and mutates winners of binary tournaments; the worst member by front and crowding leaves.

    population_size: members, the first ones random. crossover_probability: how often a child has two
        parents; every child is mutated in one choice.

    Deb et al. 2002, with its constrained domination. Departures: steady state, i.e. every result enters
    selection at once instead of a generation at a time, which suits few evaluations and open proposals
    (Durillo et al. 2009); an architecture is never proposed twice (tournaments go on until a child is new,
    later ones mutate more choices); failed trials never join. A new stage keeps the population.
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
            return known.claim_sample(draws), "random"
        for children, mutations in ATTEMPTS:
            crossed = draws.uniform() < self.crossover_probability
            parents = self._population.tournaments(children, 2, draws)
            if crossed:
                others = self._population.tournaments(children, 2, draws)
                parents = self.space.crossover(parents, others, draws.seed())
            child = known.claim(self.space.mutate(parents, draws.seed(), mutations))
            if child is not None:
                return child, "crossover" if crossed else "mutation"
        return known.claim_sample(draws), "random"

    def learn(self, result: Result, own: bool) -> None:
        if result.failed:
            return
        self._population.put(len(self._population), result)
        if self._population.full:
            self._population.drop_worst()

    def rule_state(self) -> dict[str, Any]:
        return {"population": self._population.state_dict()}

    def load_rule_state(self, state: Mapping[str, Any]) -> None:
        self._population.load_state_dict(state["population"])
