"""State dicts of architectures: checking one, and the weights of a new node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from efficient_nas.graph.architecture import Architecture, Shape
from efficient_nas.graph.morphisms.draws import Draws
from efficient_nas.graph.morphisms.layers import Kind, Layer, layers_of
from efficient_nas.graph.network import module_of
from efficient_nas.graph.node import ArchNode

StateDict: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Change:
    """A mutated architecture, and how its state dict follows from a copy of the parent's."""

    architecture: Architecture
    carry: Callable[[StateDict, Draws], StateDict]


def key(node: int, layer: Layer, parameter: str) -> str:
    """Name of a layer's parameter in the state dict of the network."""
    return f"operations.{node}.{layer.key(parameter)}"


def copied(arch: Architecture, state_dict: Mapping[str, Tensor]) -> StateDict:
    """A copy of `state_dict` that shares no memory with it.

    Raises TypeError or ValueError, naming the entry, if it is not a state dict of `arch.to_pytorch()`.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"mutate: state_dict must be a dict of tensors, got {type(state_dict).__name__}")
    with torch.device("meta"):
        expected = arch.to_pytorch().state_dict()
    missing, unknown = expected.keys() - state_dict.keys(), state_dict.keys() - expected.keys()
    if missing or unknown:
        wrong = f"lacks {min(missing)!r}" if missing else f"has {min(unknown, key=str)!r}, which it lacks"
        raise ValueError(
            f"mutate: state_dict is not one of this architecture's network: it {wrong} "
            f"({len(missing)} entries are missing, {len(unknown)} unknown)"
        )
    for name, wanted in expected.items():
        value = state_dict[name]
        if not isinstance(value, Tensor):
            raise TypeError(f"mutate: state_dict[{name!r}] must be a tensor, got {type(value).__name__}")
        if value.shape != wanted.shape:
            raise ValueError(
                f"mutate: state_dict[{name!r}] must have shape {list(wanted.shape)}, got {list(value.shape)}"
            )
        if value.is_floating_point() != wanted.is_floating_point():
            kind = "floating point" if wanted.is_floating_point() else "integer"
            raise ValueError(f"mutate: state_dict[{name!r}] must be {kind}, got {value.dtype}")
    return {name: state_dict[name].detach().clone() for name in expected}


def added(state: StateDict, index: int, node: ArchNode, received: Shape, fresh: Draws | None) -> StateDict:
    """`state` with the weights of a new node: the identity, or if `fresh` random with a last norm of zero.

    Identity: convolutions whose kernel is 1 from each channel to itself, batch norms that undo their own
    epsilon. Random: convolutions as PyTorch initialises them, U(-b, b) with b = 1 / sqrt(fan in), drawn from
    `fresh`; the last batch norm's weight is 0, so that the node computes 0 beside its residual. A gate is 0
    either way. They get the dtype and the device of the weights that are there.
    """
    like = next((t for t in state.values() if t.is_floating_point()), torch.empty(0))
    with torch.device("meta"):
        module = module_of(node, received)
    new = {
        name: torch.zeros(t.shape, dtype=like.dtype if t.is_floating_point() else t.dtype, device=like.device)
        for name, t in module.state_dict().items()
    }
    layers = layers_of(node)
    for layer in layers:
        if layer.kind is Kind.NORM:
            norm = module.get_submodule(layer.name)
            assert isinstance(norm, nn.BatchNorm2d)
            undone = 1.0 if fresh else (1.0 + norm.eps) ** 0.5
            new[layer.key("weight")].fill_(0.0 if fresh and layer is layers[-1] else undone)
            new[layer.key("running_var")].fill_(1.0)
        elif layer.kind is not Kind.SCALE:
            weight = new[layer.key("weight")]
            if fresh:
                bound = weight[0].numel() ** -0.5
                drawn = (2.0 * fresh.uniforms(*weight.shape) - 1.0) * bound
                weight.copy_(torch.from_numpy(drawn).to(weight.dtype))
            else:
                _set_identity(weight, layer.kind)
    return state | {f"operations.{index}.{name}": tensor for name, tensor in new.items()}


def _set_identity(weight: Tensor, kind: Kind) -> None:
    """Writes 1 into the centre of each channel's kernel on itself; weight [O, I, k, k] is zero, k odd."""
    centre = weight.shape[-1] // 2
    units = torch.arange(weight.shape[0], device=weight.device)
    weight[units, 0 if kind is Kind.DEPTHWISE else units, centre, centre] = 1.0
