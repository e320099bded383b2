"""Draws have the promised distribution: chi-square tests, with fixed seeds so that none fails by chance."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from space_layouts import cell, paired_cell, stages
from space_reference import changed, mutable, rows_of

from efficient_nas import _core
from efficient_nas.spaces import Choice, Space


def assert_chi_square(counts: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]) -> None:
    """Pearson's statistic is within five deviations of its mean (and a little more for few categories)."""
    expected = shares * counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    freedom = len(counts) - 1
    assert statistic < freedom + 5 * math.sqrt(2 * freedom) + 10


def assert_uniform(draws: npt.NDArray[np.generic], categories: int) -> None:
    """Each of so many categories (values, or rows of a 2-d array) is hit equally often."""
    counts = np.unique(draws, axis=0, return_counts=True)[1]
    assert len(counts) == categories
    assert_chi_square(counts, np.full(categories, 1 / categories))


def test_samples_of_a_cell_are_uniform_over_all_genotypes() -> None:
    space = cell()
    index = space.sample(1_000_000, 3).astype(np.int64) @ 5 ** np.arange(6)
    assert_uniform(index, 5**6)


def test_samples_are_uniform_over_the_valid_pairs_and_independent() -> None:
    space = paired_cell()
    rows = space.sample(40_000, 4)
    for first, second in space.ordered:
        options = len(space.choices[first].options)
        pairs = options * (options - 1) // 2
        assert_uniform(rows[:, [first, second]], pairs)
        assert_uniform(rows[:, [first, second, first + 1]], pairs * 5)
    last, other_cell = space.ordered[3], space.ordered[7]
    assert_uniform(rows[:, [*last, *other_cell]], 100)


def test_samples_are_uniform_over_the_allowed_options_of_active_choices() -> None:
    space = stages().restrict(max_depth=3, max_width=24)
    rows = space.sample(100_000, 5)
    active = space.active(rows)
    for i, allowed in enumerate(space.allowed):
        if active[:, i].any():
            assert_uniform(rows[active[:, i], i], len(allowed))


def test_a_large_space_without_listed_blocks_samples_uniformly() -> None:
    # 60 * 59 / 2 pairs: more rows than a listed block may have, so the choices are drawn one by one.
    options = list(range(60))
    choices = [Choice("a", options), Choice("x", ["u", "v", "w"]), Choice("b", options)]
    space = Space(choices, ordered=[("a", "b")])
    assert_uniform(space.sample(100_000, 6), space.size)


@pytest.mark.parametrize("space", [paired_cell(), cell().restrict(operations=["none", "nor_conv_3x3"])])
def test_a_mutation_is_uniform_over_mutable_choices_and_their_other_values(space: Space) -> None:
    parent = space.sample(1, 8)
    row = rows_of(parent)[0]
    choices = mutable(space, row)
    neighbours = rows_of(space.neighbours(parent[0]))
    of_choice = Counter(changed(space, row, other)[0] for other in neighbours)
    counts = Counter(rows_of(space.mutate(np.repeat(parent, 100_000, axis=0), 9)))
    assert set(counts) == set(neighbours)
    shares = [1 / len(choices) / of_choice[changed(space, row, other)[0]] for other in neighbours]
    assert_chi_square(np.array([counts[other] for other in neighbours]), np.array(shares))


def test_a_few_mutable_choices_among_many_are_drawn_uniformly() -> None:
    # 3 of 63 choices are mutable while the kind is plain: most rows have to count them.
    free = [Choice("kind", ["plain", "conv"]), Choice("x", ["u", "v"]), Choice("y", ["u", "v", "w"])]
    block = [Choice(f"c{i}", [1, 2], when={"kind": "conv"}) for i in range(60)]
    space = Space([*free, *block])
    parents = np.zeros((50_000, 63), dtype=np.uint8)
    moved = (space.mutate(parents, 10) != parents)[:, :3]
    assert (moved.sum(axis=1) == 1).all()
    assert_uniform(moved.argmax(axis=1), 3)


def test_a_mutation_draws_what_becomes_active_uniformly() -> None:
    space = Space(
        [
            Choice("kind", ["plain", "conv"]),
            Choice("kernel", [1, 3, 5], when={"kind": "conv"}),
            Choice("a", list(range(4)), when={"kind": "conv"}),
            Choice("b", list(range(4)), when={"kind": "conv"}),
        ],
        ordered=[("a", "b")],
    )
    mutants = space.mutate(np.zeros((50_000, 4), dtype=np.uint8), 11)
    assert (mutants[:, 0] == 1).all()
    assert_uniform(mutants, 3 * 6)


def test_several_mutations_draw_every_set_of_choices_equally_often() -> None:
    space = cell()
    parents = space.sample(60_000, 12)
    moved = space.mutate(parents, 13, mutations=3) != parents
    assert_uniform(moved, 20)  # 6 choose 3


def test_crossover_takes_either_parent_with_equal_chance_and_independently() -> None:
    space = paired_cell()
    a = np.tile(np.array([[0, 0, 1, 0]], dtype=np.uint8), (50_000, 8))
    b = a.copy()
    b[:, 1::2] = 1
    for first, second in space.ordered[1:4]:
        b[:, first], b[:, second] = 1, 2
    children = space.crossover(a, b, 14)
    from_b = children == b
    assert_uniform(from_b[:, [1, 3, 4, 6, 7, 31]], 2**5)  # 4 and 6 are a pair


def test_crossover_of_unlike_structures_draws_from_the_parent_that_has_the_choice() -> None:
    space = Space([Choice("kind", ["plain", "conv"]), Choice("kernel", [1, 3, 5], when={"kind": "conv"})])
    a = np.tile(np.array([[0, 0]], dtype=np.uint8), (20_000, 1))
    b = np.tile(np.array([[1, 2]], dtype=np.uint8), (20_000, 1))
    children = space.crossover(a, b, 15)
    assert set(rows_of(children)) == {(0, 0), (1, 2)}
    assert_uniform(children, 2)


def test_draws_are_the_same_on_every_platform() -> None:
    space = cell()
    sample = space.sample(3, 0)
    assert rows_of(sample) == [(2, 3, 2, 4, 2, 1), (3, 0, 0, 1, 0, 2), (2, 1, 4, 1, 3, 0)]
    assert rows_of(space.mutate(sample, 0, 2)) == [(2, 3, 2, 4, 3, 2), (3, 1, 0, 1, 0, 3), (2, 1, 0, 1, 3, 2)]
    assert rows_of(space.crossover(sample, sample[::-1], 0)) == [
        (2, 1, 4, 4, 3, 1),
        (3, 0, 0, 1, 0, 2),
        (2, 3, 2, 4, 3, 1),
    ]
    assert rows_of(stages().sample(1, 0)[:, :12]) == [(2, 2, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1)]
    assert _core.hash_keys([b"", b"architecture"]).tolist() == [5197578548964807871, 7647136332648931318]
