"""Extreme eigenvalues of the Hessian against all of it, by autograd in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from diagnosed import batch, everything, nasbench201, same
from torch import Tensor
from torch.nn import functional as F

from efficient_nas import spaces
from efficient_nas.supernet import PCDARTS, SinglePath
from efficient_nas.supernet.diagnosis import Eigenvalues, hessian_eigenvalues
from efficient_nas.types import derive_seed

SEED = 3


def exact(supernet: Any, batches: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Ascending eigenvalues of the whole Hessian; the supernet must be of implementation reference."""
    network = copy.deepcopy(supernet).double().train()
    network.draw(derive_seed(SEED, "hessian", "noise"))
    alphas = network.arch_parameters()
    images = sum(len(labels) for _, labels in batches)
    losses = [F.cross_entropy(network(x.double()), y, reduction="sum") / images for x, y in batches]
    first = torch.autograd.grad(torch.stack(losses).sum(), alphas, create_graph=True)
    flat = torch.cat([g.reshape(-1) for g in first])
    seconds = [torch.autograd.grad(g, alphas, retain_graph=True, materialize_grads=True) for g in flat]
    rows = [torch.cat([g.reshape(-1) for g in second]) for second in seconds]
    return torch.linalg.eigvalsh(torch.stack(rows))


@pytest.mark.parametrize("relaxation", ["softmax", "gumbel"])
def test_both_ends_are_the_whole_hessians(relaxation: str) -> None:
    supernet = nasbench201(relaxation=relaxation)
    twin = nasbench201(relaxation=relaxation, implementation="reference")
    twin.load_state_dict(supernet.state_dict())
    x, y = batch(12)
    batches = [(x[:8], y[:8]), (x[8:], y[8:])]  # of different sizes: the mean is over images
    expected = exact(twin, batches)
    found = hessian_eigenvalues(supernet, batches, SEED, iterations=20, tolerance=0)
    assert found.smallest == pytest.approx(float(expected[0]), rel=1e-5)
    assert found.largest == pytest.approx(float(expected[-1]), rel=1e-5)
    assert found.dominant == max(found.smallest, found.largest, key=abs)
    few = hessian_eigenvalues(supernet, batches, SEED, iterations=10)
    assert few.dominant == pytest.approx(float(max(expected[0], expected[-1], key=abs)), rel=0.02)


def test_the_dominant_one_is_larger_in_magnitude() -> None:
    assert Eigenvalues(-3.0, 2.0).dominant == -3.0
    assert Eigenvalues(-2.0, 3.0).dominant == 3.0


@pytest.mark.parametrize("relaxation", ["softmax", "gumbel", "gdas"])
def test_nothing_is_left_behind(relaxation: str) -> None:
    supernet = nasbench201(relaxation=relaxation).eval()
    supernet.stem.train()
    supernet.set_path(supernet.space.sample(1, 0)[0])
    before = everything(supernet)
    found = hessian_eigenvalues(supernet, [batch()], SEED, iterations=2)
    assert same(before, everything(supernet)) and supernet.has_path
    supernet.clear_path()
    assert hessian_eigenvalues(supernet, [batch()], SEED, iterations=2) == found  # nor does a path matter


def test_seeds_and_edge_weights() -> None:
    supernet = PCDARTS(4, 3, 4, (3, 8, 8))
    found = [hessian_eigenvalues(supernet, [batch()], seed, iterations=2) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_what_has_no_hessian() -> None:
    path = SinglePath(spaces.create("nasbench_macro"), (3, 8, 8), 4)
    with pytest.raises(ValueError, match="SinglePath has no architecture parameters"):
        hessian_eigenvalues(path, [batch()], SEED)
    with pytest.raises(ValueError, match="batches must hold at least one batch"):
        hessian_eigenvalues(nasbench201(), [], SEED)
    with pytest.raises(ValueError, match="iterations must be an int >= 1, got 0"):
        hessian_eigenvalues(nasbench201(), [batch()], SEED, iterations=0)
