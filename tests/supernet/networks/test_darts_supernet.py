"""The supernet of DARTS against the plain network, and against its own derived networks."""

from __future__ import annotations

import copy

import numpy as np
import plain_twins
import pytest
import torch

from efficient_nas import supernet
from plain_networks import darts as plain_darts
from plain_networks.tensors import double, give_tensors

IMAGES = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
SIZE = {"channels": 4, "layers": 3, "input_shape": (3, 8, 8)}


def darts(**options: object) -> supernet.DARTS:
    return plain_twins.randomised(supernet.DARTS(**SIZE, **options))


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_a_step_is_that_of_the_plain_network(implementation: str) -> None:
    net = darts(implementation=implementation)
    plain = double(plain_darts.Network(4, 10, 3))
    give_tensors(net, plain)
    plain_twins.assert_same_step(net, plain, IMAGES)


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
        plain_twins.assert_same_logits(net(IMAGES), derived.train(training)(IMAGES))


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


@pytest.mark.parametrize("training", [True, False])
def test_a_path_with_pools_is_its_derived_network_with_their_norms(training: bool) -> None:
    net = darts().train(training)
    pools = net.space.restrict(operations=["max_pool_3x3", "avg_pool_3x3", "skip_connect"])
    genotype = pools.sample(1, 8)[0]
    derived = net.architecture(genotype).to_pytorch().double()
    derived.load_state_dict(net.subnet_state(genotype))
    net.set_path(genotype)
    with_norms = copy.deepcopy(net)
    difference = (net(IMAGES) - derived.train(training)(IMAGES)).abs().max()
    assert difference > 1e-3
    for i, module in enumerate(with_norms._modules_of(genotype), 1):
        if isinstance(module, torch.nn.Sequential) and "Pool" in type(module[0]).__name__:
            derived.operations[str(i)] = module
    plain_twins.assert_same_logits(net(IMAGES), derived(IMAGES))


def test_in_float32_logits_are_close_to_those_of_the_plain_network() -> None:
    net = supernet.DARTS(**SIZE)
    plain = plain_darts.Network(4, 10, 3)
    give_tensors(net, plain)
    images = IMAGES.float()
    torch.testing.assert_close(net(images), plain(images), rtol=1e-3, atol=1e-4)


def test_gdas_is_one_candidate_an_edge() -> None:
    """As in the published code for this space, which adds nothing for the others."""
    net = darts(relaxation="gdas")
    weights = net.candidate_weights()
    plain = plain_darts.Network(4, 10, 3).double()
    give_tensors(net, plain)
    chosen = {table: rows.argmax(1).tolist() for table, rows in weights.items()}
    hard = {table: rows.detach().requires_grad_() for table, rows in weights.items()}
    for cell in plain.cells:
        table = "reduce" if cell.reduction else "normal"
        rows, best = hard[table], chosen[table]
        for e, edge in enumerate(cell._ops):
            edge.forward = lambda x, _, edge=edge, e=e, rows=rows, best=best: (
                rows[e, best[e]] * edge._ops[best[e]](x)
            )
    expected = plain(IMAGES)
    got = net(IMAGES)
    torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8)
    expected.square().sum().backward()
    got.square().sum().backward()
    for table, rows in weights.items():
        (gradient,) = torch.autograd.grad(rows, net.alpha(table), hard[table].grad)
        torch.testing.assert_close(net.alpha(table).grad, gradient, rtol=1e-6, atol=1e-8)
