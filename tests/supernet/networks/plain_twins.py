"""Plain networks with the tensors of our supernets, and comparisons of the two."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from efficient_nas.supernet import Supernet

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))


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


def give_tensors(net: Supernet, plain: nn.Module, arch: list[Tensor]) -> None:
    """Copies weights, running statistics and architecture parameters of a supernet to a plain network."""
    with torch.no_grad():
        for own, other in zip(net.weight_parameters(), weights_of(plain, arch), strict=True):
            other.copy_(own)
        for own, other in zip(statistics(net), statistics(plain), strict=True):
            other.copy_(own)
        for own, other in zip(net.arch_parameters(), arch, strict=True):
            other.copy_(own)


def weights_of(plain: nn.Module, arch: list[Tensor]) -> list[nn.Parameter]:
    """The parameters of a plain network that are no architecture parameters."""
    return [parameter for parameter in plain.parameters() if all(parameter is not a for a in arch)]


def statistics(module: nn.Module) -> list[Tensor]:
    """What norms keep, in order."""
    names = ("running_mean", "running_var", "num_batches_tracked")
    return [buffer for name, buffer in module.named_buffers() if name.rpartition(".")[2] in names]


def assert_same_step(net: Supernet, plain: nn.Module, arch: list[Tensor], images: Tensor) -> None:
    """Logits, all gradients and running statistics of one step, then logits in evaluation."""
    close = {"rtol": 1e-8, "atol": 1e-8}
    expected, got = plain.train()(images), net.train()(images)
    assert_same_logits(got, expected)
    for logits in (expected, got):
        logits.square().sum().backward()
    pairs = [*zip(net.arch_parameters(), arch, strict=True)]
    pairs += zip(net.weight_parameters(), weights_of(plain, arch), strict=True)
    for own, other in pairs:
        grad = torch.zeros_like(other) if other.grad is None else other.grad
        scale = max(1.0, float(grad.abs().max()))
        torch.testing.assert_close(own.grad, grad, rtol=1e-7, atol=1e-9 * scale)
    for own, other in zip(statistics(net), statistics(plain), strict=True):
        torch.testing.assert_close(own, other, **close)
    with torch.no_grad():
        assert_same_logits(net.eval()(images), plain.eval()(images))
