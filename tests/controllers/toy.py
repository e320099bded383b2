"""A long space and search loops that the controller tests share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from efficient_nas.controllers import Controller
from efficient_nas.spaces import Choice, Space
from efficient_nas.types import Proposal, Result

Score = Callable[[Proposal], tuple[float, ...] | None]
"""The values of a proposal, None when it fails."""


def long_space() -> Space:
    """16 choices of 5 options: two random genotypes differ in about 13 choices, a mutant in 1 to 3."""
    return Space([Choice(f"op{i}", list("abcde"), role="operation") for i in range(16)], name="long")


def tell(controller: Controller, proposal: Proposal, values: tuple[float, ...] | None) -> None:
    failed = values is None
    result = Result(proposal.trial, proposal.genotype, proposal.origin, values or (np.inf,), failed=failed)
    controller.tell([result])


def search(controller: Controller, trials: int, score: Score) -> list[Proposal]:
    proposals = []
    for _ in range(trials):
        (proposal,) = controller.ask(1)
        tell(controller, proposal, score(proposal))
        proposals.append(proposal)
    return proposals


def distances(genotype: npt.NDArray[np.uint8], others: list[Proposal]) -> list[int]:
    """In how many choices each of the others differs from `genotype`."""
    return [int((genotype != other.genotype).sum()) for other in others]
