"""The plain search networks of benchmarks are the published ones: sizes, names, and what a cell computes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from plain_networks import darts, nasbench201, pc_darts


def test_darts_has_as_many_parameters_as_its_published_log_says() -> None:
    # "param size = 1.930618MB": CIFAR-10, C = 16, 8 layers.
    assert sum(p.numel() for p in darts.Network().parameters()) == 1_930_618


def test_names_are_the_published_ones() -> None:
    names = list(darts.Network(C=4, layers=3).state_dict())
    assert names[0] == "stem.0.weight"
    assert "cells.0.preprocess0.op.1.weight" in names
    assert "cells.1._ops.0._ops.3.conv_2.weight" in names
    assert "cells.0._ops.13._ops.1.1.running_mean" in names
    assert "cells.0.edges.3<-2.3.op.1.weight" in nasbench201.Network(C=4, N=1).state_dict()


@pytest.mark.parametrize("module", [darts, pc_darts])
def test_the_network_learns_its_weights_and_its_architecture(module: object) -> None:
    torch.manual_seed(0)
    network = module.Network(C=8, layers=3, steps=2, multiplier=2)
    logits = network(torch.randn(2, 3, 8, 8))
    assert logits.shape == (2, 10)
    logits.square().sum().backward()
    assert all(alpha.grad is not None and alpha.grad.any() for alpha in network.arch_parameters())
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("gdas", [False, True])
def test_nasbench201_learns_its_architecture(gdas: bool) -> None:
    torch.manual_seed(0)
    network = nasbench201.Network(C=4, N=1, gdas=gdas)
    network(torch.randn(2, 3, 8, 8)).square().sum().backward()
    assert network.arch_parameters.grad.any()


def test_gdas_of_one_hot_weights_is_the_softmax_cell_with_them() -> None:
    torch.manual_seed(0)
    cell = nasbench201.NAS201SearchCell(4)
    x, index = torch.randn(2, 4, 5, 5), torch.tensor([[1], [3], [2], [4], [0], [3]])
    hard = torch.zeros(6, 5).scatter_(1, index, 1.0)
    assert torch.equal(cell.forward_gdas(x, hard, index), cell(x, hard))


def test_a_shuffle_takes_one_channel_of_every_group_in_turn() -> None:
    x = torch.arange(8.0).reshape(1, 8, 1, 1)
    assert pc_darts.channel_shuffle(x, 4).flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
