"""Statistics of one path, computed anew, are those that a network without shared weights would have."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from path_networks import ONE_WIDTH, elastic, genotypes, images, largest_difference, single_path, standalone
from torch import nn

import efficient_nas as nas
from efficient_nas.supernet import DARTS, Supernet, recalibrate, recalibrated

MAKERS: dict[str, Callable[[], Supernet]] = {
    "nasbench_macro": single_path,
    "mbconv of one width": lambda: single_path(ONE_WIDTH),
    "elastic": elastic,
}
each_network = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def used_by_many(network: Supernet) -> Supernet:
    """After some steps on other paths, as in training."""
    for number, genotype in enumerate(genotypes(network, 3, seed=9)):
        network.set_path(genotype)
        network.train()(images(4, seed=number))
    return network


def cumulative(network: nn.Module, batches: list[torch.Tensor]) -> nn.Module:
    """torch's own way: statistics from nothing, with a momentum of None."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = None
    network.train()
    with torch.no_grad():
        for batch in batches:
            network(batch)
    return network.eval()


@each_network
def test_a_path_gets_the_statistics_of_its_own_network(make: Callable[[], Supernet]) -> None:
    network = used_by_many(make()).double().eval()
    batches = [images(5, torch.float64, seed=seed) for seed in (20, 21, 22)]
    for genotype in genotypes(network, 2):
        network.set_path(genotype)
        alone = cumulative(standalone(network, genotype), batches)
        recalibrate(network, batches)
        assert not network.training
        state = network.subnet_state(genotype)
        for name, tensor in alone.state_dict().items():
            if "running" in name:
                assert largest_difference(state[name], tensor) < 1e-12, name
        assert largest_difference(network(images(3, torch.float64)), alone(images(3, torch.float64))) < 1e-10


def test_means_count_every_image_once() -> None:
    """Batches of 6 and 2 images: the first norm's mean is that of all 8, not of the two means."""
    network = single_path().double()
    both = images(8, torch.float64)
    recalibrate(network, [both[:6], both[6:]])
    convolution, norm = network.stem[0], network.stem[1]  # type: ignore[index]
    expected = convolution(both).mean((0, 2, 3))
    assert largest_difference(norm.running_mean, expected) < 1e-12


@each_network
def test_what_does_not_run_keeps_its_statistics(make: Callable[[], Supernet]) -> None:
    network = used_by_many(make())
    genotype = nas.supernet.Sandwich(network.space, 0).paths(0)[1]
    network.set_path(genotype)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    recalibrate(network, [images(6)])
    after = network.state_dict()
    assert network.training
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all("running" in name for name in moved)
    kept = sum(int((after[name] == before[name]).sum()) for name in after if "running" in name)
    own = sum(tensor.numel() for name, tensor in network.subnet_state(genotype).items() if "running" in name)
    total = sum(tensor.numel() for name, tensor in after.items() if "running" in name)
    assert kept >= total - own > 0


@each_network
def test_recalibrated_restores_everything(make: Callable[[], Supernet]) -> None:
    network = used_by_many(make()).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    plain = network(images(2))
    with recalibrated(network, [images(6, seed=4)]):
        assert not torch.equal(network(images(2)), plain)
    with pytest.raises(RuntimeError), recalibrated(network, [images(6), images(6)[:, :2]]):
        pass
    with pytest.raises(ValueError, match="batches must hold at least one image, got none"):
        recalibrate(network, [])
    assert not network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(network(images(2)), plain)


def test_a_path_of_a_gradient_supernet_is_recalibrated_too() -> None:
    network = DARTS(channels=4, layers=3, num_classes=5, input_shape=(3, 16, 16))
    network(images(4))
    (genotype,) = network.space.sample(1, 0)
    network.set_path(genotype)
    batches = [images(6, seed=3), images(6, seed=4)]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    recalibrate(network, batches)
    once = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    recalibrate(network, batches)
    assert all(torch.equal(tensor, once[name]) for name, tensor in network.state_dict().items())
    moved = {name for name in once if not torch.equal(once[name], before[name])}
    assert 0 < len(moved) < sum("running" in name for name in once)
