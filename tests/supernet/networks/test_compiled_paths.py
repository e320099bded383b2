"""Paths in compiled code: one graph for all of them, the same numbers, nothing seen of other options."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from path_networks import MACRO, elastic, genotypes, images, single_path
from torch import nn

import efficient_nas as nas
from efficient_nas.spaces import Space


class Counting:
    """A backend of torch.compile that counts graphs and runs them as they are."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: Any, inputs: Any) -> Any:
        self.graphs += 1
        return graph


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled(network: nn.Module, **options: Any) -> tuple[Any, Counting]:
    backend = Counting()
    return torch.compile(network, backend=backend, **options), backend


SMALL = nas.spaces.create(
    "mbconv", stem_channels=4, head_channels=8, stages=[{"widths": [4], "depths": [1, 2], "kernels": [3]}]
)
each_network = pytest.mark.parametrize(
    ("space", "implementation"),
    [(MACRO, "fused"), (SMALL, "fused"), (SMALL, "reference")],
    ids=["nasbench_macro", "mbconv", "mbconv by torch"],
)


@each_network
def test_a_change_of_path_compiles_nothing(space: Space, implementation: str) -> None:
    network = single_path(space, implementation=implementation).double()
    eager = copy.deepcopy(network)
    run, backend = compiled(network, fullgraph=True)
    x = images(4, torch.float64)
    for genotype in genotypes(network, 4):
        network.set_path(genotype)
        eager.set_path(genotype)
        network.zero_grad()
        eager.zero_grad()
        got, expected = run(x), eager(x)
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
        got.logsumexp(1).sum().backward()
        expected.logsumexp(1).sum().backward()
        for (name, a), b in zip(network.named_parameters(), eager.parameters(), strict=True):
            wanted = torch.zeros_like(b) if b.grad is None else b.grad
            torch.testing.assert_close(a.grad, wanted, rtol=1e-7, atol=1e-9, msg=name)
        for (name, a), b in zip(network.named_buffers(), eager.buffers(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9, msg=name)
    assert backend.graphs == 1


@each_network
def test_compiled_code_sees_nothing_of_other_options(space: Space, implementation: str) -> None:
    network = single_path(space, implementation=implementation).train(implementation == "fused")
    network.set_path(genotypes(network, 1, seed=3)[0])
    for layer, chosen in zip(network.layers, network._chosen, strict=True):
        for k, option in enumerate(layer.options):
            for tensor in option.state_dict().values():
                if k != chosen and tensor.is_floating_point():
                    tensor.fill_(torch.nan)
    run, _ = compiled(network, fullgraph=True)
    loss = run(images(4)).square().sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    for layer, chosen in zip(network.layers, network._chosen, strict=True):
        for k, option in enumerate(layer.options):
            for name, tensor in option.state_dict().items():
                if k != chosen and tensor.is_floating_point():
                    assert tensor.isnan().all(), name


def test_an_elastic_supernet_is_left_in_eager_mode() -> None:
    network = elastic()
    run, backend = compiled(network)
    for genotype in genotypes(network, 4):
        network.set_path(genotype)
        torch.testing.assert_close(run(images(2)), copy.deepcopy(network)(images(2)))
    assert backend.graphs == 0
