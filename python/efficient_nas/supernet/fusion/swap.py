"""Swaps a module's forward in place, so that everything else of it stays."""

from __future__ import annotations

import functools
from typing import Any, Protocol

from torch import Tensor, nn

PLAN = "_efficient_nas_plan"


class Plan(Protocol):
    """How a module runs fused. Kept in the module's attributes, so that copies have plans of their own."""

    def fused(
        self, method: str, module: nn.Module, original: type[nn.Module], args: tuple[Any, ...], kwargs: Any
    ) -> Tensor | None:
        """What a method of the module returns; None, and nothing done, if it cannot run fused."""
        ...


class FusedModule(nn.Module):
    """Mixed into the class of a module that runs fused; `fused_from` is the class that it had."""

    fused_from: type[nn.Module]

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copies and pickles by the original class, which can be imported; this one is made anew."""
        reduced: Any = super().__reduce_ex__(protocol)
        return (_empty, (self.fused_from, _methods(type(self))), *reduced[2:])


def swap(module: nn.Module, plan: Plan, methods: tuple[str, ...] = ("forward",)) -> None:
    """Lets `plan` run these methods of the module, or the module's own where it cannot.

    Only the class of the module changes, to a subclass of its own.
    """
    vars(module)[PLAN] = plan
    module.__class__ = _fused_class(type(module), methods)


def restore(module: nn.Module) -> None:
    """Undoes `swap`."""
    module.__class__ = original_class(module)
    vars(module).pop(PLAN, None)


def original_class(module: nn.Module) -> type[nn.Module]:
    """The class of a module, fused or not."""
    return module.fused_from if isinstance(module, FusedModule) else type(module)


_CLASSES: dict[tuple[type[nn.Module], tuple[str, ...]], type[FusedModule]] = {}


def _fused_class(original: type[nn.Module], methods: tuple[str, ...]) -> type[FusedModule]:
    if (original, methods) in _CLASSES:
        return _CLASSES[original, methods]
    body: dict[str, Any] = {
        "fused_from": original,
        "__module__": original.__module__,
        "__doc__": original.__doc__,
    }
    body |= {name: _fused_method(original, name) for name in methods}
    kind = _CLASSES[original, methods] = type(f"Fused{original.__name__}", (FusedModule, original), body)
    return kind


def _fused_method(original: type[nn.Module], name: str) -> Any:
    @functools.wraps(getattr(original, name))
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        plan: Plan = vars(self)[PLAN]
        y = plan.fused(name, self, original, args, kwargs)
        return getattr(original, name)(self, *args, **kwargs) if y is None else y

    return method


def _methods(kind: type[nn.Module]) -> tuple[str, ...]:
    return tuple(name for name, value in vars(kind).items() if hasattr(value, "__wrapped__"))


def _empty(original: type[nn.Module], methods: tuple[str, ...]) -> nn.Module:
    kind = _fused_class(original, methods)
    return kind.__new__(kind)
