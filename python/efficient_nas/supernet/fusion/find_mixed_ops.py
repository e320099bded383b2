"""Finds mixed ops by structure and by trial."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from efficient_nas.supernet.fusion.edge import Edge
from efficient_nas.supernet.fusion.mixed_op import MixedOpPlan, attributes_of, with_divisor
from efficient_nas.supernet.fusion.recognition import Refusal, is_candidate, recognise
from efficient_nas.supernet.fusion.trial import equal_in_a_trial, random_copy

_LARGEST_DIVISOR = 64  # of partial channels; published ones are 4 to 8


def candidate_list(module: nn.Module) -> list[nn.Module] | None:
    """The modules that may be the candidates of a mixed op; None if nothing looks like it.

    A ModuleList or ModuleDict of any name, or else children of a module that has weights or gets some. One
    that is an operation is enough for a list, so that a list in which another is not understood is reported.
    Refusal if there are several lists.
    """
    if isinstance(module, (nn.ModuleList, nn.ModuleDict, nn.Sequential)):
        return None
    lists = [list(child.children()) for child in module.children() if _is_list(child)]
    nested = [part for members in lists for part in members if _is_list(part)]
    if any(is_candidate(member) for part in nested for member in part.children()):
        raise Refusal(
            "its lists of candidates are in another list, and it is no search cell of NAS-Bench-201"
        )
    found = [members for members in lists if any(is_candidate(member) for member in members)]
    if len(found) > 1:
        raise Refusal(f"it has {len(found)} lists of candidates")
    if found:
        return found[0]
    children = [child for child in module.children() if is_candidate(child)]
    if len(children) < 2 or any(lists):
        return None
    weighs = argument_count(type(module)) == 2 or _has_weights(module, len(children))
    return children if weighs else None


def _is_list(module: nn.Module) -> bool:
    return isinstance(module, (nn.ModuleList, nn.ModuleDict))


def _has_weights(module: nn.Module, count: int) -> bool:
    """Whether the module itself has a tensor of as many numbers: a layer choice's weights of its children."""
    tensors = [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
    return any(isinstance(tensor, torch.Tensor) and tensor.numel() == count for tensor in tensors)


def mixed_op_plan(module: nn.Module, candidates: list[nn.Module]) -> MixedOpPlan:
    """The plan of a mixed op with these candidates; Refusal says why it is none."""
    found = recognise(candidates)
    edge = Edge(candidates, found.spec, found.stride)
    names = {id(part): name for name, part in module.named_modules()}
    paths = [names[id(candidate)] for candidate in candidates]
    twin = random_copy(module)
    arguments = argument_count(type(module))
    refusal: Refusal | None = None
    for plan in _plans(module, edge, arguments):
        channels = found.channels * plan.edge.spec.channel_divisor
        try:
            _try_out(twin, paths, plan, channels, arguments)
        except Refusal as error:
            refusal = refusal or error
        else:
            return plan
    raise refusal or Refusal("its forward takes neither x, nor x and the weights")


def argument_count(kind: type[nn.Module]) -> int:
    """How many tensors forward takes; *args counts as one."""
    parameters = list(inspect.signature(kind.forward).parameters.values())[1:]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 1
    return sum(p.kind in positional and p.default is p.empty for p in parameters)


def _plans(module: nn.Module, edge: Edge, arguments: int) -> Iterator[MixedOpPlan]:
    if arguments == 2:
        yield MixedOpPlan(edge, own_weights=False)
    if arguments in {1, 2}:
        yield MixedOpPlan(edge, own_weights=True)
    if arguments == 2:
        # PC-DARTS keeps the K of its partial channels in an attribute.
        numbers = {value for value in vars(module).values() if type(value) is int}
        for divisor in sorted(number for number in numbers if 1 < number <= _LARGEST_DIVISOR):
            yield MixedOpPlan(with_divisor(edge, divisor), own_weights=False)


def _try_out(twin: nn.Module, paths: list[str], plan: MixedOpPlan, channels: int, arguments: int) -> None:
    generator = torch.Generator().manual_seed(2)
    # Even sides: published modules fail on odd ones at stride 2. Large values reach the bounds of ReLU6.
    values: list[Any] = [10 * torch.randn(2, channels, 6, 4, generator=generator, dtype=torch.float64)]
    if arguments == 2:
        values.append(torch.rand(len(paths), generator=generator, dtype=torch.float64).add(0.1))

    def fused(module: nn.Module, args: tuple[Any, ...]) -> Any:
        own = MixedOpPlan(
            Edge([module.get_submodule(path) for path in paths], plan.edge.spec, plan.edge.stride),
            plan.own_weights,
            attributes_of(module),
        )
        y = own.fused("forward", module, type(module), args, {})
        if y is None:
            raise Refusal("its forward is not a weighted sum of its candidates")
        return y

    equal_in_a_trial(twin, values, lambda module, args: type(module).forward(module, *args), fused)
