"""Batch-norm statistics of one path, from images that it alone sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# Stands where a variance will be. No variance is negative, so where it still stands nothing ran; and it is so
# small that it changes none.
_NOTHING = -(2.0**-100)


def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Sets the running statistics that `network` uses now to those of `batches`, images [n, C, H, W] each.

    They become the means, over the batches weighted by their images, of what norms compute in training mode:
    the statistics that a network of this path alone would have. A supernet's own ones are a mixture of all
    paths (Guo et al. 2020, arXiv:1904.00420, section 3.4). What does not run (other options, other channels)
    keeps its statistics; the mode and num_batches_tracked stay. ValueError for no images.
    """
    norms = [_Recalibrated(part) for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    was_training, images = network.training, 0
    network.train()
    try:
        with torch.no_grad():
            for batch in batches:
                for norm in norms:
                    norm.clear()
                network(batch)
                for norm in norms:
                    norm.add(len(batch))
                images += len(batch)
    finally:
        network.train(was_training)
        for norm in norms:
            norm.restore()
    if images == 0:
        raise ValueError("recalibrate: batches must hold at least one image, got none")
    for norm in norms:
        norm.apply(images)


@contextmanager
def recalibrated(network: nn.Module, batches: Iterable[Tensor]) -> Iterator[None]:
    """A body with the statistics of `recalibrate`; afterwards all are as before."""
    norms = [_Recalibrated(part) for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    recalibrate(network, batches)
    try:
        yield
    finally:
        for norm in norms:
            norm.restore()


class _Recalibrated:
    """A norm, its statistics as they were, and sums over the batches since."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        if norm.momentum is None:
            raise ValueError("recalibrate: norms must have a number as momentum, got None")
        self._momentum = norm.momentum
        self._mean, self._variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        self._buffers = list(norm.buffers(recurse=False))
        self._kept = [buffer.clone() for buffer in self._buffers]
        self._means = torch.zeros_like(self._mean, dtype=torch.float64)
        self._variances = torch.zeros_like(self._variance, dtype=torch.float64)
        self._ran = torch.zeros_like(self._mean, dtype=torch.bool)

    def clear(self) -> None:
        """Before a batch: old values that count for nothing."""
        self._mean.zero_()
        self._variance.fill_(_NOTHING)

    def add(self, images: int) -> None:
        """After a batch, which left (1 - momentum) * old + momentum * new."""
        self._ran = self._variance != _NOTHING
        self._means += self._mean.double() * (images / self._momentum)
        self._variances += self._variance.double().clamp(min=0) * (images / self._momentum)

    def restore(self) -> None:
        """Statistics as they were."""
        for buffer, kept in zip(self._buffers, self._kept, strict=True):
            buffer.copy_(kept)

    def apply(self, images: int) -> None:
        """The means, where the norm ran."""
        for buffer, total in ((self._mean, self._means), (self._variance, self._variances)):
            buffer.copy_(torch.where(self._ran, total / images, buffer.double()))
