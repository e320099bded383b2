"""Gradients of shared weights along paths, and what paths are worth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from efficient_nas.supernet.networks import Supernet

Logits = Callable[[Tensor], Tensor]
"""Runs the supernet along its path: images to logits of full precision."""


def accumulate(
    supernet: Supernet,
    logits_of: Logits,
    paths: npt.NDArray[np.uint8],
    images: Tensor,
    labels: Tensor,
    *,
    teaches: bool,
) -> tuple[Tensor, Tensor]:
    """Adds up the gradients of the paths uint8 [m, num_choices] in `.grad`; mean loss and mean accuracy.

    teaches: the first path learns from the labels, the others from its soft labels (inplace distillation,
        arXiv:1903.05134, section 3.3).
    """
    losses, accuracies, targets = [], [], labels
    for index, path in enumerate(paths):
        supernet.set_path(path)
        logits = logits_of(images)
        loss = functional.cross_entropy(logits, targets)
        if loss.requires_grad:  # not so where the path is cut: constant logits
            torch.autograd.backward(loss)
        if teaches and index == 0:
            targets = logits.detach().softmax(1)
        losses.append(loss.detach())
        accuracies.append(accuracy(logits, labels))
    return torch.stack(losses).mean(), torch.stack(accuracies).mean()


@torch.no_grad()
def worth(
    supernet: Supernet, logits_of: Logits, paths: npt.NDArray[np.uint8], images: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Losses [m] and accuracies [m] of the paths uint8 [m, num_choices] on a batch, with its statistics."""
    losses, accuracies = [], []
    for path in paths:
        supernet.set_path(path)
        logits = logits_of(images)
        losses.append(functional.cross_entropy(logits, labels))
        accuracies.append(accuracy(logits, labels))
    return torch.stack(losses), torch.stack(accuracies)


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of right answers, a scalar of the logits' dtype."""
    return (logits.argmax(1) == labels).to(logits.dtype).mean()
