"""One value from several metrics by a weighted sum."""

from __future__ import annotations

from collections.abc import Mapping

from efficient_nas.objectives.metrics import (
    Direction,
    check_directions,
    check_number,
    direction_of,
    read_metric,
)


class Weighted:
    """The weighted sum of metrics as one value: weight times metric, costs counted negatively.

    weights: one keyword per metric, finite and >= 0, at least one positive, e.g.
        `Weighted(accuracy=1.0, latency_ms=0.01)` maximises accuracy - 0.01 latency_ms.
    directions: metric -> "maximize" or "minimize", needed for metrics outside
        `objectives.DIRECTIONS` and stronger than it.
    """

    names = ("weighted",)

    def __init__(self, directions: Mapping[str, Direction] | None = None, **weights: float) -> None:
        if not weights:
            raise ValueError("Weighted: needs at least one metric with its weight, e.g. accuracy=1.0")
        explicit = check_directions("Weighted", directions)
        self.weights: dict[str, float] = {}
        for name, weight in weights.items():
            self.weights[name] = check_number(f"Weighted: the weight of {name!r}", weight)
            if self.weights[name] < 0:
                raise ValueError(
                    f"Weighted: the weight of {name!r} must be >= 0 (the metric's direction holds the "
                    f"sign), got {weight!r}"
                )
        if not any(self.weights.values()):
            raise ValueError("Weighted: at least one weight must be positive, all are 0")
        for name in explicit:
            if name not in self.weights:
                raise ValueError(f"Weighted: directions names {name!r}, which has no weight")
        self.metrics = tuple(self.weights)
        self.directions = {name: direction_of("Weighted", name, explicit) for name in self.metrics}
        self.limits: dict[str, float] = {}

    def values(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """The negated weighted sum, one value to be minimised."""
        total = 0.0
        for name, weight in self.weights.items():
            sign = -1.0 if self.directions[name] == "maximize" else 1.0
            total += sign * weight * read_metric(metrics, name)
        return (total,)

    def violation(self, metrics: Mapping[str, float]) -> float:
        """0: nothing is limited."""
        return 0.0
