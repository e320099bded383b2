"""Objectives by name, as a config writes them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from efficient_nas.errors import nearest
from efficient_nas.objectives.constrained import Constrained
from efficient_nas.objectives.pareto import Pareto
from efficient_nas.objectives.weighted import Weighted

KINDS = {"weighted": Weighted, "pareto": Pareto, "constrained": Constrained}


def available() -> list[str]:
    """The kinds of objectives that `create` knows."""
    return list(KINDS)


def create(kind: str, **options: Any) -> Weighted | Pareto | Constrained:
    """The objective of this kind: `weighted`, `pareto` or `constrained`, with the options of its class.

    For `constrained`, `objective` may be an objective or the mapping that would create it, e.g.
    `create("constrained", objective={"kind": "pareto", "maximize": ["accuracy"]}, limits={"macs": 1e7})`.
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(
            f"objective: unknown kind {kind!r}{nearest(str(kind), KINDS)} (allowed: {', '.join(KINDS)})"
        )
    if kind == "weighted":
        return Weighted(**options)
    allowed = list(inspect.signature(KINDS[kind]).parameters)
    for name in options:
        if name not in allowed:
            raise ValueError(
                f"objective: {kind} has no option {name!r}{nearest(name, allowed)} "
                f"(allowed: {', '.join(allowed)})"
            )
    if kind == "pareto":
        return Pareto(**options)
    for name in ("objective", "limits"):
        if name not in options:
            raise ValueError(f"objective: constrained needs the option {name!r}")
    inner = options.pop("objective")
    if isinstance(inner, Mapping):
        if "kind" not in inner:
            raise ValueError("objective: the objective inside constrained needs a 'kind'")
        inner = create(**inner)
    return Constrained(inner, **options)
