"""Hill climbing over neighbours; with several objectives, Pareto local search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.front import Front, Member
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
        self._run = Front()
        self._best = Front()

    def options(self) -> dict[str, Any]:
        return {"initial_size": self.initial_size}

    def propose(self, draws: Draws, known: KnownArchitectures) -> tuple[Genotype, str]:
        if self._told < self.initial_size:
            return known.sample_new(draws), "random"
        candidates = [m for m in self._run if not m.expanded]
        while candidates:
            member = candidates.pop(draws.below(len(candidates)))
            found = self._new_neighbour(member, draws, known)
            if found is not None:
                return found, "neighbour"
            # All its neighbours are known, and stay so until a stage opens.
            member.expanded = True
        self._run = Front()
        return known.sample_new(draws), "restart"

    def learn(self, result: Result, own: bool) -> None:
        self._told += 1
        if not result.failed:
            self._run.add(result)
            self._best.add(result)

    def open_rule(self, space: SearchSpace) -> None:
        self._run = self._best.copy()
        for member in self._run:
            member.expanded = False

    def rule_state(self) -> dict[str, Any]:
        return {"told": self._told, "run": self._run.state_dict(), "best": self._best.state_dict()}

    def load_rule_state(self, state: Mapping[str, Any]) -> None:
        self._told = int(state["told"])
        self._run.load_state_dict(state["run"])
        self._best.load_state_dict(state["best"])

    def _new_neighbour(self, member: Member, draws: Draws, known: KnownArchitectures) -> Genotype | None:
        neighbours = self.space.neighbours(member.genotype)
        order = np.argsort(draws.words(len(neighbours)), kind="stable")
        return known.first_new(neighbours[order])
