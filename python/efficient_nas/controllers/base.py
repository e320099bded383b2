"""What every controller shares: the ask-tell bookkeeping around a rule that proposes and learns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.known import KnownArchitectures
from efficient_nas.errors import SpaceExhausted
from efficient_nas.protocols import SearchSpace
from efficient_nas.types import Genotype, Proposal, Result, derive_seed


class Controller(ABC):
    """A controller made of a rule: `propose` finds the next architecture, `learn` takes in one result.

    Owned here: trial numbers, the random numbers of each proposal, deduplication against everything
    proposed or told, checks of what is told, and the state. Subclasses add what they learned.

    space: where to search. seed: any int; proposals depend on it and on the sequence of calls only.
    """

    name: ClassVar[str]

    def __init__(self, space: SearchSpace, seed: int) -> None:
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
            raise TypeError(f"{self.name}: seed must be an int, got {seed!r}")
        self.space = space
        self.seed = int(seed)
        self._key = derive_seed(self.seed, "controller", self.name)
        self._known = KnownArchitectures(space, self._key)
        self._asked = 0
        self._open: dict[int, bytes] = {}
        self._num_values: int | None = None

    # ---- the rule

    @abstractmethod
    def propose(self, draws: Draws, known: KnownArchitectures) -> tuple[Genotype, str]:
        """A genotype claimed from `known`, and its origin. Raises `SpaceExhausted` where none is left."""

    @abstractmethod
    def learn(self, result: Result, own: bool) -> None:
        """Takes in one checked result; `own` says whether this controller proposed it."""

    def open_rule(self, space: SearchSpace) -> None:  # noqa: B027, nothing to adapt is the common case
        """Adapts the rule to the larger `space`, which is `self.space` already."""

    def options(self) -> dict[str, Any]:
        """The named options, as JSON values; a state is loaded only where they are equal."""
        return {}

    def rule_state(self) -> dict[str, Any]:
        """What the rule learned: JSON values and numpy arrays."""
        return {}

    def load_rule_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Takes over what `rule_state` gave."""

    # ---- the protocol

    def ask(self, n: int) -> list[Proposal]:
        """The next n proposals, the same as n calls of `ask(1)`.

        Fewer where the space runs out on the way; `SpaceExhausted` where not even one is left.
        """
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
            raise ValueError(f"ask: n must be a positive int, got {n!r}")
        proposals: list[Proposal] = []
        for _ in range(n):
            try:
                genotype, origin = self.propose(Draws(self._key, self._asked), self._known)
            except SpaceExhausted:
                if not proposals:
                    raise
                break
            self._open[self._asked] = genotype.tobytes()
            proposals.append(Proposal(self._asked, genotype, origin))
            self._asked += 1
        return proposals

    def tell(self, results: Sequence[Result]) -> None:
        """Learns from results in their order; several asks may be open, in any order.

        Results that this controller did not propose (of other seeds or archives) are welcome under trial
        numbers that it has not given out. Nothing is learned when one of the results is wrong.
        """
        results = list(results)
        told: set[int] = set()
        for result in results:
            self._check(result, told)
            told.add(result.trial)
        for result in results:
            own = self._open.pop(result.trial, None) is not None
            if not own:
                self._known.add(result.genotype)
            self.learn(result, own)

    def open_stage(self, space: SearchSpace) -> None:
        """Goes on in `space`: a progressive stage, which contains the space before.

        Before the first proposal any space of the same layout will do.
        """
        if not np.array_equal(space.cardinalities, self.space.cardinalities):
            raise ValueError(
                f"open_stage: the space must keep the layout of {self.space.name!r}: cardinalities "
                f"{self.space.cardinalities.tolist()}, got {space.cardinalities.tolist()}"
            )
        if self._asked and space.size < self.space.size:
            raise ValueError(
                f"open_stage: the space must not shrink: {self.space.size} genotypes before, got {space.size}"
            )
        self.space = space
        self._known.open_stage(space)
        self.open_rule(space)

    def state_dict(self) -> dict[str, Any]:
        """Everything learned so far, to go on in a fresh instance: JSON values and numpy arrays.

        The fresh instance needs the same seed and options and the space that is open now.
        """
        genotypes = np.frombuffer(b"".join(self._open.values()), np.uint8)
        return {
            "controller": self.name,
            "seed": self.seed,
            "options": self.options(),
            "asked": self._asked,
            "num_values": self._num_values,
            "open_trials": np.array(list(self._open), np.int64),
            "open_genotypes": genotypes.reshape(-1, self.space.num_choices),
            "known": self._known.state_dict(),
            "rule": self.rule_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        for name, own in (("controller", self.name), ("seed", self.seed), ("options", self.options())):
            if state.get(name) != own:
                raise ValueError(
                    f"load_state_dict: the state has {name} {state.get(name)!r}, this controller {own!r}"
                )
        genotypes = np.ascontiguousarray(state["open_genotypes"], np.uint8)
        if genotypes.shape[1:] != (self.space.num_choices,):
            raise ValueError(
                f"load_state_dict: genotypes must have shape [n, {self.space.num_choices}], "
                f"got {list(genotypes.shape)}"
            )
        self._asked = int(state["asked"])
        self._num_values = None if state["num_values"] is None else int(state["num_values"])
        trials = np.asarray(state["open_trials"]).tolist()
        self._open = {t: g.tobytes() for t, g in zip(trials, genotypes, strict=True)}
        self._known.load_state_dict(state["known"])
        self.load_rule_state(state["rule"])

    def _check(self, result: Result, told: set[int]) -> None:
        where = f"tell: trial {result.trial}"
        genotype = result.genotype
        if not isinstance(genotype, np.ndarray):
            raise TypeError(f"{where}: genotype must be a numpy array, got {genotype!r}")
        if genotype.dtype != np.uint8 or genotype.shape != (self.space.num_choices,):
            raise ValueError(
                f"{where}: genotype must be uint8 [{self.space.num_choices}], "
                f"got {genotype.dtype} {list(genotype.shape)}"
            )
        proposed = self._open.get(result.trial)
        if result.trial in told or (proposed is None and 0 <= result.trial < self._asked):
            raise ValueError(f"{where} was told before")
        if proposed is not None and proposed != genotype.tobytes():
            raise ValueError(f"{where}: the genotype is not the one that was proposed: {genotype.tolist()}")
        if proposed is None and not self.space.validate(genotype[None])[0]:
            raise ValueError(f"{where}: the genotype is not valid in the open space: {genotype.tolist()}")
        if not result.failed:
            if not result.values or not all(map(math.isfinite, result.values)):
                raise ValueError(
                    f"{where}: values must be finite, got {result.values!r}; without values it has failed"
                )
            if not (math.isfinite(result.violation) and result.violation >= 0):
                raise ValueError(f"{where}: violation must be finite and >= 0, got {result.violation!r}")
            if self._num_values is None:
                self._num_values = len(result.values)
            elif len(result.values) != self._num_values:
                raise ValueError(
                    f"{where}: expected {self._num_values} values as before, got {len(result.values)}"
                )
