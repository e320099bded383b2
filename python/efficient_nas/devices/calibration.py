"""Fits the sum of operator latencies to the latencies of whole networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """latency_ms = scale * (sum of the operators) + per_operator_ms * (operators run) + fixed_ms.

    The three are fitted to whole networks measured end to end (`fitted` of them), none below 0: what a
    network adds to its operators is caches that other operators have filled, and the executor's own work per
    node and per call. Errors are relative, on `held_out` networks that were not fitted: mean and largest.
    """

    scale: float = 1.0
    per_operator_ms: float = 0.0
    fixed_ms: float = 0.0
    fitted: int = 0
    held_out: int = 0
    mean_error: float | None = None
    max_error: float | None = None

    def apply(self, operators_ms: float, operators: int) -> float:
        """Milliseconds of a network whose operators take `operators_ms` one by one."""
        return self.scale * operators_ms + self.per_operator_ms * operators + self.fixed_ms


def calibrate(
    operators_ms: Sequence[float], operators: Sequence[int], measured_ms: Sequence[float]
) -> Calibration:
    """The calibration of networks given as three lists of one length, at least 2.

    Every third network in order of its latency is held out, if there are 6 or more.
    """
    sums, measured = np.asarray(operators_ms, dtype=float), np.asarray(measured_ms, dtype=float)
    features = np.stack([sums, np.asarray(operators, dtype=float), np.ones(len(sums))], axis=1)
    held = np.zeros(len(sums), dtype=bool)
    if len(sums) >= 6:
        held[np.argsort(measured)[1::3]] = True
    scale, per_operator, fixed = _fit_nonnegative(features[~held], measured[~held])
    errors = np.abs(features[held] @ [scale, per_operator, fixed] / measured[held] - 1)
    return Calibration(
        scale,
        per_operator,
        fixed,
        int((~held).sum()),
        int(held.sum()),
        float(errors.mean()) if held.any() else None,
        float(errors.max()) if held.any() else None,
    )


def _fit_nonnegative(features: Floats, target: Floats) -> tuple[float, float, float]:
    """Least squares of relative errors with no coefficient below 0 and the first above 0.

    With three coefficients the best of all subsets is found by trying them.
    """
    rows, best, least = features / target[:, None], (1.0, 0.0, 0.0), np.inf
    for size in (1, 2, 3):
        for rest in combinations((1, 2), size - 1):
            chosen = [0, *rest]
            found = np.linalg.lstsq(rows[:, chosen], np.ones(len(rows)), rcond=None)[0]
            if found[0] <= 0 or found.min() < 0:
                continue
            error = float(np.square(rows[:, chosen] @ found - 1).sum())
            if error < least:
                least = error
                values = dict(zip(chosen, map(float, found), strict=True))
                best = (values[0], values.get(1, 0.0), values.get(2, 0.0))
    return best
