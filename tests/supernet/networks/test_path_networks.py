"""Supernets that run one path: it computes, and learns, what the network of that path alone does."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from path_networks import (
    MACRO,
    MBCONV,
    ONE_WIDTH,
    elastic,
    genotypes,
    images,
    largest_difference,
    single_path,
    standalone,
)

import efficient_nas as nas
from efficient_nas.supernet import Elastic, SinglePath, Supernet

MAKERS: dict[str, Callable[..., Supernet]] = {
    "nasbench_macro": single_path,
    "mbconv of one width": lambda **options: single_path(ONE_WIDTH, **options),
    "elastic": elastic,
}
each_network = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@each_network
@pytest.mark.parametrize("implementation", ["fused", "reference"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)], ids=["float64", "float32"]
)
def test_a_path_is_the_network_of_its_own(
    make: Callable[..., Supernet], implementation: str, dtype: torch.dtype, tolerance: float
) -> None:
    """Logits, gradients and running statistics, in training and in evaluation mode."""
    network = make(implementation=implementation).to(dtype)
    x = images(6, dtype)
    for genotype in genotypes(network, 4):
        network.set_path(genotype)
        alone = standalone(network, genotype)
        for training in (True, False):
            network.zero_grad()
            alone.zero_grad()
            got, expected = network.train(training)(x), alone.train(training)(x)
            assert largest_difference(got, expected) < tolerance
            torch.logsumexp(got, 1).sum().backward()
            torch.logsumexp(expected, 1).sum().backward()
            shared = sum(float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None)
            own = sum(float(p.grad.square().sum()) for p in alone.parameters() if p.grad is not None)
            transforms = sum(
                float(p.grad.square().sum())
                for name, p in network.named_parameters()
                if "transforms" in name and p.grad is not None
            )
            if not transforms:  # else the chain rule goes on through the transformation of kernels
                assert shared == pytest.approx(own, rel=100 * tolerance)
        for name, tensor in network.subnet_state(genotype).items():
            assert largest_difference(tensor, alone.state_dict()[name]) < tolerance, name


@each_network
def test_other_options_are_neither_seen_nor_touched(make: Callable[..., Supernet]) -> None:
    """NaN everywhere but on the path: outputs and gradients stay finite, nothing off the path changes."""
    network = make()
    genotype = genotypes(network, 1, seed=3)[0]
    network.set_path(genotype)
    on_path = {name: tensor.clone() for name, tensor in used(network).items()}
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.masked_fill_(~on_path[name], torch.nan)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    loss = network(images(4, size=32)).square().sum()
    loss.backward()
    assert torch.isfinite(loss)
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name
            assert not parameter.grad[~on_path[name]].any(), name
        else:
            assert not on_path[name].any(), name
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            assert tensor[~on_path[name]].isnan().all(), name
        elif not on_path[name].any():
            assert torch.equal(tensor, before[name]), name


def used(network: Supernet) -> dict[str, torch.Tensor]:
    """Of every tensor of the state_dict the entries that steps on the path read, told by what these change.

    Images are large enough that no entry of a kernel sees padding only. Gradients that a norm makes 0, but
    for rounding, are not exactly 0 in every step.
    """
    probe = copy.deepcopy(network)
    before = {name: tensor.clone() for name, tensor in probe.state_dict().items()}
    for seed in range(6):
        probe(images(4, size=32, seed=seed)).square().sum().backward()
    found = {name: tensor != before[name] for name, tensor in probe.state_dict().items()}
    for name, p in probe.named_parameters():
        found[name] = torch.zeros_like(p, dtype=torch.bool) if p.grad is None else p.grad != 0
    if isinstance(network, SinglePath):  # all of a tensor or nothing
        return {name: entries.any().expand_as(entries) for name, entries in found.items()}
    return found


@each_network
def test_switching_back_brings_the_same_output(make: Callable[..., Supernet]) -> None:
    network = make().eval()
    first, second = genotypes(network, 2)[:2]
    network.set_path(first)
    expected = network(images(2))
    network.set_path(second)
    assert not torch.equal(network(images(2)), expected)
    network.set_path(first)
    assert torch.equal(network(images(2)), expected)
    copied = copy.deepcopy(network)
    network.set_path(second)
    assert torch.equal(copied(images(2)), expected)


@each_network
def test_weights_follow_from_the_seed_and_leave_the_global_state_alone(make: Callable[..., Supernet]) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = make(seed=1), make(seed=1), make(seed=2)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@each_network
def test_a_state_dict_is_all_there_is_to_know(make: Callable[..., Supernet]) -> None:
    network, other = make(seed=1), make(seed=2)
    network(images(4))
    other.load_state_dict(network.state_dict(), assign=True)
    for genotype in genotypes(network, 3):
        network.set_path(genotype)
        other.set_path(genotype)
        assert torch.equal(network.eval()(images(2)), other.eval()(images(2)))


@each_network
def test_a_path_supernet_has_no_relaxation(make: Callable[..., Supernet]) -> None:
    network = make()
    assert network.arch_parameters() == []
    assert len(network.weight_parameters()) == len(list(network.parameters()))
    assert network.alpha_tables() == {}
    with pytest.raises(RuntimeError, match="it always runs a path"):
        network.clear_path()
    with pytest.raises(ValueError, match="genotype is not valid"):
        network.set_path(np.full(network.space.num_choices, 200, np.uint8))
    with pytest.raises(ValueError, match="open needs a restriction"):
        network.open(nas.spaces.create("nasbench201"))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"SinglePath: space must be one of chains.*nasbench201"):
        SinglePath(nas.spaces.create("nasbench201"))
    with pytest.raises(ValueError, match=r"layer of space mbconv has \[\(4, 4\), \(4, 6\)\]; keep one width"):
        SinglePath(MBCONV)
    with pytest.raises(ValueError, match=r"Elastic: space must be an mbconv space, got .*nasbench_macro"):
        Elastic(MACRO)
    with pytest.raises(ValueError, match="SinglePath: implementation must be fused, reference; got 'fuse'"):
        SinglePath(MACRO, implementation="fuse")
    with pytest.raises(ValueError, match="unknown network option 'channel'"):
        SinglePath(MACRO, macro={"channel": 8})
    with pytest.raises(ValueError, match="too small"):
        SinglePath(MACRO, (3, 4, 4))
