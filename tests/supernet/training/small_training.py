"""Tiny supernets and images for tests of training, and what a training left behind."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from efficient_nas import spaces, supernet
from efficient_nas.supernet import Trainer, TrainingOptions
from efficient_nas.supernet.data import BatchOrder
from efficient_nas.types import derive_seed


def batch_of(images: supernet.Images, part: str, seed: int, number: int) -> tuple[Tensor, Tensor]:
    """Batch `number` of a training, made by hand."""
    own = derive_seed(seed, part)
    generator = torch.Generator().manual_seed(derive_seed(own, "augment", number, 0))
    return images.batch(BatchOrder(len(images), 8, own).indices(number), generator)


class NoiseImages:
    """Images of 10 classes, each a fixed pattern with noise; given by `count` and `seed` alone."""

    def __init__(self, count: int, seed: int, dtype: torch.dtype = torch.float32, size: int = 8) -> None:
        patterns = torch.randn(10, 3, size, size, generator=torch.Generator().manual_seed(99))
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(10, (count,), generator=generator)
        noise = torch.randn(count, 3, size, size, generator=generator)
        self.images = (patterns[self.labels] + 0.3 * noise).to(dtype)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        images = self.images[indices]
        if generator is not None:  # augmentation: a mirror image of every second one
            images = torch.where(
                (torch.rand(len(indices), generator=generator) < 0.5)[:, None, None, None],
                images.flip(3),
                images,
            )
        return images, self.labels[indices]


def data(weights: int = 16, alphas: int = 16, dtype: torch.dtype = torch.float32) -> supernet.SearchData:
    return supernet.SearchData(
        NoiseImages(weights, 1, dtype), NoiseImages(alphas, 2, dtype), NoiseImages(16, 3, dtype)
    )


def darts(**options: Any) -> Any:
    return supernet.DARTS(channels=4, layers=3, input_shape=(3, 8, 8), **options)


def nasbench201(**options: Any) -> Any:
    return supernet.NASBench201(channels=4, cells_per_stage=1, input_shape=(3, 8, 8), **options)


def single_path(seed: int = 0) -> Any:
    space = spaces.create("nasbench_macro")
    return supernet.SinglePath(space, (3, 8, 8), 10, seed=seed)


def options(**changes: Any) -> TrainingOptions:
    return TrainingOptions(**{"epochs": 2, "batch_size": 8, **changes})


def trained_state(trainer: Trainer, folder: Any) -> dict[str, Tensor]:
    """Everything that a training depends on: weights, statistics, alphas, optimizers, sampler."""
    tensors, _ = supernet.checkpoints.read(trainer.save(folder).parent)
    return tensors


def assert_same_bits(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    different = [name for name in one if not torch.equal(one[name], two[name])]
    assert different == []
