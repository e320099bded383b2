"""The images that a supernet is trained on, and the order in which they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from efficient_nas.supernet.ranks import Ranks
from efficient_nas.types import derive_seed


class Images(Protocol):
    """Labelled images by index.

    batch(indices, generator): images float32 [b, C, H, W] and labels int64 [b] of `indices` int64 [b];
    augmented, with draws from `generator`, where one is given.
    """

    def __len__(self) -> int: ...
    def batch(self, indices: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True, slots=True, eq=False)
class SearchData:
    """Three sets of images that share none: what keeps a search from judging on what it trained on.

    weights: the weights train on them. alphas: architecture parameters and policies learn from them; empty
    where there is nothing to learn. validation: for diagnosis, early stopping and the accuracy of subnets
    with shared weights.
    """

    weights: Images
    alphas: Images
    validation: Images


class BatchOrder:
    """An endless order of batches: pass after pass over `count` images, each pass shuffled anew.

    Batch number t is a function of the seed and t alone, so that a resumed training needs no position. An
    incomplete last batch of a pass is dropped unless it is the only one.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self._count, self._size, self._seed = count, min(batch_size, count), seed
        self.batches = count // max(1, self._size)
        """Batches in one pass; none without images."""
        self._pass, self._order = -1, torch.empty(0, dtype=torch.int64)

    def indices(self, number: int) -> Tensor:
        """int64 [b]: the images of batch `number`, counted from 0 over all passes."""
        shuffle, position = divmod(number, self.batches)
        if shuffle != self._pass:
            generator = torch.Generator().manual_seed(derive_seed(self._seed, "order", shuffle))
            self._pass, self._order = shuffle, torch.randperm(self._count, generator=generator)
        return self._order[position * self._size : (position + 1) * self._size]


class Batches:
    """Augmented batches of `images` in a `BatchOrder`, on the device and in channels_last memory.

    With several ranks, each gets its part of every batch and draws its own augmentation.
    """

    def __init__(self, images: Images, batch_size: int, seed: int, ranks: Ranks, like: Tensor) -> None:
        self._images, self._seed, self._ranks, self._like = images, seed, ranks, like
        self.order = BatchOrder(len(images), batch_size, seed)

    def get(self, number: int) -> tuple[Tensor, Tensor]:
        """Images [b, C, H, W] in the dtype of `like` and labels int64 [b] of batch 0, 1, ..."""
        seed = derive_seed(self._seed, "augment", number, self._ranks.rank)
        generator = torch.Generator().manual_seed(seed)
        images, labels = self._images.batch(self._ranks.part(self.order.indices(number)), generator)
        device, dtype = self._like.device, self._like.dtype
        placed = images.to(device=device, dtype=dtype, memory_format=torch.channels_last)
        return placed, labels.to(device)
