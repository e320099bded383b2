"""Gradients that arrive have autograd's size; those that are cut off are named."""

from __future__ import annotations

import copy

import pytest
import torch
from diagnosed import CLASSES, batch, darts, decided, everything, nasbench201, same
from torch import Tensor
from torch.nn import functional as F

from efficient_nas.supernet import PCDARTS, NASBench201
from efficient_nas.supernet.diagnosis import gradient_reach, reach


def test_sizes_are_those_of_a_backward_pass() -> None:
    supernet = darts()
    x, y = batch()
    found = gradient_reach(supernet, (x, y), seed=0)
    twin = copy.deepcopy(supernet).train()
    F.cross_entropy(twin(x), y).backward()
    for name, sizes in found.alphas.items():
        torch.testing.assert_close(sizes, twin.get_parameter(name).grad.abs())
    assert set(found.alphas) == {"alpha_normal", "alpha_reduce"}
    for name, norm in found.candidates.items():
        own = torch.cat([p.grad.reshape(-1) for p in twin.get_submodule(name).parameters()])
        assert norm == pytest.approx(float(own.norm()), rel=1e-5)
    assert len(found.candidates) == 3 * 14 * 4 + 8 * 2  # convolutions; skips of stride 2 from two states
    assert found.unreached_alphas == found.unreached_candidates == ()


@pytest.mark.parametrize("relaxation", ["softmax", "gumbel", "gdas"])
def test_everything_is_reached_also_on_part_of_the_space(relaxation: str) -> None:
    supernet = nasbench201(relaxation=relaxation)
    supernet.set_path(supernet.space.sample(1, 0)[0])
    before = everything(supernet)
    found = gradient_reach(supernet, batch(), seed=0)
    assert same(before, everything(supernet)) and supernet.has_path
    assert found.unreached_alphas == found.unreached_candidates == ()
    assert len(found.candidates) == 3 * 6 * 2 and all(norm > 0 for norm in found.candidates.values())
    supernet.open(supernet.space.restrict(operations=["skip_connect", "nor_conv_3x3"]))
    part = gradient_reach(supernet, batch(), seed=0)
    assert part.unreached_alphas == part.unreached_candidates == ()
    closed = torch.tensor([1, 0, 1, 0, 1], dtype=torch.bool)  # none, 1x1 and pooling
    assert torch.equal(part.alphas["alpha_cell"] == 0, closed.expand(6, 5))


class CutOff(NASBench201):
    """The candidate weights of edge 1->2 are constants, and its 3x3 convolution is weighted by 0."""

    def candidate_weights(self) -> dict[str, Tensor]:
        (weights,) = super().candidate_weights().values()
        rows = list(weights.unbind())
        rows[2] = rows[2].detach() * torch.tensor([1.0, 1, 1, 0, 1])
        return {"cell": torch.stack(rows)}


def test_what_is_cut_off_is_named() -> None:
    found = gradient_reach(decided(CutOff(4, 1, CLASSES, (3, 8, 8))), batch(), seed=0)
    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    assert found.unreached_alphas == tuple(f"cell/1->2/{name}" for name in operations)
    assert found.unreached_candidates == tuple(f"cells.{i}.edges.2.nor_conv_3x3" for i in (0, 2, 4))


def test_a_gradient_that_is_no_number_does_not_count_as_arrived() -> None:
    supernet = nasbench201()
    with torch.no_grad():
        supernet.head[-1].linear.weight.fill_(torch.nan)
    found = gradient_reach(supernet, batch(), seed=0)
    assert len(found.unreached_alphas) == 30 and len(found.unreached_candidates) == 36


def test_weights_of_edges_belong_to_alpha() -> None:
    found = gradient_reach(PCDARTS(4, 3, CLASSES, (3, 8, 8)), batch(), seed=0)
    assert [tuple(sizes.shape) for sizes in found.alphas.values()] == [(14, 8), (14, 8), (14,), (14,)]
    assert found.unreached_alphas == found.unreached_candidates == ()


def test_one_draw_of_gdas_is_not_taken_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    supernet = darts(relaxation="gdas")
    assert gradient_reach(supernet, batch(), seed=0).unreached_alphas == ()
    monkeypatch.setattr(reach, "DRAWS", 1)
    assert gradient_reach(supernet, batch(), seed=0).unreached_alphas != ()
