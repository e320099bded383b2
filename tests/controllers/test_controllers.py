"""What a user gets wrong: names, options, results; and what running out of a space looks like."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from efficient_nas import controllers
from efficient_nas.errors import SpaceExhausted
from efficient_nas.spaces import Choice, Space
from efficient_nas.testing.controller_spaces import conditional_space, symmetric_space
from efficient_nas.types import Proposal, Result

ALL = ["random", "local_search", "regularized_evolution", "nsga2", "reinforce", "hybrid"]


def result(p: Proposal, **changes: Any) -> Result:
    return replace(Result(p.trial, p.genotype, p.origin, (float(p.genotype.sum()),)), **changes)


def test_available() -> None:
    assert controllers.available() == ALL


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hybird", {}, r"unknown name 'hybird' \(did you mean hybrid\?\) \(allowed: random, local_search"),
        (3, {}, "unknown name 3"),
        ("random", {"population_size": 3}, r"random has no option 'population_size' \(allowed: none\)"),
        ("nsga2", {"population": 3}, r"no option 'population' \(did you mean population_size\?\)"),
        ("regularized_evolution", {"population_size": 1}, "population_size must be an int >= 2, got 1"),
        ("regularized_evolution", {"population_size": "9"}, "population_size must be an int >= 2, got '9'"),
        ("regularized_evolution", {"sample_size": 2.5}, "sample_size must be an int >= 1, got 2.5"),
        (
            "regularized_evolution",
            {"initial_size": 200},
            r"initial_size must be an int in \[1, 100\], got 200",
        ),
        ("nsga2", {"crossover_probability": 1.5}, r"crossover_probability must be a number in \[0, 1\]"),
        ("nsga2", {"crossover_probability": math.nan}, "crossover_probability must be a number in"),
        ("local_search", {"initial_size": 0}, "local_search: initial_size must be an int >= 1, got 0"),
        ("reinforce", {"learning_rate": math.inf}, "learning_rate must be a finite number > 0, got inf"),
        ("reinforce", {"learning_rate": 0.0}, "learning_rate must be a finite number > 0, got 0.0"),
        ("reinforce", {"hidden_size": True}, "hidden_size must be an int >= 1, got True"),
        ("reinforce", {"batch_size": 60}, "window must be an int >= 60, got 50"),
        ("reinforce", {"entropy_weight": -1}, "entropy_weight must be a finite number >= 0, got -1"),
        ("hybrid", {"parts": ["evolution", "reinforced"]}, r"unknown part 'reinforced' \(did you mean"),
        ("hybrid", {"parts": ["evolution", "evolution"]}, "parts names 'evolution' twice"),
        ("hybrid", {"parts": "evolution"}, "parts must be a list with at least one of"),
        ("hybrid", {"parts": []}, "parts must be a list with at least one of"),
        ("hybrid", {"floor": 0.5}, r"floor must be a number in \[0, 0.333"),
        ("hybrid", {"decay": 2}, r"decay must be a number in \[0, 1\], got 2"),
    ],
)
def test_wrong_names_and_options(name: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        controllers.create(name, conditional_space(), 0, **options)


@pytest.mark.parametrize("seed", [0.0, "0", None, True])
def test_the_seed_is_an_int(seed: Any) -> None:
    with pytest.raises(TypeError, match="random: seed must be an int, got"):
        controllers.create("random", conditional_space(), seed)


@pytest.mark.parametrize("seed", [-1, 2**80, np.int64(5)])
def test_any_int_is_a_seed(seed: int) -> None:
    for name in ALL:
        assert len(controllers.create(name, conditional_space(), seed).ask(3)) == 3


@pytest.mark.parametrize("n", [0, -1, 1.0, True])
def test_ask_takes_a_positive_int(n: Any) -> None:
    with pytest.raises(ValueError, match="ask: n must be a positive int, got"):
        controllers.create("random", conditional_space(), 0).ask(n)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"genotype": np.zeros(3, np.uint8)}, r"genotype must be uint8 \[9\], got uint8 \[3\]"),
        ({"genotype": [0] * 9}, r"genotype must be a numpy array, got \[0, 0"),
        ({"genotype": np.zeros(9)}, r"genotype must be uint8 \[9\], got float64 \[9\]"),
        ({"genotype": np.zeros(9, np.uint8) + 1}, "trial 1: the genotype is not the one that was proposed"),
        ({"trial": -1, "genotype": np.full(9, 7, np.uint8)}, "trial -1: the genotype is not valid"),
        ({"values": (math.nan,)}, r"trial 1: values must be finite, got \(nan,\)"),
        ({"values": (math.inf,)}, "values must be finite"),
        ({"values": ()}, r"values must be finite, got \(\)"),
        ({"values": (0.0, 1.0)}, "trial 1: expected 1 values as before, got 2"),
        ({"violation": math.nan}, "violation must be finite and >= 0, got nan"),
        ({"violation": -1.0}, "violation must be finite and >= 0, got -1.0"),
        ({"trial": 0}, "trial 0 was told before"),
    ],
)
def test_wrong_results_are_refused_as_a_whole(changes: dict[str, Any], message: str) -> None:
    controller = controllers.create("regularized_evolution", conditional_space(), 0)
    first, second, third = controller.ask(3)
    controller.tell([result(first)])
    with pytest.raises((ValueError, TypeError), match=message):
        controller.tell([result(third), result(second, **changes)])
    controller.tell([result(third), result(second)])  # nothing of the refused list was learned


def test_one_list_cannot_tell_a_trial_twice() -> None:
    controller = controllers.create("random", conditional_space(), 0)
    (p,) = controller.ask(1)
    with pytest.raises(ValueError, match="trial 0 was told before"):
        controller.tell([result(p), result(p)])


def test_stages_must_keep_the_layout_and_grow() -> None:
    space = conditional_space()
    small = space.restrict(max_depth=2)
    controller = controllers.create("random", space, 0)
    controller.open_stage(small)  # before the first proposal nothing is lost
    controller.open_stage(space)
    controller.ask(1)
    with pytest.raises(ValueError, match=f"must not shrink: {space.size} genotypes before, got {small.size}"):
        controller.open_stage(small)
    with pytest.raises(ValueError, match="must keep the layout of 'conditional': cardinalities"):
        controller.open_stage(symmetric_space(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"controller": "nsga2"}, "has controller 'nsga2', this controller 'random'"),
        ({"seed": 1}, "has seed 1, this controller 0"),
        ({"options": {"a": 1}}, "has options {'a': 1}, this controller {}"),
        ({"open_genotypes": np.zeros((0, 3), np.uint8)}, r"must have shape \[n, 9\], got \[0, 3\]"),
    ],
)
def test_states_of_another_controller_are_refused(change: dict[str, Any], message: str) -> None:
    controller = controllers.create("random", conditional_space(), 0)
    with pytest.raises(ValueError, match=message):
        controller.load_state_dict({**controller.state_dict(), **change})


@pytest.mark.parametrize("name", ALL)
def test_a_request_for_more_than_is_left_gives_the_rest(name: str) -> None:
    controller = controllers.create(name, symmetric_space(3), 0)
    proposals = controller.ask(50)
    assert len({bytes(sorted(p.genotype.tolist())) for p in proposals}) == len(proposals) == 10
    with pytest.raises(SpaceExhausted, match=r"no architecture of space 'symmetric3' is left .*10 known"):
        controller.ask(1)
    controller.tell([result(p) for p in proposals])


@pytest.mark.parametrize("name", ["random", "regularized_evolution", "local_search"])
def test_a_large_space_of_few_architectures_ends(name: str) -> None:
    space = symmetric_space(12)  # 531,441 genotypes, 91 architectures: too large to be enumerated
    controller = controllers.create(name, space, 0)
    told = 0
    with pytest.raises(SpaceExhausted):
        while True:
            controller.tell([result(p) for p in controller.ask(1)])
            told += 1
    assert 60 <= told <= 91


def test_random_is_uniform() -> None:
    space = Space([Choice(f"c{i}", [0, 1, 2]) for i in range(8)], name="cube")
    proposals = controllers.create("random", space, 3).ask(3000)
    counts = np.apply_along_axis(np.bincount, 0, np.stack([p.genotype for p in proposals]))
    assert np.abs(counts / 1000 - 1).max() < 0.15  # 5.5 standard deviations without replacement
