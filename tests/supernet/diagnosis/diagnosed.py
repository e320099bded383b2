"""Small supernets and images for the tests of what is measured of them."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from efficient_nas.supernet import DARTS, NASBench201, SearchData

CLASSES = 4


class RandomImages:
    """`count` images of 8 x 8 pixels with labels that depend on their mean."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(CLASSES, (count,), generator=generator)
        noise = torch.randn(count, 3, 8, 8, generator=generator)
        self.images = noise + self.labels.view(-1, 1, 1, 1) / 2

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        return self.images[indices], self.labels[indices]


def search_data(count: int = 16) -> SearchData:
    return SearchData(RandomImages(count, 0), RandomImages(count, 1), RandomImages(count, 2))


def batch(count: int = 8) -> tuple[Tensor, Tensor]:
    images = RandomImages(count, 3)
    return images.images, images.labels


def nasbench201(**options: Any) -> NASBench201:
    """One cell a stage, and alphas that are not almost equal."""
    return decided(NASBench201(4, 1, CLASSES, (3, 8, 8), **options))


def darts(**options: Any) -> DARTS:
    return decided(DARTS(4, 3, CLASSES, (3, 8, 8), **options))


def decided(supernet: Any) -> Any:
    with torch.no_grad():
        for alpha in supernet.arch_parameters():
            alpha.mul_(1000)
    return supernet


def everything(supernet: Any) -> dict[str, Any]:
    """All that a measurement could leave behind."""
    return {
        **{f"value {n}": t.detach().clone() for n, t in supernet.named_parameters()},
        **{f"buffer {n}": t.clone() for n, t in supernet.named_buffers()},
        **{f"gradient {n}": copy.copy(t.grad) for n, t in supernet.named_parameters()},
        **{f"mode {n}": module.training for n, module in supernet.named_modules()},
        "random": torch.get_rng_state(),
    }


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(v, b[k]) if isinstance(v, Tensor) else v == b[k] for k, v in a.items()
    )
