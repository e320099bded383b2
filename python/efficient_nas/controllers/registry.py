"""Controllers by name, as a config writes them."""

from __future__ import annotations

import inspect
from typing import Any

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.hybrid import Hybrid
from efficient_nas.controllers.local_search import LocalSearch
from efficient_nas.controllers.nsga2 import NSGA2
from efficient_nas.controllers.random import Random
from efficient_nas.controllers.regularized_evolution import RegularizedEvolution
from efficient_nas.controllers.reinforce import Reinforce
from efficient_nas.errors import nearest
from efficient_nas.protocols import SearchSpace

CONTROLLERS: dict[str, type[Controller]] = {
    kind.name: kind for kind in (Random, LocalSearch, RegularizedEvolution, NSGA2, Reinforce, Hybrid)
}


def available() -> list[str]:
    """The names that `create` knows."""
    return list(CONTROLLERS)


def factory(name: str) -> type[Controller]:
    """The class of this name."""
    if not isinstance(name, str) or name not in CONTROLLERS:
        raise ValueError(
            f"controller: unknown name {name!r}{nearest(str(name), CONTROLLERS)} "
            f"(allowed: {', '.join(CONTROLLERS)})"
        )
    return CONTROLLERS[name]


def create(name: str, space: SearchSpace, seed: int, **options: Any) -> Controller:
    """The controller of this name, with the options of its class."""
    kind = factory(name)
    allowed = [p for p in inspect.signature(kind).parameters if p not in ("space", "seed")]
    for option in options:
        if option not in allowed:
            raise ValueError(
                f"controller: {name} has no option {option!r}{nearest(option, allowed)} "
                f"(allowed: {', '.join(allowed) or 'none'})"
            )
    return kind(space, seed, **options)
