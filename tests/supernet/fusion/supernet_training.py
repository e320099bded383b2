"""Trains a network for some steps, and compares two networks that must do the same."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from efficient_nas import supernet

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from plain_networks.tensors import arch_parameters, double


def architecture(network: nn.Module) -> list[Tensor]:
    """The architecture parameters that are not among the network's parameters."""
    return [alpha for alpha in arch_parameters(network) if not isinstance(alpha, nn.Parameter)]


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network in float64; parameters, statistics and architecture are such that all of them count."""
    network = double(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in architecture(network):
            tensor.normal_(generator=generator)
        for name, buffer in network.named_buffers():
            if name.endswith(("mean", "var")):
                buffer.uniform_(0.5, 1.5, generator=generator)
    return network


def train(network: nn.Module, images: Tensor, steps: int, seed: int = 7) -> list[Tensor]:
    """Logits of every step of SGD with momentum and weight decay, then logits in evaluation."""
    torch.manual_seed(seed)
    tensors = [*network.parameters(), *architecture(network)]
    optimizer = torch.optim.SGD(tensors, lr=0.05, momentum=0.9, weight_decay=1e-3)
    results = []
    for _ in range(steps):
        optimizer.zero_grad()
        logits = network.train()(images)
        logits.square().mean().backward()
        optimizer.step()
        results.append(logits.detach())
    with torch.no_grad():
        results.append(network.eval()(images))
    return results


def assert_trains_alike(plain: nn.Module, images: Tensor, steps: int = 3) -> supernet.FuseReport:
    """Fuses a copy of a float64 network and compares everything that a training changes; the report."""
    fused = copy.deepcopy(plain)
    report = supernet.fuse(fused)
    names = list(plain.state_dict())
    assert list(fused.state_dict()) == names
    for expected, got in zip(train(plain, images, steps), train(fused, images, steps), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8)
    states = plain.state_dict(), fused.state_dict()
    for name in names:
        torch.testing.assert_close(states[1][name], states[0][name], rtol=1e-7, atol=1e-8, msg=name)
    for expected, got in zip(architecture(plain), architecture(fused), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-8)
    for (name, expected), got in zip(plain.named_parameters(), fused.parameters(), strict=True):
        assert (expected.grad is None) == (got.grad is None), name
        if expected.grad is not None:
            torch.testing.assert_close(got.grad, expected.grad, rtol=1e-6, atol=1e-8, msg=name)
    return report
