"""Hill climbing over neighbours; with several objectives, Pareto local search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.front import Front
from efficient_nas.controllers.known import KnownArchitectures
from efficient_nas.controllers.options import check_int
from efficient_nas.protocols import SearchSpace
from efficient_nas.types import Genotype, Result


class LocalSearch(Controller):
    """Proposes neighbours of the best result of a run, in random order, and restarts at a local optimum.

    initial_size: random architectures before the first run, which starts from the best of them; later
        runs start from one.

    First-improvement local search as in White et al. 2021 (arXiv:2005.02960); a run's best is its
    non-dominated front and a random member with unknown neighbours is expanded next (Pareto local search,
    Paquete et al. 2004). Departures: known architectures are skipped; results of others join the
    current run. A new stage starts a run from the front of everything told so far, because its members
    have new neighbours then.
    """

    name = "local_search"

    def __init__(self, space: SearchSpace, seed: int, initial_size: int = 10) -> None:
        super().__init__(space, seed)
        self.initial_size = check_int(f"{self.name}: initial_size", initial_size, 1)
        self._told = 0
        self._run = Front(space.num_choices)
        self._best = Front(space.num_choices)

    def options(self) -> dict[str, Any]:
        return {"initial_size": self.initial_size}

    def propose(self, draws: Draws, known: KnownArchitectures) -> tuple[Genotype, str]:
        if self._told < self.initial_size:
            return known.claim_sample(draws), "random"
        candidates = np.flatnonzero(~self._run.expanded).tolist()
        while candidates:
            member = candidates.pop(draws.below(len(candidates)))
            neighbours = self.space.neighbours(self._run.genotypes[member])
            order = np.argsort(draws.words(len(neighbours)), kind="stable")
            found = known.claim(neighbours[order])
            if found is not None:
                return found, "neighbour"
            self._run.expanded[member] = True  # its neighbours stay known until a stage opens
        self._run = Front(self.space.num_choices)
        return known.claim_sample(draws), "restart"

    def learn(self, result: Result, own: bool) -> None:
        self._told += 1
        if not result.failed:
            self._run.add(result)
            self._best.add(result)

    def open_rule(self, space: SearchSpace) -> None:
        self._run.load_state_dict(self._best.state_dict())
        self._run.expanded[:] = False

    def rule_state(self) -> dict[str, Any]:
        return {"told": self._told, "run": self._run.state_dict(), "best": self._best.state_dict()}

    def load_rule_state(self, state: Mapping[str, Any]) -> None:
        self._told = int(state["told"])
        self._run.load_state_dict(state["run"])
        self._best.load_state_dict(state["best"])
