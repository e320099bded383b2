"""Samplers: what their paths hold in every step, and that a policy learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import efficient_nas as nas
from efficient_nas.spaces import Choice, Space
from efficient_nas.supernet import FairNAS, Policy, Sampler, Sandwich, Uniform

MBCONV = nas.spaces.create("mbconv")
MACRO = nas.spaces.create("nasbench_macro")
SPACES = [MBCONV, MACRO, nas.spaces.create("nasbench201"), nas.spaces.create("darts")]
SAMPLERS: list[Callable[[Space], Sampler]] = [Uniform, Sandwich, Policy, FairNAS]
seeds = st.integers(0, 2**62)


def fits(make: Callable[[Space], Sampler], space: Space) -> bool:
    return make is not FairNAS or space.name in {"nasbench_macro", "nasbench201"}


PAIRS = [(make, space) for make in SAMPLERS for space in SPACES if fits(make, space)]
NAMES = [f"{make.__name__}-{space.name}" for make, space in PAIRS]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("make", "space"), PAIRS, ids=NAMES)
def test_paths_are_valid_and_follow_from_the_seed(make: Callable[[Space], Sampler], space: Space) -> None:
    sampler = make(space)
    for seed in range(20):
        paths = sampler.paths(seed)
        assert paths.dtype == np.uint8
        assert space.validate(paths).all()
        np.testing.assert_array_equal(paths, make(space).paths(seed))
    drawn = {sampler.paths(seed).tobytes() for seed in range(20)}
    assert len(drawn) > 10


@pytest.mark.parametrize(("make", "space"), PAIRS, ids=NAMES)
def test_the_global_random_state_is_left_alone(make: Callable[[Space], Sampler], space: Space) -> None:
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index] # noqa: NPY002
    make(space).paths(0)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # type: ignore[index] # noqa: NPY002


@given(seeds)
def test_fairnas_holds_every_option_of_every_choice_once(seed: int) -> None:
    paths = FairNAS(MACRO).paths(seed)
    np.testing.assert_array_equal(np.sort(paths, axis=0), np.tile(np.arange(3)[:, None], 8))


@given(seeds)
def test_fairnas_of_a_restricted_space_leaves_closed_options_out(seed: int) -> None:
    sampler = FairNAS(MACRO)
    sampler.open(MACRO.restrict(operations=["identity", "mbconv_k5_e6"]))
    np.testing.assert_array_equal(np.sort(sampler.paths(seed), axis=0), np.tile([[0], [2]], 8))


def test_fairnas_draws_columns_independently() -> None:
    """Nine pairs of options of two choices, each about as often as any other."""
    paths = np.concatenate([FairNAS(MACRO).paths(seed) for seed in range(600)])
    counts = np.bincount(paths[:, 0].astype(int) * 3 + paths[:, 1])
    assert counts.min() > 150  # 200 expected, standard deviation below 14
    assert counts.max() < 250


def test_fairnas_says_where_strict_fairness_is_impossible() -> None:
    with pytest.raises(ValueError, match=r"FairNAS: choices must not depend on others.*space mbconv"):
        FairNAS(MBCONV)
    with pytest.raises(ValueError, match="FairNAS: choices must not depend on others"):
        FairNAS(nas.spaces.create("darts"))
    uneven = Space([Choice("a", [1, 2]), Choice("b", [1, 2, 3])])
    with pytest.raises(ValueError, match=r"equally many open options.*2, 3"):
        FairNAS(uneven)


@settings(max_examples=30)
@given(seeds, st.integers(0, 4))
def test_sandwich_has_the_largest_first_and_the_smallest_second(seed: int, random: int) -> None:
    paths = Sandwich(MBCONV, random).paths(seed)
    assert len(paths) == 2 + random
    largest, smallest = (MBCONV.values(row) for row in paths[:2])
    for choice in MBCONV.choices:
        assert largest[choice.name] == max(choice.options, key=float)
        if choice.name in smallest:  # layers beyond the smallest depth are inactive
            assert smallest[choice.name] == min(choice.options, key=float)
    assert smallest["stage1/depth"] == 1


def test_sandwich_of_operations_and_of_a_stage() -> None:
    sampler = Sandwich(MACRO)
    np.testing.assert_array_equal(sampler.paths(0)[:2], [[2] * 8, [0] * 8])
    sampler.open(MACRO.restrict(operations=["identity", "mbconv_k3_e3"]))
    np.testing.assert_array_equal(sampler.paths(0)[:2], [[1] * 8, [0] * 8])
    assert sampler.paths(0).max() == 1
    with pytest.raises(ValueError, match="random must be an int >= 0, got -1"):
        Sandwich(MACRO, -1)


def test_uniform_is_uniform_over_active_options() -> None:
    paths = np.concatenate([Uniform(MBCONV).paths(seed) for seed in range(1500)])
    active = MBCONV.active(paths)
    for column, choice in enumerate(MBCONV.choices):
        of_active = paths[active[:, column], column]
        counts = np.bincount(of_active, minlength=len(choice.options))
        expected = len(of_active) / len(choice.options)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected), choice.name
    assert not paths[~active].any()


@pytest.mark.parametrize("make", [Uniform, Sandwich, Policy])
def test_open_restricts_the_draws(make: Callable[[Space], Sampler]) -> None:
    sampler = make(MBCONV)
    stage = MBCONV.restrict(max_depth=1, max_width=100)
    sampler.open(stage)
    for seed in range(30):
        assert stage.validate(sampler.paths(seed)).all()
    with pytest.raises(ValueError, match="open needs a restriction of space mbconv"):
        sampler.open(MACRO)


@pytest.mark.parametrize("space", [MACRO, nas.spaces.create("darts")], ids=lambda s: s.name)
def test_a_policy_learns_a_planted_path_and_continues_from_its_state(space: Space) -> None:
    planted = space.sample(1, 5)[0]
    policy = Policy(space)

    def step(policy: Policy, seed: int) -> None:
        paths = policy.paths(seed)
        policy.tell(paths, torch.tensor([float((row == planted).mean()) for row in paths]))

    for seed in range(150):
        step(policy, seed)
    state = policy.state_dict()
    assert all(isinstance(value, (int, float, torch.Tensor)) for value in state.values())
    other = Policy(space)
    other.load_state_dict(state)
    for seed in range(150, 400):
        step(policy, seed)
        step(other, seed)
    assert torch.equal(policy.logits, other.logits)
    agreement = (policy.sample(200, 0) == planted).mean()
    assert agreement > 0.9
    assert agreement > (space.sample(200, 0) == planted).mean() + 0.2


def test_a_policy_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match="learning_rate must be a number > 0, got 0"):
        Policy(MACRO, learning_rate=0)
    with pytest.raises(ValueError, match=r"baseline_decay must be a number in \[0, 1\), got 'a'"):
        Policy(MACRO, baseline_decay="a")  # type: ignore[arg-type]
    policy = Policy(MACRO)
    with pytest.raises(ValueError, match="rewards must be 1 finite numbers"):
        policy.tell(policy.paths(0), torch.tensor([float("nan")]))
    with pytest.raises(ValueError, match="logits must have shape"):
        policy.load_state_dict(Policy(MBCONV).state_dict())
