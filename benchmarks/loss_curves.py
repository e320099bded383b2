"""Losses of a first-order search by our trainer, and by the published loop on a plain network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from efficient_nas.supernet import SearchData, Supernet, Trainer, TrainingOptions
from efficient_nas.supernet.data import Batches
from efficient_nas.supernet.ranks import Ranks
from efficient_nas.types import derive_seed
from plain_networks.published_loop import Batch, published_step


@dataclass(frozen=True)
class Search:
    """What every loop is given; `options` for one epoch."""

    data: SearchData
    options: TrainingOptions
    seed: int

    @property
    def steps(self) -> int:
        return len(self.data.weights) // self.options.batch_size


def trainer_losses(net: Supernet, search: Search) -> Tensor:
    """float64 [steps]: losses of the weight steps of one epoch of `Trainer`."""
    trainer = Trainer(net, search.data, search.options, search.seed)
    losses, step = [], trainer._steps.of_weights

    def recorded(number: int) -> tuple[float, float]:
        values = step(number)
        losses.append(values[0])
        return values

    trainer._steps.of_weights = recorded  # type: ignore[method-assign]
    trainer.fit()
    return torch.tensor(losses, dtype=torch.float64)


def plain_losses(plain: nn.Module, search: Search, layout: torch.memory_format) -> Tensor:
    """float64 [steps]: the same of the published loop on a plain network, on the trainer's batches.

    Each pass computes the gradients that it uses alone, which changes no loss.
    """
    plain = plain.train().to(memory_format=layout)
    step = published_step(plain, search.options, frozen=True)
    weights, alphas = (_batches(search, part, plain) for part in ("weights", "alphas"))
    losses = []
    for number in range(search.steps):
        batches = (_placed(part.get(number), layout) for part in (alphas, weights))
        losses.append(float(step(*batches)[1]))
    return torch.tensor(losses, dtype=torch.float64)


def _batches(search: Search, part: str, plain: nn.Module) -> Batches:
    images, seed = getattr(search.data, part), derive_seed(search.seed, part)
    return Batches(images, search.options.batch_size, seed, Ranks(None), next(plain.parameters()))


def _placed(batch: Batch, layout: torch.memory_format) -> Batch:
    return batch[0].contiguous(memory_format=layout), batch[1]
