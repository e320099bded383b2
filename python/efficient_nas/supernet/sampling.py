"""Which paths a step of shared-weight training goes through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from efficient_nas.spaces.space import Genotypes, Space
from efficient_nas.supernet.extremes import extreme
from efficient_nas.types import derive_seed


class Sampler(Protocol):
    """What the trainer asks of a sampler.

    teaches: the soft labels of a step's first path are what its other paths learn.
    """

    teaches: bool

    def paths(self, seed: int) -> Genotypes:
        """The paths of one step, uint8 [m, num_choices]; their gradients are added up."""

    def open(self, space: Space) -> None:
        """From now on draws from this restriction of the space."""

    def state_dict(self) -> dict[str, Any]:
        """What the draws depend on besides the seed: plain values and tensors."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict`."""


class StatelessSampler:
    """A sampler whose draws depend on the open space and the seed alone."""

    teaches = False

    def __init__(self, space: Space) -> None:
        self.space = space
        self.open(space)

    def open(self, space: Space) -> None:
        """From now on draws from `space`, a restriction of the one that the sampler was made for."""
        check_same_choices(type(self).__name__, self.space, space)
        self.space = space

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state:
            raise ValueError(f"{type(self).__name__} has no state, got {', '.join(sorted(state))}")


class Uniform(StatelessSampler):
    """One path a step, every active choice uniform over its open options.

    Single path one-shot (Guo et al. 2020, arXiv:1904.00420, section 3.2). Without conditions between choices
    this is uniform over the architectures; see `Space.sample`.
    """

    def paths(self, seed: int) -> Genotypes:
        """One path, uint8 [1, num_choices]."""
        return self.space.sample(1, derive_seed(seed, "uniform"))


class FairNAS(StatelessSampler):
    """As many paths a step as choices have options: together they hold every option of every choice once.

    Strict fairness (Chu et al. 2021, arXiv:1907.01845, algorithm 1). Needs choices that are always active, in
    no order, each with the same number of open options; choices with only one open option do not count.
    """

    def open(self, space: Space) -> None:
        """From now on draws from `space`; ValueError where strict fairness is not possible."""
        super().open(space)
        conditional = [choice.name for choice in space.choices if choice.when]
        conditional += [space.choices[column].name for pair in space.ordered for column in pair]
        if conditional:
            raise ValueError(
                f"FairNAS: choices must not depend on others, but {conditional[0]} of space {space.name} "
                "does; use Uniform or Sandwich"
            )
        counts = {len(options) for options in space.allowed} - {1}
        if len(counts) > 1:
            raise ValueError(
                f"FairNAS: choices must have equally many open options, those of space {space.name} have "
                f"{', '.join(map(str, sorted(counts)))}; use Uniform or Sandwich"
            )

    def paths(self, seed: int) -> Genotypes:
        """Paths uint8 [K, num_choices] for K open options; each column is a permutation of them."""
        draw = np.random.Generator(np.random.Philox(derive_seed(seed, "fairnas")))
        count = max(len(options) for options in self.space.allowed)
        columns = [
            draw.permutation(np.resize(np.array(options, np.uint8), count)) for options in self.space.allowed
        ]
        return np.stack(columns, axis=1)


class Sandwich(StatelessSampler):
    """The largest, the smallest and `random` uniform paths a step; the largest teaches the others.

    The sandwich rule with inplace distillation (Yu & Huang 2019, arXiv:1903.05134, algorithm 1). Largest and
    smallest are by multiply-accumulates, then parameters.
    """

    teaches = True

    def __init__(self, space: Space, random: int = 2) -> None:
        if isinstance(random, bool) or not isinstance(random, int) or random < 0:
            raise ValueError(f"Sandwich: random must be an int >= 0, got {random!r}")
        self.random = random
        super().__init__(space)

    def open(self, space: Space) -> None:
        """From now on draws from `space`; its largest and smallest paths are found here."""
        super().open(space)
        self._ends = np.stack([extreme(space, largest=True), extreme(space, largest=False)])

    def paths(self, seed: int) -> Genotypes:
        """Paths uint8 [2 + random, num_choices], the largest first, then the smallest."""
        return np.concatenate([self._ends, self.space.sample(self.random, derive_seed(seed, "sandwich"))])


def check_same_choices(where: str, space: Space, other: Space) -> None:
    """ValueError unless the genotypes of both spaces have one layout."""
    if other.choices != space.choices:
        raise ValueError(
            f"{where}: open needs a restriction of space {space.name}, got one of other choices: {other!r}"
        )
