"""NSGA-II: its selection against the definition, what it finds, and what it refuses."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from evolution_problems import Genotypes, additive, plain_space, spaces, tangled_space
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas import pareto
from efficient_nas import spaces as spaces_of
from efficient_nas.evolution import NSGA2, EvolutionResult
from efficient_nas.spaces import Choice, Space


def same(a: EvolutionResult, b: EvolutionResult) -> bool:
    parts = [(a.population, b.population), (a.values, b.values), (a.fronts, b.fronts)]
    parts += [(getattr(a.history, n), getattr(b.history, n)) for n in ("genotypes", "values", "generations")]
    return all(np.array_equal(x, y, equal_nan=x.dtype == np.float64) for x, y in parts)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("objectives", "options", "generations", "complete"), [(2, 4, 20, 1.0), (3, 5, 14, 0.97)]
)
def test_reaches_the_true_front_of_a_space_small_enough_to_enumerate(
    objectives: int, options: int, generations: int, complete: float, seed: int
) -> None:
    space = plain_space(6, options)
    evaluate = additive(space, objectives, seed)
    everything = evaluate(space.enumerate())
    front = {tuple(row) for row in everything[pareto.is_nondominated(everything)]}
    result = NSGA2(space, 2 * len(front), seed).evolve(evaluate, generations)
    found = {tuple(row) for row in result.values[result.fronts == 0]}
    assert found <= front and len(found) >= complete * len(front)
    # It is evolution that finds it: a third of the space is seen at most, as many random genotypes miss most.
    evaluated = len(result.history.genotypes)
    assert evaluated < space.size / 3
    random = {tuple(row) for row in evaluate(space.sample(evaluated, seed))}
    assert len(front - random) > 0.5 * len(front)


@settings(max_examples=50)
@given(spaces(), st.integers(2, 12), st.integers(0, 2**64 - 1), st.integers(1, 3))
def test_every_generation_keeps_the_best_of_parents_and_children(
    space: Space, population_size: int, seed: int, objectives: int
) -> None:
    evaluate = additive(space, objectives)
    search = NSGA2(space, population_size, seed)
    before = search.evolve(evaluate, generations=0)
    for generation in range(1, 4):
        result = search.evolve(evaluate, generations=1)
        new = result.history.generations == generation
        if not new.any():  # the space is exhausted
            assert same(result, before)
            break
        union = np.concatenate([before.population, result.history.genotypes[new]])
        values = np.concatenate([before.values, result.history.values[new]])
        kept = np.argsort(pareto.rank(values))[:population_size]
        np.testing.assert_array_equal(result.population, union[kept])
        np.testing.assert_array_equal(result.values, values[kept])
        np.testing.assert_array_equal(result.fronts, pareto.nondominated_sort(result.values))
        before = result
    assert space.validate(before.history.genotypes).all()
    np.testing.assert_array_equal(evaluate(before.population), before.values)
    keys = space.canonical_bytes(before.history.genotypes)
    assert len(set(keys)) == len(keys)


@settings(max_examples=20)
@given(spaces(), st.integers(0, 2**64 - 1))
def test_same_seed_same_populations_however_the_calls_are_split(space: Space, seed: int) -> None:
    evaluate = additive(space, 2)
    unbroken = NSGA2(space, 8, seed).evolve(evaluate, 5)
    assert same(NSGA2(space, 8, seed).evolve(evaluate, 5), unbroken)
    search = NSGA2(space, 8, seed)
    search.evolve(evaluate, 2)
    assert same(search.evolve(evaluate, 3), unbroken)


def test_another_seed_gives_another_population() -> None:
    space = plain_space(10, 5)
    a, b = (NSGA2(space, 20, seed).evolve(additive(space, 2), 2) for seed in (0, 1))
    assert not np.array_equal(a.population, b.population)


def test_children_come_from_crossover_and_one_mutation() -> None:
    space = plain_space(20, 4)
    search = NSGA2(space, 30, seed=3)
    parents = search.evolve(additive(space, 2), 0).population
    result = search.evolve(additive(space, 2), 1)
    children = result.history.genotypes[result.history.generations == 1]
    assert len(children) == 30
    for child in children:
        # Some pair of parents explains all of the child's values but the mutated one.
        matches = child == parents
        unexplained = [(~(matches[i] | matches[i:])).sum(axis=1).min() for i in range(len(parents))]
        assert min(unexplained) <= 1


def test_stops_when_the_space_holds_nothing_new() -> None:
    space = tangled_space()
    evaluate = additive(space, 2)
    result = NSGA2(space, 10, seed=0).evolve(evaluate, generations=1000)
    assert len(result.history.genotypes) == space.size == 3 + 9 + 9 * 6
    best = np.argsort(pareto.rank(evaluate(space.enumerate())))[0]
    assert space.enumerate()[best].tolist() in result.population[result.fronts == 0].tolist()
    everything = evaluate(space.enumerate())
    assert (result.fronts == 0).sum() == min(10, pareto.is_nondominated(everything).sum())


def test_architectures_that_are_the_same_are_evaluated_once() -> None:
    class Unordered(Space):
        """Genotypes with the same options in another order are the same architecture."""

        def canonical_bytes(self, genotypes: np.ndarray, kind: str = "graph") -> list[bytes]:
            return [np.sort(row).tobytes() for row in genotypes]

    space = Unordered([Choice(f"c{i}", range(3)) for i in range(4)])
    result = NSGA2(space, 6, seed=0).evolve(additive(space, 1), generations=50)
    keys = space.canonical_bytes(result.history.genotypes)
    assert len(keys) == len(set(keys)) == 15  # multisets of 4 out of 3


def test_cells_of_nasbench201_are_evaluated_once_for_each_isomorphism_class() -> None:
    space = spaces_of.create("nasbench201")

    def evaluate(genotypes: np.ndarray) -> np.ndarray:
        costs = space.costs(genotypes, (3, 32, 32), 10)
        return np.stack([costs["macs"], -costs["params"], costs["peak_activation_bytes"]], axis=1).astype(
            float
        )

    result = NSGA2(space, 40, seed=0).evolve(evaluate, generations=30)
    keys = space.canonical_bytes(result.history.genotypes)
    assert len(keys) == len(set(keys)) == 31 * 40
    assert len(np.unique(result.history.genotypes, axis=0)) == len(keys)


def test_failed_evaluations_rank_last_and_are_reported_as_nan() -> None:
    space = plain_space(6, 4)
    evaluate = additive(space, 2)

    def fails_often(genotypes: np.ndarray) -> np.ndarray:
        values = evaluate(genotypes)
        values[genotypes[:, 0] == 0, 0] = np.nan
        values[genotypes[:, 0] == 1, 1] = np.inf
        values[genotypes[:, 0] == 2, 1] = -np.inf
        return values

    result = NSGA2(space, 16, seed=1).evolve(fails_often, 0)
    failed = np.isnan(result.values).all(axis=1)
    assert failed.any() and not failed.all()
    np.testing.assert_array_equal(failed, result.population[:, 0] != 3)
    assert (np.diff(failed.astype(int)) >= 0).all()
    assert set(result.fronts[failed]) == {result.fronts[~failed].max() + 1}
    assert (
        NSGA2(space, 4, seed=0).evolve(lambda g: np.full((len(g), 2), np.nan), 3).fronts.tolist() == [0] * 4
    )


@pytest.mark.parametrize("maximize", [True, [True, False], [False, False], False])
def test_maximising_is_minimising_the_negative(maximize: bool | list[bool]) -> None:
    space = plain_space(6, 4)
    evaluate = additive(space, 2)
    signs = np.where(np.broadcast_to(maximize, 2), -1.0, 1.0)
    expected = NSGA2(space, 12, seed=5).evolve(evaluate, 4)
    result = NSGA2(space, 12, seed=5, maximize=maximize).evolve(lambda g: signs * evaluate(g), 4)
    np.testing.assert_array_equal(result.population, expected.population)
    np.testing.assert_array_equal(result.values, signs * expected.values)
    np.testing.assert_array_equal(result.history.values, signs * expected.history.values)


def test_an_error_of_evaluate_loses_nothing() -> None:
    space = plain_space(6, 4)
    evaluate = additive(space, 2)
    unbroken = NSGA2(space, 12, seed=5).evolve(evaluate, 4)
    calls = 0

    def breaks(genotypes: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls in {1, 4}:
            raise RuntimeError("out of memory")
        return evaluate(genotypes)

    search = NSGA2(space, 12, seed=5)
    with pytest.raises(RuntimeError, match="out of memory"):
        search.evolve(breaks, 4)
    with pytest.raises(RuntimeError, match="out of memory"):
        search.evolve(breaks, 4)
    assert same(search.evolve(breaks, 3), unbroken)  # the initial population and one generation were kept


def test_what_evaluate_does_to_its_argument_changes_nothing() -> None:
    space = plain_space(6, 4)
    evaluate = additive(space, 2)

    def overwrites(genotypes: np.ndarray) -> np.ndarray:
        assert genotypes.dtype == np.uint8 and genotypes.shape == (12, 6)
        values = evaluate(genotypes)
        genotypes[:] = 255
        return values

    assert same(NSGA2(space, 12, 0).evolve(overwrites, 3), NSGA2(space, 12, 0).evolve(evaluate, 3))


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (np.zeros((3, 2)), ValueError, r"one row for each of the 4 genotypes, got shape \[3, 2\]"),
        (np.zeros(4), ValueError, r"evaluate must have shape \[n, m\] with m >= 1, got \[4\]"),
        (np.zeros((4, 0)), ValueError, r"m >= 1, got \[4, 0\]"),
        (np.zeros((4, 2, 1)), ValueError, r"got \[4, 2, 1\]"),
        (0.5, ValueError, r"got shape \[\]"),
        (None, TypeError, "result of evaluate must be float64"),
        ([["a", "b"]] * 4, TypeError, "result of evaluate must be float64"),
        ([[1.0], [1.0, 2.0], [1.0], [1.0]], ValueError, "result of evaluate must be float64"),
        (np.zeros((4, 3)), ValueError, r"maximize must have shape \[3\].*got \[2\]"),
    ],
)
def test_a_wrong_result_of_evaluate_is_named(returned: object, error: type[Exception], message: str) -> None:
    search = NSGA2(plain_space(3, 3), 4, seed=0, maximize=[True, False])
    with pytest.raises(error, match=message):
        search.evolve(lambda genotypes: returned, 1)


def test_what_evaluate_returns_stays_as_it_is() -> None:
    returned = np.array([[np.nan, 1.0], [np.inf, 2.0], [3.0, 4.0], [5.0, -np.inf]])
    before = returned.copy()
    search = NSGA2(plain_space(5, 4), 4, 0)
    result = search.evolve(lambda genotypes: returned, 0)
    np.testing.assert_array_equal(returned, before)
    returned[:] = 0.0
    assert np.isnan(result.history.values).sum() == 6


@pytest.mark.parametrize("duplicates", ["graph", "expression"])
def test_a_space_of_ones_own_is_asked_for_the_keys_that_were_wanted(duplicates: str) -> None:
    class OwnSpace(Space):
        def canonical_bytes(self, genotypes: Genotypes, kind: str = "graph") -> list[bytes]:
            column = 0 if kind == "graph" else 1
            return [row[column : column + 1].tobytes() for row in genotypes]

    space = OwnSpace([Choice("a", range(3)), Choice("b", range(5))])
    search = NSGA2(space, 20, 0, duplicates=duplicates)
    assert len(search.ask()) == (3 if duplicates == "graph" else 5)


def test_the_number_of_objectives_must_stay() -> None:
    space = plain_space(6, 4)
    search = NSGA2(space, 8, seed=0)
    search.evolve(additive(space, 2), 0)
    with pytest.raises(ValueError, match="2 columns as before, got 3"):
        search.evolve(additive(space, 3), 1)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda s: NSGA2(s, 1, 0), ValueError, "population_size must be an integer >= 2, got 1"),
        (lambda s: NSGA2(s, 2**31, 0), ValueError, r"between 2 and 2\^31 - 1, got 2147483648"),
        (lambda s: NSGA2(s, -5, 0), ValueError, "population_size must be an integer >= 2, got -5"),
        (lambda s: NSGA2(s, 8, -1), ValueError, r"seed must be an integer in \[0, 2\^64\), got -1"),
        (lambda s: NSGA2("nasbench201", 8, 0), TypeError, "space must be a spaces.Space, got 'nasbench201'"),
        (lambda s: NSGA2(s, 8, 0).evolve(additive(s, 2), -1), ValueError, "generations .*>= 0, got -1"),
        (lambda s: NSGA2(s, 8, 0).evolve(additive(s, 2), 1.5), TypeError, "generations .*>= 0, got 1.5"),
        (
            lambda s: NSGA2(s, 8, 0, maximize=[1, 0]).evolve(additive(s, 2), 1),
            TypeError,
            "maximize must be bools",
        ),
    ],
)
def test_bad_arguments_are_named(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(plain_space(3, 3))


class Nosy(Space):
    """Calls back while the search asks for keys."""

    def canonical_bytes(self, genotypes: np.ndarray, kind: str = "graph") -> list[bytes]:
        self.call_back()
        return super().canonical_bytes(genotypes, kind)


def test_a_search_that_is_in_use_says_so() -> None:
    space = Nosy([Choice(f"c{i}", range(4)) for i in range(6)])
    search = NSGA2(space, 8, seed=0)
    space.call_back = lambda: search.evolve(additive(space, 2), 1)
    with pytest.raises(RuntimeError, match="in use by another thread or its own callback"):
        search.evolve(additive(space, 2), 1)
    raised: list[Exception] = []

    def from_a_thread() -> None:
        try:
            search.evolve(additive(space, 2), 1)
        except RuntimeError as error:
            raised.append(error)

    def call_back() -> None:
        space.call_back = lambda: None
        thread = threading.Thread(target=from_a_thread)
        thread.start()
        thread.join()

    space.call_back = call_back
    result = search.evolve(additive(space, 2), 1)
    assert len(raised) == 1 and len(result.population) == 8


def test_keys_of_the_wrong_number_or_type_are_refused() -> None:
    class Short(Space):
        def canonical_bytes(self, genotypes: np.ndarray, kind: str = "graph") -> list[bytes]:
            return super().canonical_bytes(genotypes, kind)[1:]

    class Text(Space):
        def canonical_bytes(self, genotypes: np.ndarray, kind: str = "graph") -> list[bytes]:
            return ["key"] * len(genotypes)  # type: ignore[list-item]

    choices = [Choice(f"c{i}", range(4)) for i in range(6)]
    with pytest.raises(ValueError, match="must return 8 keys, got 7"):
        NSGA2(Short(choices), 8, seed=0).evolve(lambda g: np.zeros((len(g), 1)), 1)
    with pytest.raises(TypeError, match="must return a list of bytes"):
        NSGA2(Text(choices), 8, seed=0).evolve(lambda g: np.zeros((len(g), 1)), 1)
