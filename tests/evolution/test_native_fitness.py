"""Fitness that native code evaluates: the same values and searches as a Python callable gives."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evolution_problems import plain_space, spaces, tangled_space
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas import spaces as spaces_of
from efficient_nas.evolution import (
    NSGA2,
    AdditiveFitness,
    CostFitness,
    Fitness,
    Islands,
    JoinedFitness,
    LocalSearch,
    RandomSearch,
    RegularizedEvolution,
    TableFitness,
)
from efficient_nas.spaces import Choice, Space


def additive_fitness(space: Space, objectives: int, seed: int = 0) -> AdditiveFitness:
    shape = (space.num_choices, int(space.cardinalities.max()), objectives)
    return AdditiveFitness(space, np.random.default_rng(seed).random(shape))


@settings(max_examples=40)
@given(spaces(), st.integers(1, 3), st.integers(0, 2**32))
def test_additive_fitness_is_the_sum_of_amounts(space: Space, objectives: int, seed: int) -> None:
    shape = (space.num_choices, int(space.cardinalities.max()), objectives)
    amounts = np.random.default_rng(seed).normal(size=shape)
    genotypes = space.sample(50, seed)
    expected = amounts[np.arange(space.num_choices), genotypes].sum(axis=1)
    values = AdditiveFitness(space, amounts)(genotypes)
    # Two orders of summation: each rounds at most num_choices - 1 times.
    bound = space.num_choices * 2**-52 * np.abs(amounts).max(axis=1).sum(axis=0)
    assert (np.abs(values - expected) <= bound).all()


def test_table_fitness_is_the_row_of_the_genotype() -> None:
    space = Space([spaces_of.Choice(n, range(size)) for n, size in (("a", 2), ("b", 4), ("c", 3))])
    values = np.random.default_rng(0).random((space.size, 2))
    np.testing.assert_array_equal(TableFitness(space, values)(space.enumerate()), values)
    np.testing.assert_array_equal(TableFitness(space, values[:, 0])(space.enumerate()), values[:, :1])


@pytest.mark.parametrize("name", ["nasbench201", "nasbench_macro", "darts", "mbconv"])
def test_cost_fitness_is_the_costs_of_the_space(name: str) -> None:
    space = spaces_of.create(name)
    genotypes = space.sample(40, 0)
    costs = space.costs(genotypes, (3, 24, 24), 7)
    metrics = ["params", "macs", "peak_activation_bytes"]
    values = CostFitness(space, metrics, (3, 24, 24), 7)(genotypes)
    np.testing.assert_array_equal(values, np.stack([costs[metric] for metric in metrics], axis=1))


def test_joined_fitness_puts_the_objectives_side_by_side() -> None:
    space = spaces_of.create("nasbench201")
    parts = [additive_fitness(space, 2), CostFitness(space, ["macs"])]
    genotypes = space.sample(300, 0)
    joined = JoinedFitness(space, parts)
    assert joined.num_objectives == 3
    np.testing.assert_array_equal(joined(genotypes), np.hstack([part(genotypes) for part in parts]))


SEARCHES: list[Callable[[Space, int], Any]] = [
    lambda s, threads: NSGA2(s, 30, 4, maximize=[True, False], threads=threads),
    lambda s, threads: RandomSearch(s, 30, 4, maximize=[True, False], threads=threads),
    lambda s, threads: Islands(s, 3, 10, 4, 2, 2, maximize=[True, False], threads=threads),
]
SINGLE: list[Callable[[Space, int], Any]] = [
    lambda s, threads: LocalSearch(s, 4, maximize=True, threads=threads),
    lambda s, _: RegularizedEvolution(s, 20, 5, 4, maximize=True),
]


@pytest.mark.parametrize("make", [*SEARCHES, *SINGLE])
@pytest.mark.parametrize("space", [plain_space(8, 5), tangled_space(), spaces_of.create("darts")])
def test_a_search_is_the_same_with_a_callable_and_at_any_number_of_threads(
    make: Callable[[Space, int], Any], space: Space
) -> None:
    fitness = additive_fitness(space, 2 if make in SEARCHES else 1)

    def facts(search: Any, evaluate: Any) -> list[Any]:
        search.evolve(evaluate, 3)
        result = search.evolve(evaluate, 9)
        history = result.history
        return [result.population, result.values, history.genotypes, history.values, history.generations]

    expected = facts(make(space, 1), fitness.__call__)
    for threads in (1, 2, 7):
        for a, b in zip(facts(make(space, threads), fitness), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    by_hand = make(space, 2)
    for _ in range(13):
        asked = by_hand.ask()
        if len(asked) == 0:
            break
        by_hand.tell(fitness(asked))
    np.testing.assert_array_equal(by_hand.result().history.genotypes, expected[2])


def test_a_table_may_hold_failures() -> None:
    space = plain_space(2, 3)
    values = np.arange(18.0).reshape(9, 2)
    values[4, 1] = np.nan
    result = NSGA2(space, 9, 0).evolve(TableFitness(space, values), 0)
    assert result.fronts[-1] == result.fronts.max() and np.isnan(result.values[-1]).all()
    np.testing.assert_array_equal(result.population[-1], [1, 1])
    assert len(result.archive.values) == 1 and (result.archive.values == [[0.0, 1.0]]).all()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent with os.kill")
def test_ctrl_c_ends_a_native_search_and_keeps_what_was_evaluated() -> None:
    space = plain_space(20, 8)
    search = RegularizedEvolution(space, 10, 3, 0)

    def interrupt() -> None:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            search.evolve(additive_fitness(space, 1), 10**12)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert len(search.result().history.values) > 10


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda s: AdditiveFitness(s, np.zeros((3, 3))),
            ValueError,
            r"must have shape \[num_choices",
        ),
        (lambda s: AdditiveFitness(s, np.zeros((4, 3, 1))), ValueError, "4 choices, but the space has 3"),
        (lambda s: AdditiveFitness(s, np.zeros((3, 2, 1))), ValueError, "c0 has 3 options, .* given for 2"),
        (lambda s: AdditiveFitness(s, np.zeros((3, 3, 0))), ValueError, "needs choices"),
        (lambda s: AdditiveFitness(object(), np.zeros((3, 3, 1))), TypeError, "space must be a spaces.Space"),
        (lambda s: TableFitness(s, np.zeros((26, 2))), ValueError, r"shape \[27, m\].*got \[26, 2\]"),
        (lambda s: TableFitness(s, "abc"), TypeError, "values must be float64"),
        (CostFitness, TypeError, "space must be a built-in space"),
        (lambda s: CostFitness(spaces_of.create("nasbench201"), ["mac"]), ValueError, "unknown metric 'mac'"),
        (lambda s: CostFitness(spaces_of.create("nasbench201"), "macs"), TypeError, "a sequence of names"),
        (lambda s: CostFitness(spaces_of.create("nasbench201"), []), ValueError, "needs a metric"),
        (lambda s: JoinedFitness(s, [lambda g: g]), TypeError, "parts must be Fitness objects"),
        (lambda s: JoinedFitness(s, []), ValueError, "needs a part"),
        (lambda s: JoinedFitness(s, None), TypeError, "parts must be a sequence of Fitness .* got None"),
        (
            lambda s: CostFitness(spaces_of.create("nasbench201"), None),
            TypeError,
            "a sequence of names, got None",
        ),
        (lambda s: CostFitness(spaces_of.create("nasbench201"), [3]), TypeError, "must be names, got 3"),
        (
            lambda s: AdditiveFitness(
                s, np.where(np.arange(3)[:, None, None] == 1, np.nan, np.zeros((3, 3, 1)))
            ),
            ValueError,
            "amounts must be finite, got nan for option 0 of choice c1",
        ),
        (
            lambda s: AdditiveFitness(s, np.full((3, 3, 2), np.inf)),
            ValueError,
            "amounts must be finite, got inf for option 0 of choice c0",
        ),
    ],
)
def test_wrong_arguments_are_named(
    make: Callable[[Space], Fitness], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(plain_space(3, 3))


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_fails_the_whole_row(lost: float) -> None:
    space = plain_space(3, 3)
    values = np.random.default_rng(0).random((27, 3))
    for objective in range(3):
        values[objective::7, objective] = lost
    fitness = TableFitness(space, values)
    native = NSGA2(space, 6, 0, maximize=[True, False, True]).evolve(fitness, 3)
    called = NSGA2(space, 6, 0, maximize=[True, False, True]).evolve(fitness.__call__, 3)
    np.testing.assert_array_equal(native.history.values, called.history.values)
    failed = np.isnan(native.history.values)
    assert 3 <= failed.all(axis=1).sum() == failed.any(axis=1).sum()


def test_amounts_that_are_never_read_may_be_nan() -> None:
    space = Space([Choice("a", [1, 2]), Choice("b", [1, 2, 3], role="width")]).restrict(max_width=2)
    amounts = np.ones((2, 3, 1))
    amounts[:, 2] = np.nan
    np.testing.assert_array_equal(AdditiveFitness(space, amounts)(space.enumerate()), np.full((4, 1), 2.0))


def test_a_fitness_of_another_space_is_refused() -> None:
    with pytest.raises(ValueError, match="4 choices, but the space has 3"):
        NSGA2(plain_space(3, 3), 4, 0).evolve(additive_fitness(plain_space(4, 3), 1), 1)
    with pytest.raises(ValueError, match="not of the space of the costs"):
        NSGA2(plain_space(6, 8), 40, 0).evolve(CostFitness(spaces_of.create("nasbench201")), 1)
    with pytest.raises(ValueError, match="one objective, got 2"):
        LocalSearch(plain_space(3, 3), 0).evolve(additive_fitness(plain_space(3, 3), 2), 1)
    with pytest.raises(ValueError, match=r"genotypes must have shape \[n, 3\]"):
        additive_fitness(plain_space(3, 3), 1)(np.zeros((2, 4), dtype=np.uint8))
    with pytest.raises(ValueError, match="not valid"):
        additive_fitness(plain_space(3, 3), 1)(np.full((2, 3), 9, dtype=np.uint8))
