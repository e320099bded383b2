"""How well one score ranks architectures as another does, e.g. shared weights and stand-alone training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efficient_nas import checks

Floats = npt.NDArray[np.float64]

BLOCK = 1024
"""Rows of the sign matrices that are held at once."""


@dataclass(frozen=True)
class RankCorrelation:
    """How shared weights rank architectures against training each alone.

    tau: Kendall's tau-b; [low, high]: its bootstrap interval at `confidence`. shared, stand_alone:
    accuracies of the same architectures.
    """

    tau: float
    low: float
    high: float
    confidence: float
    shared: tuple[float, ...]
    stand_alone: tuple[float, ...]


def kendall(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> float:
    """Kendall's tau-b of two scores of the same architectures, in [-1, 1]; NaN where one is constant.

    a, b: [n], finite, n >= 2. tau-b = (concordant - discordant) / sqrt(untied in a * untied in b), which
    counts ties (Kendall 1945, "The treatment of ties in ranking problems", Biometrika 33(3)).
    ValueError names what does not fit.
    """
    first, second = _scores(a, b)
    return float(_tau(first, second, np.ones((1, len(first))))[0])


def rank_correlation(
    shared: Sequence[float] | Floats,
    stand_alone: Sequence[float] | Floats,
    seed: int,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> RankCorrelation:
    """Kendall's tau-b with a percentile bootstrap interval over the architectures.

    shared, stand_alone: accuracies of the same n >= 2 architectures, e.g. with the weights of a supernet and
    after training alone. seed: of the resamples; the same seed gives the same interval. Resamples in which
    one score is constant have no tau and are left out.
    """
    checks.integer("rank_correlation: resamples", resamples)
    checks.number("rank_correlation: confidence", confidence, above=0, below=1)
    a, b = _scores(shared, stand_alone)
    n = len(a)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    taus = _tau(a, b, counts.astype(np.float64))
    taus = taus[~np.isnan(taus)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(taus, [tail, 1 - tail]) if len(taus) else (np.nan, np.nan)
    accuracies = tuple(a.tolist()), tuple(b.tolist())
    return RankCorrelation(kendall(a, b), float(low), float(high), confidence, *accuracies)


def _scores(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise ValueError(
            f"kendall: both scores must be of the same n >= 2 architectures, got shapes {list(first.shape)} "
            f"and {list(second.shape)}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("kendall: scores must be finite; leave failed architectures out of both")
    return first, second


def _tau(a: Floats, b: Floats, counts: Floats) -> Floats:
    """tau-b of resamples that hold architecture i counts[r, i] times: float64 [r].

    Copies of one architecture are tied in both scores, so pairs of distinct ones are all that counts.
    """
    totals = np.zeros((3, len(counts)))
    for start in range(0, len(a), BLOCK):
        rows = slice(start, start + BLOCK)
        sign_a, sign_b = (np.sign(x[rows, None] - x[None, :]) for x in (a, b))
        for total, pairs in zip(totals, (sign_a * sign_b, sign_a**2, sign_b**2), strict=True):
            np.add(total, np.einsum("ri,ri->r", counts[:, rows], counts @ pairs.T), out=total)
    concordance, untied_a, untied_b = totals
    scale = np.sqrt(untied_a * untied_b)
    taus: Floats = np.divide(concordance, scale, out=np.full(len(counts), np.nan), where=scale > 0)
    return taus
