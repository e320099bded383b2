"""Metric names, their directions, and the checks that every objective shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from efficient_nas.errors import nearest

Direction: TypeAlias = Literal["maximize", "minimize"]

DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {
        "accuracy": "maximize",
        "loss": "minimize",
        "latency_ms": "minimize",
        "energy_mj": "minimize",
        "memory_bytes": "minimize",
        "macs": "minimize",
        "params": "minimize",
        "peak_activation_bytes": "minimize",
    }
)
"""The metrics whose direction is known; any other needs an explicit one."""


def check_name(where: str, name: object) -> str:
    """`name`, checked to be a metric name: a non-empty string."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"{where}: metric names must be non-empty strings, got {name!r}")
    return name


def check_names(where: str, names: Iterable[str]) -> tuple[str, ...]:
    """`names` as a tuple; refuses a bare string, duplicates and anything but non-empty strings."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{where} must be a list of metric names, got {names!r}")
    result = tuple(check_name(where, name) for name in names)
    for name in result:
        if result.count(name) > 1:
            raise ValueError(f"{where} names {name!r} twice")
    return result


def check_number(where: str, value: object) -> float:
    """`value` as a float; refuses anything but a finite number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{where} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{where} must be finite, got {value!r}")
    return float(value)


def check_directions(where: str, directions: Mapping[str, Direction] | None) -> dict[str, Direction]:
    """`directions` as a dict, checked to map metric names to `maximize` or `minimize`."""
    if directions is None:
        return {}
    if not isinstance(directions, Mapping):
        raise TypeError(f"{where}: directions must map metric names to a direction, got {directions!r}")
    for name, direction in directions.items():
        check_name(f"{where}: directions", name)
        if direction not in get_args(Direction):
            raise ValueError(
                f"{where}: the direction of {name!r} must be 'maximize' or 'minimize', got {direction!r}"
            )
    return dict(directions)


def direction_of(where: str, name: str, directions: Mapping[str, Direction]) -> Direction:
    """The direction of metric `name`: the one in `directions`, else the known one."""
    direction = directions.get(name) or DIRECTIONS.get(name)
    if direction is None:
        hint = nearest(name, [*DIRECTIONS, *directions])
        raise ValueError(
            f"{where}: unknown metric {name!r}{hint} (known: {', '.join(DIRECTIONS)}; any other needs "
            f"directions={{{name!r}: 'maximize' or 'minimize'}})"
        )
    return direction


def read_metric(metrics: Mapping[str, float], name: str) -> float:
    """The value of metric `name`; a missing or non-finite one is an error that names it."""
    if name not in metrics:
        have = ", ".join(metrics) if metrics else "none"
        raise ValueError(f"objective: metric {name!r} is missing{nearest(name, metrics)} (have: {have})")
    return check_number(f"objective: metric {name!r}", metrics[name])
