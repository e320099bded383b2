"""Reinforcement learning, evolution and local search in one search."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.known import KnownArchitectures
from efficient_nas.controllers.local_search import LocalSearch
from efficient_nas.controllers.options import check_float
from efficient_nas.controllers.population import Population
from efficient_nas.controllers.regularized_evolution import RegularizedEvolution
from efficient_nas.controllers.reinforce import Reinforce
from efficient_nas.errors import nearest
from efficient_nas.protocols import SearchSpace
from efficient_nas.types import Genotype, Result, derive_seed

_INITIAL_SIZE = 10  # random architectures before evolution and local search start
_COMPARED = 1000  # how many of the latest results the top tenth is taken of


class Hybrid(Controller):
    """Several rules propose in turns, all learn from every result, and turns go to those that succeed.

    parts: which rules take part, of `evolution` (regularized evolution), `reinforce` and `local_search`.
    floor: the least share of turns of each part, at most 1 / number of parts.
    decay: factor on all credit at every result; 0.97 remembers about 33 results.

    A result is a success of its proposer when it lands in the top tenth of the results so far. A turn goes,
    with probability floor * number of parts, to any part alike, else to the largest of one draw from each
    part's Beta(1 + successes, 1 + failures) (Thompson sampling, Chapelle, Li 2011; decayed, because what
    succeeds changes during a search). The origin names the part, e.g. `hybrid/evolution`.
    A new stage is opened for every part; the credit stays.
    """

    name = "hybrid"

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        parts: Sequence[str] = ("evolution", "reinforce", "local_search"),
        floor: float = 0.1,
        decay: float = 0.97,
    ) -> None:
        super().__init__(space, seed)
        self._parts = {name: _create(name, space, self._key) for name in _check_parts(parts)}
        self.floor = check_float(f"{self.name}: floor", floor, 0, 1 / len(self._parts))
        self.decay = check_float(f"{self.name}: decay", decay, 0, 1)
        self._credit = {name: [0.0, 0.0] for name in self._parts}
        self._latest = Population(_COMPARED, space.num_choices)
        self._told = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts."""
        return tuple(self._parts)

    @property
    def credit(self) -> dict[str, tuple[float, float]]:
        """The decayed numbers of successes and failures of each part."""
        return {name: (successes, failures) for name, (successes, failures) in self._credit.items()}

    def options(self) -> dict[str, Any]:
        return {"parts": list(self._parts), "floor": self.floor, "decay": self.decay}

    def propose(self, draws: Draws, known: KnownArchitectures) -> tuple[Genotype, str]:
        name = self._turn(draws)
        genotype, _ = self._parts[name].propose(draws, known)
        return genotype, f"{self.name}/{name}"

    def learn(self, result: Result, own: bool) -> None:
        proposer = result.origin.removeprefix(f"{self.name}/") if own else None
        success = self._enters_top_tenth(result)
        for name, part in self._parts.items():
            credit = self._credit[name]
            credit[0] = self.decay * credit[0] + (name == proposer and success)
            credit[1] = self.decay * credit[1] + (name == proposer and not success)
            part.learn(result, name == proposer)

    def open_rule(self, space: SearchSpace) -> None:
        for part in self._parts.values():
            part.space = space
            part.open_rule(space)

    def rule_state(self) -> dict[str, Any]:
        return {
            "parts": {name: part.rule_state() for name, part in self._parts.items()},
            "credit": {name: list(credit) for name, credit in self._credit.items()},
            "latest": self._latest.state_dict(),
            "told": self._told,
        }

    def load_rule_state(self, state: Mapping[str, Any]) -> None:
        for name, part in self._parts.items():
            part.load_rule_state(state["parts"][name])
            self._credit[name] = [float(x) for x in state["credit"][name]]
        self._latest.load_state_dict(state["latest"])
        self._told = int(state["told"])

    def _turn(self, draws: Draws) -> str:
        names = list(self._parts)
        if draws.uniform() < self.floor * len(names):
            return names[draws.below(len(names))]
        generator = random.Random(draws.seed())
        beliefs = {n: generator.betavariate(1 + s, 1 + f) for n, (s, f) in self._credit.items()}
        return max(names, key=beliefs.__getitem__)

    def _enters_top_tenth(self, result: Result) -> bool:
        if result.failed:
            return False
        slot = self._told % _COMPARED
        self._latest.put(slot, result)
        self._told += 1
        return slot in self._latest.order()[: 1 + len(self._latest) // 10]


def _check_parts(parts: Sequence[str]) -> list[str]:
    allowed = ("evolution", "reinforce", "local_search")
    if isinstance(parts, str) or not isinstance(parts, Sequence) or len(parts) == 0:
        raise ValueError(
            f"hybrid: parts must be a list with at least one of {', '.join(allowed)}, got {parts!r}"
        )
    for name in parts:
        if name not in allowed:
            raise ValueError(
                f"hybrid: unknown part {name!r}{nearest(str(name), allowed)} (allowed: {', '.join(allowed)})"
            )
        if list(parts).count(name) > 1:
            raise ValueError(f"hybrid: parts names {name!r} twice")
    return list(parts)


def _create(name: str, space: SearchSpace, key: int) -> Controller:
    seed = derive_seed(key, name)
    if name == "evolution":
        return RegularizedEvolution(space, seed, initial_size=_INITIAL_SIZE)
    if name == "reinforce":
        return Reinforce(space, seed)
    return LocalSearch(space, seed, initial_size=_INITIAL_SIZE)
