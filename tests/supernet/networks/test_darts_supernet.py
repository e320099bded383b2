"""The supernet of DARTS against the plain network, and against its own derived networks."""

from __future__ import annotations

import numpy as np
import plain_twins
import pytest
import torch

from efficient_nas import supernet
from plain_networks import darts as plain_darts

IMAGES = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
SIZE = {"channels": 4, "layers": 3, "input_shape": (3, 8, 8)}


def darts(**options: object) -> supernet.DARTS:
    return plain_twins.randomised(supernet.DARTS(**SIZE, **options))


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_a_step_is_that_of_the_plain_network(implementation: str) -> None:
    net = darts(implementation=implementation)
    plain = plain_darts.Network(4, 10, 3).double()
    arch = [alpha.detach().double().requires_grad_() for alpha in plain.arch_parameters()]
    plain.alphas_normal, plain.alphas_reduce = arch
    plain_twins.give_tensors(net, plain, arch)
    plain_twins.assert_same_step(net, plain, arch, IMAGES)


@pytest.mark.parametrize("training", [True, False])
def test_a_path_is_its_derived_network(training: bool) -> None:
    net = darts().train(training)
    genes = net.space.sample(4000, 0).reshape(-1, 2, 4, 2, 2)
    genotypes = genes[(genes[..., 1] > 1).all((1, 2, 3))].reshape(-1, 32)[:3]
    assert len(genotypes) == 3
    for genotype in genotypes:
        derived = net.architecture(genotype).to_pytorch().double()
        derived.load_state_dict(net.subnet_state(genotype))
        net.set_path(genotype)
        torch.testing.assert_close(net(IMAGES), derived.train(training)(IMAGES), rtol=1e-9, atol=1e-9)


def test_the_genotype_is_the_two_strongest_edges_of_every_node() -> None:
    net = supernet.DARTS(**SIZE)
    with torch.no_grad():
        for alpha in net.arch_parameters():
            alpha.zero_()
            alpha[:, 0] = 9  # `none` is never chosen
            alpha[[1, 2, 4, 6, 7, 11, 13], [4, 1, 2, 5, 3, 7, 6]] = 2.0
            alpha[3, 6] = 1.0
    cell = [0, 0, 1, 3, 0, 0, 2, 1, 1, 4, 2, 2, 2, 6, 4, 5]
    np.testing.assert_array_equal(net.genotype(), cell * 2)
