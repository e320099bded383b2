"""When rising curvature says that a search should have stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stop:
    """Why a search should stop, and the epoch whose genotype to return (None: the current one)."""

    reason: str
    return_to: int | None = None


def rising_curvature(
    eigenvalues: Sequence[tuple[int, float]],
    ratio: float = 1.3,
    window: int = 5,
    distance: int = 5,
    from_epoch: int = 10,
) -> Stop | None:
    """Early stopping by the dominant eigenvalue (RobustDARTS, arXiv:1909.09656, DARTS-ES), or None.

    eigenvalues: (epoch, eigenvalue) of each measurement so far, by epoch. Their mean over the `window`
    measurements around measurement i is compared with that around i - `distance`, for the newest i that has
    its window complete; if it is more than `ratio` times as large, the search stops and returns to the epoch
    of measurement i - distance, unless that lies before `from_epoch` (the first epochs are too noisy).
    Windows are cut off at the first measurement. The defaults are the published ones: the paper says 0.75
    for the inverse of the ratio, its code 1.3 and epoch 10. Averages that are not positive stop nothing.
    """
    newest = len(eigenvalues) - 1 - window // 2
    earlier = newest - distance
    if earlier < 0 or eigenvalues[earlier][0] < from_epoch:
        return None
    before, now = (_mean(eigenvalues, i, window) for i in (earlier, newest))
    if not 0 < before * ratio < now:
        return None
    epoch = eigenvalues[earlier][0]
    reason = (
        f"the dominant Hessian eigenvalue rose from {before:.3g} around epoch {epoch} to {now:.3g} around "
        f"epoch {eigenvalues[newest][0]}, {now / before:.2f} times; more than {ratio:g} stops the search"
    )
    return Stop(reason, epoch)


def _mean(eigenvalues: Sequence[tuple[int, float]], centre: int, window: int) -> float:
    values = [v for _, v in eigenvalues[max(0, centre - window // 2) : centre + window // 2 + 1]]
    return sum(values) / len(values)
