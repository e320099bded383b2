"""What follows a schedule over the epochs of a supernet's training."""

from __future__ import annotations

import pytest
import torch

from efficient_nas import spaces
from efficient_nas.supernet.schedules import Stages, between, cosine


def test_cosine_is_that_of_torch() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.025)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=7, eta_min=0.001)
    for epoch in range(7):
        assert cosine(epoch, 7, 0.025, 0.001) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        schedule.step()


def test_temperatures_end_at_both_values() -> None:
    linear = [between("linear", epoch, 4, 10.0, 1.0) for epoch in range(4)]
    assert linear == pytest.approx([10.0, 7.0, 4.0, 1.0])
    exponential = [between("exponential", epoch, 4, 8.0, 1.0) for epoch in range(4)]
    assert exponential == pytest.approx([8.0, 4.0, 2.0, 1.0])
    assert between("linear", 0, 1, 10.0, 0.1) == 10.0


def test_stages_share_the_epochs() -> None:
    space = spaces.create("nasbench201")
    small = space.restrict(operations=["none", "skip_connect"])
    stages = Stages([(0.5, small), (1.0, space)], epochs=5)
    assert [stages.at(epoch) for epoch in range(5)] == [(0, small)] * 3 + [(1, space)] * 2
    assert Stages([], epochs=5).at(3) is None


@pytest.mark.parametrize(
    ("untils", "message"),
    [
        ([0.5], "must end with a share of 1.0, got 0.5"),
        ([0.5, 0.5, 1.0], r"stages\[1\] gets none of the 4 epochs"),
        ([0.05, 1.0], r"stages\[0\] gets none of the 4 epochs"),
        ([0.0, 1.0], r"stages\[0\] until must be a number"),
    ],
)
def test_wrong_stages_are_named(untils: list[float], message: str) -> None:
    space = spaces.create("nasbench201")
    with pytest.raises(ValueError, match=message):
        Stages([(until, space) for until in untils], epochs=4)
