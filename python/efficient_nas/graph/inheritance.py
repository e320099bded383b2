"""Weights of a mutant that come from its parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from efficient_nas.graph.architecture import Architecture
from efficient_nas.graph.morphisms.weights import copied
from efficient_nas.graph.network import DAGNetwork


def inherited_weights(
    parent: Architecture,
    child: Architecture,
    origin: Sequence[int],
    state_dict: Mapping[str, Tensor],
    seed: int,
) -> dict[str, Tensor]:
    """A state dict for `child.to_pytorch()`: the parent's tensors where node and shape stay, else fresh ones.

    origin: for every node of the child the parent's node whose weights it takes over, or -1. Fresh tensors
    are PyTorch's initial ones drawn from `seed`, in the dtype and on the device of the parent's. Every tensor
    is a copy. Raises ValueError if `state_dict` is not one of `parent.to_pytorch()`.
    """
    state = copied(parent, state_dict)
    example = next((tensor for tensor in state.values() if tensor.is_floating_point()), None)
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the user's GPUs as well; torch takes no larger seeds.
        torch.default_generator.manual_seed(int(seed) % 2**63)
        fresh = DAGNetwork(child).state_dict()
    weights = {}
    for name, tensor in fresh.items():
        room, node, rest = name.split(".", 2)
        source = state.get(f"{room}.{origin[int(node)]}.{rest}")
        if source is not None and source.shape == tensor.shape:
            weights[name] = source
        elif example is not None and tensor.is_floating_point():
            weights[name] = tensor.to(example.device, example.dtype)
        else:
            weights[name] = tensor if example is None else tensor.to(example.device)
    return weights
