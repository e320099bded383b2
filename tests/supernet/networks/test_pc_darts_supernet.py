"""The supernet of PC-DARTS against the plain network."""

from __future__ import annotations

import numpy as np
import plain_twins
import pytest
import torch

from efficient_nas import ops, supernet
from plain_networks import pc_darts as plain_pc_darts
from plain_networks.tensors import double, give_tensors

IMAGES = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
SIZE = {"channels": 8, "layers": 3, "input_shape": (3, 8, 8)}


def pc_darts(**options: object) -> supernet.PCDARTS:
    return plain_twins.randomised(supernet.PCDARTS(**SIZE, **options))


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_a_step_is_that_of_the_plain_network(implementation: str) -> None:
    net = pc_darts(implementation=implementation)
    plain = double(plain_pc_darts.Network(8, 10, 3))
    give_tensors(net, plain)
    plain_twins.assert_same_step(net, plain, IMAGES)


def test_the_genotype_depends_on_the_weights_of_edges() -> None:
    net = supernet.PCDARTS(**SIZE)
    with torch.no_grad():
        for parameter in net.arch_parameters():
            parameter.zero_()
        for table in ("normal", "reduce"):
            net.get_parameter(f"alpha_{table}")[:, 4] = 1.0
            net.get_parameter(f"alpha_{table}")[0, 5] = 2.0
    genes = net.genotype().reshape(2, 4, 2, 2)
    assert genes[0].tolist() == [[[0, 4], [1, 3]], [[0, 3], [1, 3]], [[0, 3], [1, 3]], [[0, 3], [1, 3]]]
    with torch.no_grad():
        net.beta_normal[[3, 4]] = 1.0  # of node 3: from 1 and 2
        net.beta_normal[[11, 12]] = 1.0  # of node 5: from 2 and 3
    genes = net.genotype().reshape(2, 4, 2, 2)
    assert genes[0, :, :, 0].tolist() == [[0, 1], [1, 2], [0, 1], [2, 3]]
    assert genes[1, :, :, 0].tolist() == [[0, 1]] * 4


def test_a_path_runs_the_two_chosen_edges_of_every_node_alone() -> None:
    net = pc_darts().train()
    genotype = net.space.sample(1, 3)[0]
    net.set_path(genotype)
    cell = net.cells[0]
    inputs = torch.randn(2, 3, 24, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    got = cell(*inputs, *net._cell_weights()["normal"], True)
    states = [next(node.children())(x) for node, x in zip(cell.preprocess, inputs, strict=True)]
    for pair in genotype.reshape(2, 4, 2, 2)[0].tolist():
        node = 0
        for source, operation in pair:
            edge = cell.edges[sum(range(2, len(states))) + source]
            weights = torch.zeros(8, dtype=torch.float64)
            weights[1 + operation] = 1
            node = node + ops.reference.mixed_op(
                states[source], weights, list(edge.parameters()), edge.spec, stride=edge.stride
            )
        states.append(node)
    torch.testing.assert_close(got, torch.cat(states[2:], dim=1), rtol=1e-9, atol=1e-9)


def test_no_shared_weight_fits_a_derived_network() -> None:
    net = supernet.PCDARTS(**SIZE)
    with pytest.raises(ValueError, match="subnet_state: derived networks of PCDARTS work on all channels"):
        net.subnet_state(net.genotype())
    with pytest.raises(ValueError, match="subnet_state: derived networks of PCDARTS work on all channels"):
        supernet.diagnosis.parity(net, net.genotype(), IMAGES.float())
    assert np.array_equal(net.sample(1, 0)[0], net.genotype())


def test_channels_must_divide() -> None:
    with pytest.raises(ValueError, match="channels must be a multiple of channel_divisor = 4, got 6"):
        supernet.PCDARTS(6)
