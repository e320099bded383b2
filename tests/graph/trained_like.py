"""Networks with weights as after training, for tests of what mutations do to the function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import efficient_nas as nas
from efficient_nas.candidates.blocks import Gate
from efficient_nas.graph import Architecture

StateDict = dict[str, Tensor]

SMALL = {
    "nasbench201": ({}, {"channels": 4, "cells_per_stage": 1}),
    "nasbench_macro": ({}, {"channels": 4, "head_channels": 12}),
    "darts": ({}, {"channels": 4, "layers": 3}),
    "mbconv": (
        {
            "stem_channels": 4,
            "head_channels": 12,
            "stages": [
                {"widths": [4, 6], "depths": [1, 2], "expansions": [1, 3]},
                {"widths": [6, 8], "depths": [1, 2], "stride": 2, "expansions": [2, 3]},
            ],
        },
        {},
    ),
}
"""Options of every built-in space and of its networks that keep them tiny."""


def small_network(space_name: str, seed: int) -> Architecture:
    """The deepest of four random architectures of a built-in space, for 8 x 8 images and 5 classes."""
    options, macro = SMALL[space_name]
    space = nas.spaces.create(space_name, **options)
    built: list[Any] = [space.build(g, (3, 8, 8), 5, **macro) for g in space.sample(4, seed)]
    return max(built, key=lambda arch: arch.depth)


def images_for(arch: Architecture, dtype: torch.dtype, n: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(n, *arch.input_shape, generator=generator, dtype=torch.float64).to(dtype)


def trained(arch: Architecture, seed: int, dtype: torch.dtype = torch.float32) -> StateDict:
    """A state dict with running statistics near those of a batch; all other weights are random."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return torch.rand(like.shape, generator=generator, dtype=torch.float64) * (high - low) + low

    network = arch.to_pytorch().double()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                bound = 2.0 * module.weight[0].numel() ** -0.5
                module.weight.copy_(uniform(module.weight, -bound, bound))
            if isinstance(module, nn.Linear):
                module.bias.copy_(uniform(module.bias, -0.2, 0.2))
            if isinstance(module, Gate):
                module.scale.copy_(uniform(module.scale, -1.0, 1.0))
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
                if module.affine:
                    module.weight.copy_(uniform(module.weight, -1.5, 1.5))
                    module.bias.copy_(uniform(module.bias, -0.5, 0.5))
        network(images_for(arch, torch.float64, n=16))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean += uniform(module.running_mean, -0.1, 0.1)
                module.running_var.clamp_(min=0.01).mul_(uniform(module.running_var, 0.7, 1.4))
    return network.to(dtype).state_dict()


def network_of(arch: Architecture, state: StateDict, train: bool = False) -> nn.Module:
    """The network with these weights, in their dtype."""
    network = arch.to_pytorch().train(train)
    dtype = next((t.dtype for t in state.values() if t.is_floating_point()), torch.float32)
    network.to(dtype).load_state_dict(state)
    return network


def output(arch: Architecture, state: StateDict, images: Tensor, train: bool = False) -> Tensor:
    with torch.no_grad():
        result: Tensor = network_of(arch, state, train)(images)
    return result


def relative_error(actual: Tensor, wanted: Tensor) -> float:
    """Largest difference in units of the largest output."""
    return float((actual - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30))
