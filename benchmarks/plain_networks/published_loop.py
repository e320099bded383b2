"""The search loop of DARTS (arXiv:1806.09055, train_search.py), first order, on a plain network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas.supernet import TrainingOptions
from plain_networks.tensors import arch_parameters, weights_of

Batch = tuple[Tensor, Tensor]
"""Images [N, 3, H, W] and labels [N]."""


def published_step(
    plain: nn.Module, options: TrainingOptions, *, frozen: bool = False
) -> Callable[[Batch, Batch], list[Tensor]]:
    """A step, which gives both losses: Adam on the first batch, then SGD of the weights on the second.

    As published, each pass computes the gradients of all parameters; frozen: of those that it uses alone.
    """
    arch, weights = arch_parameters(plain), weights_of(plain)
    sgd = torch.optim.SGD(weights, options.learning_rate, options.momentum, weight_decay=options.weight_decay)
    adam = torch.optim.Adam(
        arch, options.alpha_learning_rate, options.alpha_betas, weight_decay=options.alpha_weight_decay
    )

    def step(alpha_batch: Batch, weight_batch: Batch) -> list[Tensor]:
        losses = []
        passes = zip((alpha_batch, weight_batch), (adam, sgd), (arch, weights), strict=True)
        for (images, labels), optimizer, wanted in passes:
            loss = functional.cross_entropy(plain(images), labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss, inputs=wanted if frozen else None)
            if optimizer is sgd:
                nn.utils.clip_grad_norm_(weights, options.gradient_clip or 0.0)
            optimizer.step()
            losses.append(loss.detach())
        return losses

    return step
