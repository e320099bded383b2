"""Architectures that something else has found, in its order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.known import KnownArchitectures
from efficient_nas.errors import SpaceExhausted
from efficient_nas.protocols import SearchSpace
from efficient_nas.types import Genotype, Result


class Listed(Controller):
    """The architectures of a list in order, each once; learns nothing.

    genotypes: uint8 [n, num_choices], valid in `space`; say those that a trained supernet's alphas stand for.
    """

    name = "derived"

    def __init__(self, space: SearchSpace, seed: int, genotypes: npt.NDArray[np.uint8]) -> None:
        super().__init__(space, seed)
        rows = np.ascontiguousarray(genotypes)
        if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != space.num_choices:
            raise ValueError(
                f"{self.name}: genotypes must be uint8 [n, {space.num_choices}], "
                f"got {rows.dtype} {list(rows.shape)}"
            )
        wrong: Any = np.flatnonzero(~space.validate(rows)) if len(rows) else ()
        if len(wrong):
            raise ValueError(f"{self.name}: genotypes[{wrong[0]}] is not valid in space {space.name!r}")
        self.genotypes = rows

    def propose(self, draws: Draws, known: KnownArchitectures) -> tuple[Genotype, str]:
        found = known.claim(self.genotypes) if len(self.genotypes) else None
        if found is None:
            raise SpaceExhausted(f"ask: all {len(self.genotypes)} listed architectures were proposed")
        return found, self.name

    def learn(self, result: Result, own: bool) -> None:
        pass
