"""Comparisons of our supernets with plain networks."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from efficient_nas.supernet import Supernet

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from plain_networks.tensors import arch_parameters, statistics, weights_of


def randomised(net: nn.Module, seed: int = 0) -> nn.Module:
    """The network in float64; architecture and running statistics are such that all of them count."""
    net = net.double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.arch_parameters() if isinstance(net, Supernet) else ():
            parameter.normal_(generator=generator)
        for name, buffer in net.named_buffers():
            if name.endswith("running_mean"):  # small, so that no ReLU cuts off all images
                buffer.normal_(std=0.1, generator=generator)
            elif name.endswith("running_var"):
                buffer.uniform_(0.02, 0.1, generator=generator)
    return net


def assert_same_logits(got: Tensor, expected: Tensor) -> None:
    """Equal but for rounding, and not all the same."""
    assert (expected.std(dim=0) > 1e-3).any()
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def assert_same_step(net: Supernet, plain: nn.Module, images: Tensor) -> None:
    """Logits, all gradients and running statistics of one step, then logits in evaluation."""
    close = {"rtol": 1e-8, "atol": 1e-8}
    expected, got = plain.train()(images), net.train()(images)
    assert_same_logits(got, expected)
    for logits in (expected, got):
        logits.square().sum().backward()
    pairs = [*zip(net.arch_parameters(), arch_parameters(plain), strict=True)]
    pairs += zip(net.weight_parameters(), weights_of(plain), strict=True)
    for own, other in pairs:
        grad = torch.zeros_like(other) if other.grad is None else other.grad
        scale = max(1.0, float(grad.abs().max()))
        torch.testing.assert_close(own.grad, grad, rtol=1e-7, atol=1e-9 * scale)
    for own, other in zip(statistics(net), statistics(plain), strict=True):
        torch.testing.assert_close(own, other, **close)
    with torch.no_grad():
        assert_same_logits(net.eval()(images), plain.eval()(images))
