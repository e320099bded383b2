"""Which trials of an arm count: the front, the best, and the few that are worth training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from efficient_nas import pareto
from efficient_nas.protocols import Objective
from efficient_nas.types import Trial, TrialStatus


def feasible(trials: Sequence[Trial], objective: Objective) -> list[int]:
    """Positions in `trials` of the completed trials that keep every limit."""
    completed = [i for i, trial in enumerate(trials) if trial.status is TrialStatus.COMPLETED]
    return [i for i in completed if objective.violation(trials[i].metrics) == 0]


def front(trials: Sequence[Trial], objective: Objective) -> list[int]:
    """Positions in `trials` of the feasible trials that none dominates, best first value first."""
    kept = feasible(trials, objective)
    if not kept:
        return []
    values = np.array([objective.values(trials[i].metrics) for i in kept])
    members = np.flatnonzero(pareto.is_nondominated(values))
    order = np.lexsort((members, *values[members].T[::-1]))
    return [kept[i] for i in members[order]]


def choose(trials: Sequence[Trial], objective: Objective, top: int) -> list[int]:
    """Positions of the `top` trials to train, best first value first.

    From the front: the best in the first value, then greedily whatever adds most hypervolume, which spreads
    them over the front (greedy subset selection, Guerreiro et al. 2016, arXiv:1608.00809). The values are
    scaled to the front's range; the reference lies a tenth of the range beyond its worst corner. A front that
    is smaller than `top` is filled up in the order of `pareto.rank`.
    """
    members = front(trials, objective)
    if len(members) <= top:
        return members + _runners_up(trials, objective, set(members))[: top - len(members)]
    scaled = _scaled(np.array([objective.values(trials[i].metrics) for i in members]))
    reference = np.full(scaled.shape[1], 1.1)
    chosen = [0]
    while len(chosen) < top:
        rest = [i for i in range(len(members)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: pareto.hypervolume(scaled[[*chosen, i]], reference)))
    return [members[i] for i in sorted(chosen[:top])]


def _runners_up(trials: Sequence[Trial], objective: Objective, taken: set[int]) -> list[int]:
    rest = feasible(trials, objective)
    if not rest:
        return []
    order = np.argsort(pareto.rank(np.array([objective.values(trials[i].metrics) for i in rest])))
    return [rest[i] for i in order if rest[i] not in taken]


def _scaled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    span = np.ptp(values, axis=0)
    scaled: npt.NDArray[np.float64] = (values - values.min(axis=0)) / np.where(span > 0, span, 1.0)
    return scaled
