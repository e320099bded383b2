"""Training goes on after function-preserving mutations: what is new learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from morphism_networks import HEAD, Scripted, chain_of, check
from torch import Tensor, nn
from trained_like import SMALL, images_for, network_of, output, relative_error, small_network, trained

from efficient_nas.graph import ArchNode, morphisms
from efficient_nas.graph.morphisms.draws import Draws
from efficient_nas.graph.morphisms.insertion import InsertIdentity
from efficient_nas.graph.morphisms.widening import Widen

KEEP_IN_TRAINING = ("widen", "identity", "add_skip", "change_kernel")


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_copies_grow_apart_in_training(optimizer: Any) -> None:
    wide = ArchNode("conv_bn_relu", 4, 6, kernel_size=1)
    arch = chain_of(ArchNode("conv_bn_relu", 2, 4, kernel_size=3), wide, *HEAD)
    change = Widen(arch).draw((1, False), Scripted(0))
    drawn = change.carry(trained(arch, 0), Draws(0, 2))
    halves = dict(drawn)
    weight = halves["operations.2.0.weight"] = drawn["operations.2.0.weight"].clone()
    weight[:, :2] = weight[:, :2].mean(1, keepdim=True)
    apart = []
    for state in (drawn, halves):
        network = network_of(change.architecture, state, train=True)
        steps = optimizer(network.parameters(), lr=0.05)
        for _ in range(10):
            train_step(network, images_for(arch, torch.float32), steps)
        weight = network.get_parameter("operations.1.0.weight")
        apart.append((weight[0] - weight[1]).abs().max().item())
    assert apart[0] > 1e-3, "random shares break the symmetry"
    assert apart[1] < 1e-5, "equal ones, as in the paper, would not"


def train_step(network: nn.Module, images: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    logits = network(images)
    loss = nn.functional.cross_entropy(logits, torch.arange(len(images)) % logits.shape[1])
    loss.backward()
    optimizer.step()


def test_a_closed_gate_gets_a_gradient() -> None:
    arch = small_network("nasbench201", 0)
    child, grown = morphisms.apply(arch, "add_skip", 0, trained(arch, 0))
    assert child.nodes[-1].operation == "gate" and grown is not None
    network = network_of(child, grown, train=True)
    gate = network.get_parameter(f"operations.{len(arch.nodes)}.scale")
    assert not gate.any()
    network(images_for(arch, torch.float32)).square().sum().backward()
    assert gate.grad is not None and gate.grad.abs().min() > 0


@pytest.mark.parametrize("number", range(len(InsertIdentity.BLOCKS)))
def test_an_inserted_block_learns(number: int) -> None:
    arch = chain_of(ArchNode("conv_bn_relu", 2, 6, kernel_size=3), *HEAD)
    identity = InsertIdentity(arch)
    site = next(site for site in identity.sites() if site.sources == (1,))
    change = identity.draw(site, Scripted(number))
    state = trained(arch, 0)
    grown = change.carry(dict(state), Draws(0, 2))
    check(arch, state, change.architecture, grown, "identity")
    network = network_of(change.architecture, grown, train=True)
    block = network.operations[str(len(arch.nodes))]  # type: ignore[index, union-attr]
    last = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)][-1]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    train_step(network, images_for(arch, torch.float32), optimizer)
    assert last.weight.abs().min() > 0
    train_step(network, images_for(arch, torch.float32), optimizer)
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", KEEP_IN_TRAINING)
@pytest.mark.parametrize("space_name", SMALL)
def test_these_kinds_keep_the_function_in_training_mode_too(space_name: str, kind: str) -> None:
    arch = small_network(space_name, 0)
    state = trained(arch, 0, torch.float64)
    images = images_for(arch, torch.float64, n=8)
    wanted = output(arch, state, images, train=True)
    for seed in range(3):
        child, grown = morphisms.apply(arch, kind, seed, state)
        assert grown is not None
        error = relative_error(output(child, grown, images, train=True), wanted)
        assert error < 1e-9, f"{kind} changed the output in training mode by {error:.2e} of its scale"
