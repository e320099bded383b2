"""Gradients of a supernet's loss that leave the supernet as it is."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from efficient_nas.supernet.networks.gradient import GradientSupernet

Batch = tuple[Tensor, Tensor]
"""Images [n, C, H, W] and labels int64 [n]."""


def relaxed_copy(supernet: GradientSupernet, seed: int) -> GradientSupernet:
    """A copy in training mode without a path, on noise drawn from `seed` where it is stochastic."""
    network = copy.deepcopy(supernet).train()
    network.clear_path()
    network.draw(seed)
    return network


@torch.enable_grad()
def gradients(supernet: nn.Module, batch: Batch, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """Gradients of the mean cross-entropy of a batch; zeros where it does not depend on a parameter.

    The batch is moved to where the parameters are.
    """
    images, labels = (tensor.to(parameters[0].device) for tensor in batch)
    loss = F.cross_entropy(supernet(images), labels)
    return list(torch.autograd.grad(loss, list(parameters), materialize_grads=True))
