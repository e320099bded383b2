"""A training run of a fused network stays as close to eager's as eager stays to itself."""

from __future__ import annotations

import pytest
import supernet_training  # noqa: F401  finds plain_networks
import torch
from torch import Tensor, nn

from efficient_nas import supernet

from plain_networks import darts  # isort: skip


class Network(nn.Module):
    """Two mixed ops of DARTS between a stem and a classifier; logits of 8 x 8 digits."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.reduce, self.normal = darts.MixedOp(channels, 2), darts.MixedOp(channels, 1)
        self.alpha = nn.Parameter(torch.zeros(2, 8))
        self.classifier = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.alpha.softmax(1)
        y = self.normal(self.reduce(self.stem(x), weights[0]), weights[1])
        return self.classifier(y.mean((2, 3)))


def losses(seed: int, dtype: torch.dtype, *, fused: bool, steps: int) -> Tensor:
    """float64 [steps]: losses of SGD on weights and architecture, alike in every run."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    images = torch.tensor(digits.images, dtype=dtype).unsqueeze(1) / 16 - 0.3
    labels = torch.tensor(digits.target)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network().to(dtype)
    if fused:
        assert len(supernet.fuse(network).fused) == 2
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    history = []
    for _ in range(steps):
        batch = torch.randint(len(images), (16,), generator=generator)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return torch.tensor(history, dtype=torch.float64)


def test_200_losses_are_those_of_eager_in_float64() -> None:
    """Float64's roundings are too small to meet a jump: 9e-16 after 200 steps, over 24 seeds.

    A norm's eps that is 1.5 times too large makes it 5e-3, a gradient of alpha that is 0.1 % too large 4e-3.
    """
    eager, fused = (losses(0, torch.float64, fused=fused, steps=200) for fused in (False, True))
    assert eager[-10:].mean() < 0.9 * eager[:10].mean()
    torch.testing.assert_close(fused, eager, rtol=0, atol=1e-13)


def test_in_float32_losses_are_as_close_to_float64_as_eagers() -> None:
    """By the root mean square over 40 steps, the median of three seeds.

    Later a rounding puts a value to the other side of a ReLU, or another pixel first in a pool, and gradients
    jump: 2e-7 grow to 1e-3 within 200 steps, between eager on one thread and on two as well. When it happens
    is chance, so that only many seeds can tell (benchmarks/training_closeness.py).
    """
    errors: dict[bool, list[Tensor]] = {False: [], True: []}
    for seed in range(3):
        exact = losses(seed, torch.float64, fused=False, steps=40)
        for fused, found in errors.items():
            error = losses(seed, torch.float32, fused=fused, steps=40) - exact
            found.append(error.square().mean().sqrt())
    eager, fused = (torch.stack(found).median() for found in errors.values())
    assert fused <= 2 * eager + torch.finfo(torch.float32).eps
