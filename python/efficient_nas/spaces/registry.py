"""Search spaces by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from efficient_nas.errors import nearest
from efficient_nas.spaces.space import Space

_factories: dict[str, Callable[..., Space]] = {}


def register(name: str, factory: Callable[..., Space]) -> None:
    """Makes `create(name, **options)` call `factory(**options)`. ValueError if the name is taken."""
    if name in _factories and _factories[name] is not factory:
        raise ValueError(f"spaces: {name!r} is already registered")
    _factories[name] = factory


def available() -> list[str]:
    """The names that `create` knows, sorted."""
    return sorted(_factories)


def factory(name: str) -> Callable[..., Space]:
    """What makes the space with this name. ValueError for an unknown name, with the nearest and all names."""
    if name not in _factories:
        hint = nearest(str(name), _factories)
        raise ValueError(f"spaces: unknown space {name!r}{hint}; available: {', '.join(available())}")
    return _factories[name]


def create(name: str, **options: Any) -> Space:
    """The space with this name. ValueError for an unknown name or option, with the nearest and all names."""
    make = factory(name)
    parameters = inspect.signature(make).parameters
    for option in options:
        if option not in parameters:
            hint = nearest(option, parameters)
            known = ", ".join(parameters) or "none"
            raise ValueError(f"space {name}: unknown option {option!r}{hint}; options: {known}")
    return make(**options)
