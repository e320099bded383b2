"""Learning rate, temperature and open part of the space over the epochs of a supernet's training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from efficient_nas.checks import number
from efficient_nas.spaces.space import Space


def cosine(epoch: int, epochs: int, first: float, last: float) -> float:
    """The value of epoch 0, 1, ...: half a cosine from `first` to `last`, which epoch `epochs` would have.

    SGDR (arXiv:1608.03983, eq. 5, one cycle), as DARTS steps it.
    """
    return last + (first - last) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def between(schedule: str, epoch: int, epochs: int, first: float, last: float) -> float:
    """The value of epoch 0, 1, ...: `first` in the first and `last` in the last of `epochs`.

    schedule: `linear`, or `exponential` with equal ratios between epochs.
    """
    share = epoch / max(1, epochs - 1)
    if schedule == "linear":
        return first + (last - first) * share
    return first * math.exp(share * math.log(last / first))


class Stages:
    """Which part of a space is open in which epoch.

    stages: pairs (until, space): until is the share of the epochs at which the stage ends, growing, 1.0 for
    the last; space is a restriction of the supernet's. No stages: `at` gives None for every epoch.
    """

    def __init__(self, stages: Sequence[tuple[float, Space]], epochs: int) -> None:
        self.untils = [number(f"stages[{i}] until", s[0], above=0, high=1) for i, s in enumerate(stages)]
        self._spaces = [space for _, space in stages]
        self._ends = [math.floor(until * epochs + 0.5) for until in self.untils]
        for i, end in enumerate(self._ends):
            if end <= (self._ends[i - 1] if i else 0):
                raise ValueError(
                    f"stages[{i}] gets none of the {epochs} epochs: it ends at a share of {self.untils[i]}"
                )
        if stages and self.untils[-1] != 1:
            raise ValueError(f"stages must end with a share of 1.0, got {self.untils[-1]}")

    def at(self, epoch: int) -> tuple[int, Space] | None:
        """Number and space of the stage of epoch 0, 1, ..."""
        for index, end in enumerate(self._ends):
            if epoch < end:
                return index, self._spaces[index]
        return None
