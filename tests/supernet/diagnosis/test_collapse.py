"""Skip connections, decidedness of alpha, and the rules that stop a search."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from efficient_nas import spaces
from efficient_nas.supernet.diagnosis import (
    alpha_entropy,
    collapse,
    entropy_share,
    rising_curvature,
    skip_connections,
)

NORMAL = (
    "normal=[('{a}', 0), ('{b}', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('{c}', 1), "
    "('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('dil_conv_3x3', 2)], normal_concat=range(2, 6)"
)
REDUCE = (
    "reduce=[('max_pool_3x3', 0), ('skip_connect', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('skip_connect', 2), ('skip_connect', 3), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=range(2, 6)"
)


@pytest.mark.parametrize(
    ("operations", "skips"),
    [
        (("sep_conv_3x3", "sep_conv_3x3", "sep_conv_3x3"), 0),
        (("sep_conv_3x3", "skip_connect", "sep_conv_3x3"), 1),
        (("skip_connect", "sep_conv_3x3", "skip_connect"), 2),
        (("skip_connect", "skip_connect", "skip_connect"), 3),
    ],
)
def test_darts_counts_each_cell_and_stops_on_the_normal_one(operations: tuple[str, ...], skips: int) -> None:
    space = spaces.create("darts")
    text = NORMAL.format(**dict(zip("abc", operations, strict=True)))
    genotype = space.from_string(f"Genotype({text}, {REDUCE})")
    assert skip_connections(genotype, space) == {"normal": skips, "reduce": 5}
    reason = collapse(genotype, space)
    assert (reason is not None) == (skips >= 2)
    assert reason is None or reason.startswith(f"{skips} skip connections in the normal cell")


def test_nasbench201_stops_when_most_edges_are_skips() -> None:
    space = spaces.create("nasbench201")
    skip = space.choices[0].index("skip_connect")
    for skips in range(7):
        genotype = np.array([skip] * skips + [3] * (6 - skips), np.uint8)
        assert skip_connections(genotype, space) == {"cell": skips}
        assert (collapse(genotype, space) is not None) == (skips > 3)
    opened = space.restrict(operations=["skip_connect", "none"])
    assert skip_connections(opened.sample(1, 0)[0], opened)["cell"] <= 6


def test_a_space_without_a_rule_is_an_error() -> None:
    space = spaces.create("mbconv")
    genotype = space.sample(1, 0)[0]
    assert skip_connections(genotype, space) == {}
    with pytest.raises(ValueError, match="space mbconv has no rule; spaces with one: darts, nasbench201"):
        collapse(genotype, space)


def test_entropy_in_nats_and_as_a_share() -> None:
    undecided, decided = torch.full((3, 5), 0.2), torch.eye(5)[:3]
    assert alpha_entropy(undecided) == pytest.approx(math.log(5), rel=1e-6)
    assert entropy_share(undecided) == pytest.approx(1, rel=1e-6)
    assert alpha_entropy(decided) == entropy_share(decided) == 0
    both = torch.cat([undecided, decided])
    assert alpha_entropy(both) == pytest.approx(math.log(5) / 2, rel=1e-6)
    assert entropy_share(torch.ones(4, 1)) == 0


def measurements(values: list[float], every: int = 1, first: int = 10) -> list[tuple[int, float]]:
    return [(first + every * i, value) for i, value in enumerate(values)]


def test_curvature_that_rises_stops_and_returns_to_before_the_rise() -> None:
    assert rising_curvature(measurements([0.2] * 20)) is None
    stopped = 0
    for rising in range(1, 12):
        values = [0.2] * 5 + [0.2 * 1.1**i for i in range(rising)]
        stop = rising_curvature(measurements(values))
        centre = len(values) - 3  # the newest measurement with two on either side
        fires = False
        if centre >= 5:
            before = np.mean(values[max(0, centre - 7) : centre - 2])
            fires = bool(np.mean(values[centre - 2 : centre + 3]) > 1.3 * before)
        assert (stop is not None) == fires
        stopped += fires
        if stop is not None:
            assert stop.return_to == 10 + centre - 5 and "stops the search" in stop.reason
    assert 0 < stopped < 11


def test_epochs_count_and_not_measurements() -> None:
    rise = [0.1 * 1.3**i for i in range(12)]
    stop = rising_curvature(measurements(rise, every=2, first=0), from_epoch=8)
    assert stop is not None and stop.return_to == 8
    assert rising_curvature(measurements(rise, every=2, first=0), from_epoch=9) is None


def test_negative_and_falling_curvature_stop_nothing() -> None:
    assert rising_curvature(measurements([-0.1 * 1.3**i for i in range(14)])) is None
    assert rising_curvature(measurements([0.9**i for i in range(14)])) is None
    assert rising_curvature([]) is None
