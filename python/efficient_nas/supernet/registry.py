"""Supernets by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from efficient_nas.errors import nearest
from efficient_nas.spaces import Space
from efficient_nas.supernet.networks import DARTS, PCDARTS, Elastic, NASBench201, SinglePath, Supernet
from efficient_nas.supernet.sampling import check_same_choices

_KINDS: dict[str, Callable[..., Supernet]] = {
    "darts": DARTS,
    "pcdarts": PCDARTS,
    "nasbench201": NASBench201,
    "single_path": SinglePath,
    "elastic": Elastic,
}


def available() -> list[str]:
    """The names that `create` knows, sorted."""
    return sorted(_KINDS)


def factory(name: str) -> Callable[..., Supernet]:
    """What makes the supernet with this name. ValueError for an unknown one, with all names."""
    if name not in _KINDS:
        hint = nearest(str(name), _KINDS)
        raise ValueError(f"supernet: unknown kind {name!r}{hint}; available: {', '.join(available())}")
    return _KINDS[name]


def create(name: str, space: Space | None = None, **options: Any) -> Supernet:
    """The supernet with this name. ValueError for an unknown name or option, with the nearest and all names.

    space: what the supernet is made for. Required by `single_path` and `elastic`; the others have a space of
    their own, of which it may be a restriction, which is then open.
    """
    make = factory(name)
    parameters = _options(make)
    for option in options:
        if option not in parameters:
            hint = nearest(option, parameters)
            raise ValueError(
                f"supernet {name}: unknown option {option!r}{hint}; options: {', '.join(parameters)}"
            )
    if _takes_space(make):
        if space is None:
            raise ValueError(f"supernet {name}: space is required")
        return make(space, **options)
    supernet = make(**options)
    if space is not None:
        check_same_choices(f"supernet {name}", supernet.space, space)
        supernet.open(space)
    return supernet


def describe(supernet: Supernet) -> dict[str, Any]:
    """kind, space (its name) and options as plain values; `create` makes the same network of them.

    Leaves the seed out: what it decided is in the state_dict.
    """
    name = next((name for name, of in _KINDS.items() if type(supernet) is of), None)
    if name is None:
        raise ValueError(f"supernet: {type(supernet).__name__} is none of {', '.join(available())}")
    values = {**supernet.macro, **vars(supernet)}
    options = {option: values[option] for option in _options(type(supernet)) if option != "seed"}
    options["input_shape"] = list(supernet.input_shape)
    return {"kind": name, "space": supernet.space.name, "options": options}


def _takes_space(make: Callable[..., Supernet]) -> bool:
    return "space" in inspect.signature(make).parameters


def _options(make: Callable[..., Supernet]) -> list[str]:
    return [name for name in inspect.signature(make).parameters if name != "space"]
