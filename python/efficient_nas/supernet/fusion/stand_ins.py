"""Runs a module's own forward on stand-ins for its children, to see what it does with their results.

A stand-in returns a unit vector instead of a feature map. What the forward makes of these by sums and
products is then a vector of the coefficients, with autograd's graph: the weights of a mixed op, or which
edges a node adds up. Whatever computes the weights (softmax, Gumbel, a parameter of the module) is the
module's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

StandIn = Callable[..., Tensor]


class Mismatch(Exception):
    """The forward uses its children in a way that is not understood."""


def unit_vector(index: int, size: int) -> Tensor:
    """[1, size, 1, 1], 1 at index. Float64, so that products with weights of any dtype are exact."""
    vector = torch.zeros(1, size, 1, 1, dtype=torch.float64)
    vector[0, index] = 1
    return vector


def is_vector(value: object, size: int) -> bool:
    """Whether a value comes from stand-ins: vectors of this size, one after the other in dimension 1."""
    return (
        isinstance(value, Tensor)
        and value.dtype == torch.float64
        and value.ndim == 4
        and value.shape[0] == value.shape[2] == value.shape[3] == 1
        and value.shape[1] % size == 0
    )


def with_stand_ins(
    module: nn.Module, original: type[nn.Module], stand_ins: Mapping[int, StandIn]
) -> nn.Module:
    """A double of the module: the same attributes, and stand-ins instead of children (by id).

    It shares tensors and the other children with the module. Lists and dictionaries of modules that hold a
    stand-in are plain ones in the double.
    """
    double = original.__new__(original)
    double.__dict__.update(module.__dict__)
    double.__dict__["_modules"] = {
        name: _replaced(child, stand_ins) for name, child in module._modules.items()
    }
    return double


def _replaced(child: nn.Module | None, stand_ins: Mapping[int, StandIn]) -> Any:
    if id(child) in stand_ins:
        return stand_ins[id(child)]
    if isinstance(child, nn.ModuleList):
        parts = [_replaced(part, stand_ins) for part in child]
        return child if all(part is own for part, own in zip(parts, child, strict=True)) else parts
    if isinstance(child, nn.ModuleDict):
        entries = {name: _replaced(part, stand_ins) for name, part in child.items()}
        return child if all(entries[name] is child[name] for name in entries) else entries
    return child


def weights_of(
    module: nn.Module,
    original: type[nn.Module],
    candidates: list[nn.Module],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Tensor, Tensor, list[bool]]:
    """What a mixed op runs its candidates on, their weights [K], and which of them it runs.

    Mismatch if the candidates do not all get the same tensor, or the result is no weighted sum of theirs.
    """
    inputs: dict[int, Tensor] = {}

    def stand_in(k: int) -> StandIn:
        def run(*arguments: Any, **keywords: Any) -> Tensor:
            if len(arguments) != 1 or keywords or not isinstance(arguments[0], Tensor) or k in inputs:
                raise Mismatch("a candidate is not called once, with one tensor")
            inputs[k] = arguments[0]
            return unit_vector(k, len(candidates))

        return run

    stand_ins = {id(candidate): stand_in(k) for k, candidate in enumerate(candidates)}
    if len(stand_ins) < len(candidates):
        raise Mismatch("a module stands for two candidates")
    result = original.forward(with_stand_ins(module, original, stand_ins), *args, **kwargs)
    if not inputs or any(x is not next(iter(inputs.values())) for x in inputs.values()):
        raise Mismatch("the candidates do not all get the same tensor")
    if not is_vector(result, len(candidates)) or result.shape[1] != len(candidates):
        raise Mismatch("the result is not a weighted sum of what the candidates return")
    used = [k in inputs for k in range(len(candidates))]
    return next(iter(inputs.values())), result.flatten(), used
