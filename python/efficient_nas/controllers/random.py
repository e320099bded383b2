"""Uniform random search, the control arm of every claim."""

from __future__ import annotations

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.known import KnownArchitectures
from efficient_nas.types import Genotype, Result


class Random(Controller):
    """Uniform genotypes of the open space, without repeating an architecture; learns nothing."""

    name = "random"

    def propose(self, draws: Draws, known: KnownArchitectures) -> tuple[Genotype, str]:
        return known.claim_sample(draws), "random"

    def learn(self, result: Result, own: bool) -> None:
        pass
