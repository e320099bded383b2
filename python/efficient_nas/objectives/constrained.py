"""Limits on metrics around another objective."""

from __future__ import annotations

from collections.abc import Mapping

from efficient_nas.objectives.metrics import (
    DIRECTIONS,
    Direction,
    check_directions,
    check_name,
    check_number,
    direction_of,
    read_metric,
)
from efficient_nas.objectives.pareto import Pareto
from efficient_nas.objectives.weighted import Weighted


class Constrained:
    """Another objective's values, with limits that a feasible architecture must keep.

    objective: a `Weighted` or `Pareto` objective.
    limits: metric -> the largest allowed value of a minimised metric, the smallest of a maximised one.
        Costs need a limit > 0, accuracy one in [0, 1], loss one >= 0: others could never or always hold.
    directions: the direction of limited metrics that neither the objective nor `objectives.DIRECTIONS`
        knows.
    """

    def __init__(
        self,
        objective: Weighted | Pareto,
        limits: Mapping[str, float],
        directions: Mapping[str, Direction] | None = None,
    ) -> None:
        if not isinstance(objective, Weighted | Pareto):
            raise TypeError(
                f"Constrained: objective must be a Weighted or Pareto objective, got {objective!r}"
            )
        if not isinstance(limits, Mapping) or not limits:
            raise ValueError(
                f"Constrained: limits must map at least one metric to a number, e.g. "
                f"{{'latency_ms': 5.0}}, got {limits!r}"
            )
        explicit = check_directions("Constrained", directions)
        for name in explicit:
            if name in objective.directions:
                raise ValueError(f"Constrained: the objective already holds the direction of {name!r}")
            if name not in limits:
                raise ValueError(f"Constrained: directions names {name!r}, which has no limit")
        self.objective = objective
        self.names = objective.names
        self.limits = {
            check_name("Constrained: limits", name): check_limit(name, limits[name]) for name in limits
        }
        known = {**explicit, **objective.directions}
        self.directions = dict(objective.directions)
        self.directions.update({name: direction_of("Constrained", name, known) for name in self.limits})
        self.metrics = tuple(self.directions)

    def values(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """The values of the inner objective; limits do not change them."""
        return self.objective.values(metrics)

    def violation(self, metrics: Mapping[str, float]) -> float:
        """The sum over limits of the excess, each relative to |limit| (absolute where the limit is 0)."""
        total = 0.0
        for name, limit in self.limits.items():
            value = read_metric(metrics, name)
            excess = limit - value if self.directions[name] == "maximize" else value - limit
            total += max(0.0, excess) / (abs(limit) or 1.0)
        return total


def check_limit(name: str, limit: object) -> float:
    """`limit` as a float; one that metric `name` can never keep, or never miss, is an error."""
    where = f"Constrained: the limit of {name!r}"
    value = check_number(where, limit)
    if name == "accuracy" and not 0 <= value <= 1:
        raise ValueError(f"{where} must be in [0, 1] (a share, not percent), got {limit!r}")
    if name == "loss" and value < 0:
        raise ValueError(f"{where} must be >= 0, got {limit!r}")
    if name not in ("accuracy", "loss") and name in DIRECTIONS and value <= 0:
        raise ValueError(f"{where} must be > 0, got {limit!r}")
    return value
