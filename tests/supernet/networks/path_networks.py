"""Tiny supernets of paths, and what the tests of all of them compare."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import efficient_nas as nas
from efficient_nas.spaces import Space
from efficient_nas.supernet import Elastic, SinglePath, Supernet
from efficient_nas.types import Genotype

MACRO = nas.spaces.create("nasbench_macro")
MBCONV = nas.spaces.create(
    "mbconv",
    stem_channels=4,
    head_channels=8,
    stages=[
        {"widths": [4, 6], "depths": [1, 2], "kernels": [3, 5, 7], "expansions": [1, 3]},
        {"widths": [6, 8, 10], "depths": [1, 2, 3], "stride": 2},
    ],
)
ONE_WIDTH = MBCONV.keep({"stage1/width": [4], "stage2/width": [8]})


def single_path(space: Space = MACRO, **options: object) -> SinglePath:
    if space is MACRO:
        options["macro"] = {"channels": 4, "head_channels": 8}
    return SinglePath(space, (3, 16, 16), 5, **options)  # type: ignore[arg-type]


def elastic(**options: object) -> Elastic:
    """With transformed kernels, not the identity that they start as."""
    network = Elastic(MBCONV, (3, 16, 16), 5, **options)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    for name, parameter in network.named_parameters():
        if "transforms" in name:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


def images(count: int, dtype: torch.dtype = torch.float32, size: int = 16, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, size, size, generator=generator, dtype=dtype)


def standalone(network: Supernet, genotype: Genotype) -> nn.Module:
    """The network of one path with copies of the shared weights, in their dtype."""
    alone = network.architecture(genotype).to_pytorch().to(next(network.parameters()).dtype)
    alone.load_state_dict(network.subnet_state(genotype))
    return alone


def genotypes(network: Supernet, count: int, seed: int = 0) -> list[Genotype]:
    """Random ones and the ends of the space."""
    space = network.space
    ends = [nas.supernet.Sandwich(space, 0).paths(0)] if count > 1 else []
    return list(np.concatenate([*ends, space.sample(count, seed)]))


def largest_difference(a: Tensor, b: Tensor) -> float:
    return float((a.detach().double() - b.detach().double()).abs().max())
