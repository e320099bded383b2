"""The LSTM policy: a distribution over exactly the valid genotypes, and its training."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import Score, long_space, search

from efficient_nas import controllers
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.policy import LSTMPolicy
from efficient_nas.controllers.reinforce import _Adam
from efficient_nas.spaces import Choice, Space
from efficient_nas.testing.controller_spaces import conditional_space


def pairs_space() -> Space:
    """Two ordered pairs of predecessors and an operation, as in a DARTS cell."""
    choices = [
        Choice("a", [0, 1, 2], role="predecessor"),
        Choice("b", [0, 1, 2], role="predecessor"),
        Choice("op", ["conv", "pool"], role="operation"),
        Choice("c", [0, 1, 2, 3], role="predecessor"),
        Choice("d", [0, 1, 2, 3], role="predecessor"),
    ]
    return Space(choices, name="pairs", ordered=[("a", "b"), ("c", "d")])


SPACES = {
    "pairs": pairs_space(),
    "conditional": conditional_space().restrict(max_depth=3),
    "stage": conditional_space().restrict(max_depth=2, operations=["skip", "conv5x5"]),
}


def policy_of(space: Space, seed: int = 1) -> LSTMPolicy:
    """A policy with weights ten times their initial ones, far from uniform."""
    policy = LSTMPolicy(space.cardinalities, 8, seed)
    with torch.no_grad():
        policy.weights.mul_(10)
    return policy


@pytest.mark.parametrize("name", SPACES)
def test_probabilities_of_all_genotypes_sum_to_one(name: str) -> None:
    space = SPACES[name]
    log_probability, entropy = policy_of(space).log_probability(space, space.enumerate())
    probability = log_probability.detach().double().exp()
    assert probability.sum().item() == pytest.approx(1, abs=1e-5)
    # The entropy along a path is, on average over paths, the entropy of the whole distribution.
    whole = -(probability * probability.log()).sum().item()
    assert (probability * entropy.detach().double()).sum().item() == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("name", SPACES)
def test_samples_follow_the_probabilities(name: str) -> None:
    space = SPACES[name]
    policy = policy_of(space)
    n = 20_000
    samples = policy.sample(space, n, Draws(5, 0))
    assert space.validate(samples).all()
    everything = space.enumerate()
    expected = policy.log_probability(space, everything)[0].detach().double().exp().numpy() * n
    counted = Counter(row.tobytes() for row in samples)
    counts = np.array([counted[row.tobytes()] for row in everything])
    common = expected >= 5
    chi2 = ((counts - expected)[common] ** 2 / expected[common]).sum()
    freedom = common.sum()
    assert chi2 < freedom + 5 * np.sqrt(2 * freedom)
    assert counts[~common].sum() < expected[~common].sum() + 5 * np.sqrt(expected[~common].sum() + 1)


def test_a_higher_temperature_spreads_samples() -> None:
    space = SPACES["pairs"]
    policy = policy_of(space)
    distinct = [len(np.unique(policy.sample(space, 300, Draws(1, 0), t), axis=0)) for t in (0.2, 1.0, 5.0)]
    assert distinct == sorted(distinct) and distinct[0] < distinct[2]


@settings(max_examples=20)
@given(rows=st.integers(1, 5), seed=st.integers(0, 100))
def test_batches_do_not_change_probabilities(rows: int, seed: int) -> None:
    space = SPACES["conditional"]
    policy = policy_of(space)
    genotypes = space.sample(rows, seed)
    together = policy.log_probability(space, genotypes)[0].detach()
    apart = [policy.log_probability(space, row[None])[0].item() for row in genotypes]
    assert together.tolist() == pytest.approx(apart, rel=1e-5)


def test_adam_is_torchs_adam() -> None:
    generator = torch.Generator().manual_seed(0)
    ours = torch.rand(20, generator=generator).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    adam, reference = _Adam(ours, 0.05), torch.optim.Adam([theirs], lr=0.05)
    for step in range(30):
        gradient = torch.randn(20, generator=generator) * (1 + step)
        adam.step(gradient)
        theirs.grad = gradient.clone()
        reference.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_policy_learns_what_is_rewarded() -> None:
    """After 300 trials that reward option c, the policy's own samples hold far more of it than 1/5."""
    space = long_space()
    reinforce = controllers.Reinforce(space, 0)
    search(reinforce, 300, lambda p: (-float((p.genotype == 2).sum()),))
    samples = reinforce._policy.sample(space, 100, Draws(9, 0))
    assert (samples == 2).mean() > 0.5


def test_the_policy_learns_from_results_of_others_but_only_the_good_ones() -> None:
    """Told 300 foreign results and no own ones, the policy imitates the better ones."""
    space = long_space()
    reinforce = controllers.Reinforce(space, 0)
    random = controllers.Random(space, 1)
    rewarded: Score = lambda p: (-float((p.genotype[:4] == 2).sum()),)  # noqa: E731
    from efficient_nas.types import Result

    for p in search(random, 300, rewarded):
        values = rewarded(p)
        assert values is not None
        reinforce.tell([Result(-1 - p.trial, p.genotype, p.origin, values)])
    samples = reinforce._policy.sample(space, 200, Draws(9, 0))
    assert (samples[:, :4] == 2).mean() > 0.3 > (samples[:, 4:] == 2).mean()


def test_a_stage_opens_the_masks_and_keeps_the_weights() -> None:
    space = long_space()
    reinforce = controllers.Reinforce(space.restrict(operations=["a", "c"]), 0)
    search(reinforce, 150, lambda p: (-float((p.genotype == 2).sum()),))
    weights = reinforce._policy.weights.detach().clone()
    reinforce.open_stage(space)
    assert torch.equal(weights, reinforce._policy.weights)
    samples = reinforce._policy.sample(space, 100, Draws(9, 0))
    assert len(np.unique(samples)) == 5
    assert (samples == 2).mean() > 0.25


def test_torch_threads_change_nothing_and_stay_as_they_were() -> None:
    threads = torch.get_num_threads()
    found = []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            found.append(search(controllers.Reinforce(long_space(), 0), 30, lambda p: (float(p.trial % 7),)))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    assert all(np.array_equal(a.genotype, b.genotype) for a, b in zip(*found, strict=True))


def test_failed_trials_are_not_rewarded() -> None:
    reinforce = controllers.Reinforce(long_space(), 0)
    before = reinforce._policy.weights.detach().clone()
    search(reinforce, 40, lambda p: None)
    assert torch.equal(before, reinforce._policy.weights)
