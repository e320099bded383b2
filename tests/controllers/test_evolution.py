"""Local search, regularized evolution and NSGA-II: who becomes a parent, and what a stage changes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from toy import Score, distances, long_space, search, tell

from efficient_nas import controllers, pareto
from efficient_nas.controllers.front import Front
from efficient_nas.controllers.population import order
from efficient_nas.testing.controller_spaces import conditional_space
from efficient_nas.types import Proposal, Result

EVOLUTION: list[tuple[str, dict[str, Any]]] = [
    ("regularized_evolution", {"population_size": 20, "sample_size": 5, "initial_size": 5}),
    ("nsga2", {"population_size": 5, "crossover_probability": 0.0}),
    ("local_search", {"initial_size": 5}),
]


def total(p: Proposal) -> tuple[float, ...]:
    return (-float(p.genotype.sum()),)


@pytest.mark.parametrize(("name", "options"), EVOLUTION)
def test_children_differ_little_from_a_result(name: str, options: dict[str, Any]) -> None:
    proposals = search(controllers.create(name, long_space(), 0, **options), 60, total)
    assert {p.origin for p in proposals[:5]} == {"random"}
    for p in proposals[5:]:
        assert p.origin in {"mutation", "neighbour", "crossover"}
        assert min(distances(p.genotype, proposals[: p.trial])) == 1


@pytest.mark.parametrize(("name", "options"), EVOLUTION)
def test_failed_results_never_become_parents(name: str, options: dict[str, Any]) -> None:
    failing: Score = lambda p: total(p) if p.trial < 8 or p.genotype[0] == 0 else None  # noqa: E731
    proposals = search(controllers.create(name, long_space(), 1, **options), 80, failing)
    completed = [p for p in proposals if failing(p) is not None]
    children = [p for p in proposals if p.origin not in {"random", "restart"}]
    assert len(children) > 50
    assert len(completed) < len(proposals) - 10
    for p in children:
        assert min(distances(p.genotype, [c for c in completed if c.trial < p.trial])) <= 3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("regularized_evolution", {"initial_size": 2}),
        ("nsga2", {"population_size": 2, "crossover_probability": 0.0}),
        ("local_search", {"initial_size": 2}),
    ],
)
def test_feasible_results_are_preferred(name: str, options: dict[str, Any]) -> None:
    controller = controllers.create(name, long_space(), 2, **options)
    proposals = []
    for trial in range(60):
        (p,) = controller.ask(1)
        # One feasible result with the worst value of all.
        values, violation = ((1.0,), 0.0) if trial == 0 else ((-float(trial),), 1.0 + trial)
        controller.tell([Result(p.trial, p.genotype, p.origin, values, violation)])
        proposals.append(p)
    parents = [int(np.argmin(distances(p.genotype, proposals[:2]))) for p in proposals[2:]]
    assert np.mean(parents) < 0.4


@pytest.mark.parametrize(
    ("name", "options"),
    [*EVOLUTION, ("random", {}), ("reinforce", {}), ("hybrid", {})],
)
def test_it_climbs(name: str, options: dict[str, Any]) -> None:
    """Everything but random search finds far better sums than the best of 150 random genotypes, about 46."""
    best = -min(total(p) for p in search(controllers.create(name, long_space(), 3, **options), 150, total))[0]
    assert (best <= 48) if name == "random" else (best >= 51)


def test_the_oldest_member_dies_however_good() -> None:
    controller = controllers.create(
        "regularized_evolution", long_space(), 4, population_size=4, sample_size=20, initial_size=4
    )
    first: Score = lambda p: (-100.0 if p.trial == 0 else float(p.trial),)  # noqa: E731
    proposals = search(controller, 20, first)
    # Trials 4 to 7 are asked while trial 0 is alive; once trial 4 is told, it is the first to go.
    assert distances(proposals[0].genotype, [proposals[4]]) == [1]
    assert min(distances(proposals[0].genotype, proposals[6:])) > 1


def test_crossover_takes_every_choice_but_the_mutated_one_from_two_parents() -> None:
    controller = controllers.create("nsga2", long_space(), 5, population_size=4, crossover_probability=1.0)
    parents = search(controller, 4, total)
    for p in controller.ask(10):
        assert p.origin == "crossover"
        pairs = product(parents, parents)
        foreign = [((p.genotype != a.genotype) & (p.genotype != b.genotype)).sum() for a, b in pairs]
        assert min(foreign) <= 1


def test_nsga2_keeps_a_spread_front() -> None:
    """Two conflicting values: after 200 trials the front covers more than after 200 random ones."""
    conflict: Score = lambda p: (float(p.genotype[:8].sum()), -float(p.genotype[4:].sum()))  # noqa: E731
    volumes = [
        pareto.hypervolume(
            np.array([conflict(p) for p in search(controllers.create(name, long_space(), 6), 200, conflict)]),
            np.array([32.0, 0.0]),
        )
        for name in ("random", "nsga2")
    ]
    assert volumes[1] > 1.2 * volumes[0]


def test_local_search_restarts_at_an_optimum_and_not_before() -> None:
    space = conditional_space()
    controller = controllers.create("local_search", space, 7, initial_size=1)
    flat: Score = lambda p: (float(p.trial > 0),)  # noqa: E731, the first one is an optimum
    proposals = search(controller, 400, flat)
    restart = next(p.trial for p in proposals if p.origin == "restart")
    neighbours = {g.tobytes() for g in space.neighbours(proposals[0].genotype)}
    assert {p.genotype.tobytes() for p in proposals[1:restart]} == neighbours


def test_pareto_local_search_expands_every_member_of_the_front() -> None:
    controller = controllers.create("local_search", long_space(), 8, initial_size=3)
    proposals = controller.ask(3)
    for p, values in zip(proposals, [(0.0, 1.0), (1.0, 0.0), (2.0, 2.0)], strict=True):
        tell(controller, p, values)
    children = search(controller, 40, lambda p: (3.0, 3.0))
    parents = [int(np.argmin([distances(c.genotype, [p])[0] for p in proposals])) for c in children]
    assert set(parents) == {0, 1}


@pytest.mark.parametrize(("name", "options"), EVOLUTION)
def test_a_new_stage_goes_on_from_the_best(name: str, options: dict[str, Any]) -> None:
    space = long_space()
    controller = controllers.create(name, space.restrict(operations=["a", "b"]), 9, **options)
    before = search(controller, 60, total)
    best = sorted(before, key=total)[:20]
    controller.open_stage(space)
    after = controller.ask(10)
    assert all(min(distances(p.genotype, best)) <= 2 for p in after)
    assert any(p.genotype.max() > 1 for p in after)


def test_the_better_half_is_the_youngest_in_a_new_stage() -> None:
    space = long_space()
    controller = controllers.create(
        "regularized_evolution", space, 10, population_size=6, sample_size=30, initial_size=6
    )
    search(controller, 6, lambda p: (float(p.trial),))  # trial 0 is the best and the oldest
    controller.open_stage(space)
    later = search(controller, 3, lambda p: (100.0,))  # the three worst die; without a stage, 0, 1 and 2
    state = controller.state_dict()["rule"]["population"]
    assert sorted(state["values"][:, 0].tolist()) == [0.0, 1.0, 2.0, 100.0, 100.0, 100.0]
    assert len(later) == 3


ROWS = hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(0, 3))


@settings(max_examples=200)
@given(values=ROWS, data=st.data())
def test_the_order_is_that_of_pareto_rank(values: np.ndarray, data: st.DataObject) -> None:
    violations = data.draw(
        hnp.arrays(np.float64, len(values), elements=st.sampled_from([0.0, 0.0, 1.0, 2.0]))
    )
    ranks = pareto.rank(values, violations)
    assert ranks[order(values, violations)].tolist() == list(range(len(values)))


@settings(max_examples=200)
@given(values=ROWS, data=st.data())
def test_the_front_is_what_nothing_dominates(values: np.ndarray, data: st.DataObject) -> None:
    violations = data.draw(
        hnp.arrays(np.float64, len(values), elements=st.sampled_from([0.0, 0.0, 1.0, 2.0]))
    )
    front = Front(1)
    for i, (row, violation) in enumerate(zip(values.tolist(), violations.tolist(), strict=True)):
        front.add(Result(i, np.array([i], np.uint8), "", tuple(row), violation))
    least = np.flatnonzero(violations == violations.min())
    expected = least[pareto.is_nondominated(values[least])]
    assert front.genotypes[:, 0].tolist() == expected.tolist()
    assert np.array_equal(front.values, values[expected])
    restored = Front(1)
    restored.load_state_dict(front.state_dict())
    assert np.array_equal(restored.values, front.values)
