"""The trainer's steps on a fused supernet are those of the published loop on the plain network."""

from __future__ import annotations

import sys
from pathlib import Path

import small_training as small
import torch
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas.supernet import Trainer

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "networks")]

from plain_twins import give_tensors, weights_of  # noqa: E402

from plain_networks import darts  # noqa: E402  isort: skip

STEPS = 6
IMAGES = 8 * STEPS


def plain_losses(seed: int, layout: torch.memory_format) -> Tensor:
    """Losses of weight steps in the published loop on the plain network, float32."""
    network, data = small.darts(seed=seed), small.data(IMAGES, IMAGES)
    plain = darts.Network(C=4, layers=3).to(memory_format=layout)
    alphas = plain.arch_parameters()
    give_tensors(network, plain, alphas)
    weights = weights_of(plain, alphas)
    sgd = torch.optim.SGD(weights, lr=0.025, momentum=0.9, weight_decay=3e-4)
    adam = torch.optim.Adam(alphas, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    history = []
    for number in range(STEPS):
        for part, optimizer in (("alphas", adam), ("weights", sgd)):
            images, labels = small.batch_of(getattr(data, part), part, seed, number)
            adam.zero_grad()
            sgd.zero_grad()
            loss = functional.cross_entropy(plain(images.to(memory_format=layout)), labels)
            loss.backward()
            if part == "weights":
                nn.utils.clip_grad_norm_(weights, 5)
                history.append(loss.detach())
            optimizer.step()
    return torch.stack(history)


def trainer_losses(seed: int, dtype: torch.dtype) -> Tensor:
    """The same by the trainer on the fused supernet."""
    network, data = small.darts(seed=seed).to(dtype), small.data(IMAGES, IMAGES, dtype)
    trainer = Trainer(network, data, small.options(epochs=1), seed)
    history, step = [], trainer._steps.of_weights

    def recorded(number: int) -> tuple[float, float]:
        values = step(number)
        history.append(values[0])
        return values

    trainer._steps.of_weights = recorded
    trainer.fit()
    return torch.tensor(history, dtype=torch.float64)


def test_losses_are_as_close_to_float64_as_those_of_the_plain_loop() -> None:
    """Six steps, in which roundings alone differ: 2e-7 to 4e-7 in either loop.

    In longer runs a rounding puts a value to the other side of a ReLU, or another pixel first in a pool: a
    jump, whose step is chance.
    """
    for seed in (0, 1):
        exact = trainer_losses(seed, torch.float64)
        layouts = torch.contiguous_format, torch.channels_last
        plain = max((plain_losses(seed, layout) - exact).abs().max() for layout in layouts)
        error = (trainer_losses(seed, torch.float32) - exact).abs().max()
        rounding = torch.finfo(torch.float32).eps * exact.max()
        assert error <= 2 * plain + 2 * rounding
        assert exact[-1] != exact[0]
