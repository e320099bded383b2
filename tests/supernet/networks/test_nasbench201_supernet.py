"""The supernet of NAS-Bench-201 against the plain networks, and against its own derived networks."""

from __future__ import annotations

import numpy as np
import plain_twins
import pytest
import torch

from efficient_nas import supernet
from plain_networks import nasbench201 as plain_nasbench201
from plain_networks.tensors import give_tensors

IMAGES = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
SIZE = {"channels": 4, "cells_per_stage": 1, "input_shape": (3, 8, 8)}


def nasbench201(**options: object) -> supernet.NASBench201:
    return plain_twins.randomised(supernet.NASBench201(**SIZE, **options))


def twin(net: supernet.NASBench201, gdas: bool = False) -> plain_nasbench201.Network:
    plain = plain_nasbench201.Network(4, 1, gdas=gdas).double()
    give_tensors(net, plain)
    return plain


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_a_step_with_softmax_is_that_of_the_plain_network(implementation: str) -> None:
    net = nasbench201(implementation=implementation)
    plain = twin(net)
    plain_twins.assert_same_step(net, plain, IMAGES)


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_a_step_of_gdas_is_that_of_the_plain_network(implementation: str) -> None:
    net = nasbench201(relaxation="gdas", implementation=implementation)
    net.set_temperature(10.0)
    with torch.no_grad():
        net.alpha_cell[:, 0] -= 50  # a draw without a way to the output has no gradient at all
    plain = twin(net, gdas=True)
    for seed in range(3):
        net.draw(seed)

        def hard_weights() -> tuple[torch.Tensor, torch.Tensor]:
            logits = plain.arch_parameters.log_softmax(dim=1)
            probabilities = torch.softmax((logits + net.noise_cell) / plain.tau, dim=1)
            index = probabilities.max(-1, keepdim=True)[1]
            one_hot = torch.zeros_like(probabilities).scatter_(-1, index, 1.0)
            return one_hot - probabilities.detach() + probabilities, index

        plain._hard_weights = hard_weights
        for module in (net, plain):
            module.zero_grad()
        plain_twins.assert_same_step(net, plain, IMAGES)


@pytest.mark.parametrize("training", [True, False])
def test_a_path_is_its_derived_network(training: bool) -> None:
    net = nasbench201().train(training)
    genotypes = net.space.sample(12, 5)
    connected = [row for row in genotypes if net.architecture(row).alive.count(True) > 2]
    assert len(connected) > 5
    for genotype in connected:
        derived = net.architecture(genotype).to_pytorch().double()
        derived.load_state_dict(net.subnet_state(genotype))
        net.set_path(genotype)
        plain_twins.assert_same_logits(net(IMAGES), derived.train(training)(IMAGES))


def test_an_operation_behind_zeros_does_not_run() -> None:
    net = nasbench201().eval()
    # Node 1 receives nothing, yet a convolution leaves it.
    genotype = net.space.from_string(
        "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    )
    derived = net.architecture(genotype).to_pytorch().double()
    derived.load_state_dict(net.subnet_state(genotype))
    net.set_path(genotype)
    plain_twins.assert_same_logits(net(IMAGES), derived.eval()(IMAGES))


def test_the_genotype_is_the_most_probable_candidate_of_every_edge() -> None:
    net = supernet.NASBench201(**SIZE)
    wanted = np.array([3, 0, 4, 1, 2, 3], dtype=np.uint8)
    with torch.no_grad():
        net.alpha_cell.zero_()
        net.alpha_cell[range(6), wanted.tolist()] = 1.0
    np.testing.assert_array_equal(net.genotype(), wanted)
