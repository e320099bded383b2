"""Random crops, flips and cut-outs on batches of images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from efficient_nas.checks import flag, integer


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What happens to a training batch, in this order.

    Zero padding by `crop_padding` and a random crop back to the size; a mirror image of about every second
    one if `horizontal_flip`; zeros in a square of side `cutout` around a random pixel, as far as it lies in
    the image (DeVries & Taylor 2017, arXiv:1708.04552).
    """

    crop_padding: int = 0
    horizontal_flip: bool = False
    cutout: int = 0

    def __post_init__(self) -> None:
        integer("crop_padding", self.crop_padding, low=0)
        flag("horizontal_flip", self.horizontal_flip)
        integer("cutout", self.cutout, low=0)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A new batch [N, C, H, W] of `images`, each with draws of its own; `generator` lives on the CPU."""
        n, _, height, width = images.shape
        if self.crop_padding:
            pad = self.crop_padding
            padded = functional.pad(images, (pad, pad, pad, pad))
            offsets = torch.randint(2 * pad + 1, (2, n, 1), generator=generator)
            rows = (offsets[0] + torch.arange(height)).to(images.device)
            columns = (offsets[1] + torch.arange(width)).to(images.device)
            sample = torch.arange(n, device=images.device)[:, None, None]
            images = padded[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        if self.horizontal_flip:
            flipped = (torch.rand(n, generator=generator) < 0.5).to(images.device)
            images = torch.where(flipped[:, None, None, None], images.flip(3), images)
        if self.cutout:
            rows = _within(self.cutout, torch.randint(height, (n, 1), generator=generator), height)
            columns = _within(self.cutout, torch.randint(width, (n, 1), generator=generator), width)
            hole = (rows[:, :, None] & columns[:, None, :])[:, None].to(images.device)
            images = images.masked_fill(hole, 0)
        return images.contiguous()


def _within(side: int, centre: Tensor, size: int) -> Tensor:
    """Which of `size` positions lie within `side` around each centre [N, 1]: bool [N, size]."""
    first = centre - side // 2
    position = torch.arange(size)
    return (position >= first) & (position < first + side)
