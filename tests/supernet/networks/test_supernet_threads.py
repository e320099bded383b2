"""Supernets give the same bits on any number of threads, but for torch's layers outside of cells."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from efficient_nas import supernet
from efficient_nas.supernet.networks.gradient import GradientSupernet
from efficient_nas.threads import fixed_threads

IMAGES = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(1))


class Widened(nn.Module):
    """Repeats channels and leaves pixels out, instead of torch's convolutions."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Tensor) -> Tensor:
        times = -(-self.channels // x.shape[1])
        return x.repeat(1, times, 1, 1)[:, : self.channels, :: self.stride, :: self.stride]


def darts(kind: type[GradientSupernet]) -> GradientSupernet:
    net = kind(16, 3, input_shape=(3, 12, 12))
    net.stem, net.classifier = Widened(48), nn.Identity()
    return net


def nasbench201(_: type[GradientSupernet]) -> GradientSupernet:
    net = supernet.NASBench201(16, 1, input_shape=(3, 12, 12))
    net.stem, net.head = Widened(16), nn.Identity()
    net.cells[1], net.cells[3] = Widened(32, 2), Widened(64, 2)
    return net


@pytest.mark.parametrize(
    ("make", "kind"),
    [(darts, supernet.DARTS), (darts, supernet.PCDARTS), (nasbench201, supernet.NASBench201)],
)
def test_features_gradients_and_statistics_of_a_whole_supernet(
    make: Callable[[type[GradientSupernet]], GradientSupernet], kind: type[GradientSupernet]
) -> None:
    outcomes = []
    for threads in (1, 2, 3):
        net = make(kind).train()
        with fixed_threads(threads):
            features = net(IMAGES)
            features.square().sum().backward()
        gradients = [p.grad for p in (*net.weight_parameters(), *net.arch_parameters())]
        outcomes.append([features.detach(), *gradients, *net.buffers()])
    assert outcomes[0][0].std() > 0 and all(g.any() for g in gradients[-len(net.arch_parameters()) :])
    for other in outcomes[1:]:
        assert all(torch.equal(a, b) for a, b in zip(outcomes[0], other, strict=True))
