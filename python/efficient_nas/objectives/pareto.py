"""Several metrics, none traded against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from efficient_nas.objectives.metrics import Direction, check_names, read_metric


class Pareto:
    """One value for each metric; comparing them is left to Pareto dominance.

    maximize, minimize: metric names. The lists give the directions, so any metric may be named.
    """

    def __init__(self, maximize: Sequence[str] = (), minimize: Sequence[str] = ()) -> None:
        up = check_names("Pareto: maximize", maximize)
        down = check_names("Pareto: minimize", minimize)
        if not up and not down:
            raise ValueError("Pareto: maximize and minimize are both empty; name at least one metric")
        for name in up:
            if name in down:
                raise ValueError(f"Pareto: {name!r} is in maximize and in minimize")
        self.metrics = up + down
        self.names = self.metrics
        self.directions: dict[str, Direction] = {
            **dict.fromkeys(up, "maximize"),
            **dict.fromkeys(down, "minimize"),
        }
        self.limits: dict[str, float] = {}

    def values(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """One value per metric in the order of `names`, all to be minimised."""
        return tuple(
            -read_metric(metrics, name) if direction == "maximize" else read_metric(metrics, name)
            for name, direction in self.directions.items()
        )

    def violation(self, metrics: Mapping[str, float]) -> float:
        """0: nothing is limited."""
        return 0.0
