"""The hybrid: everybody gets turns, success gets more, and all learn from all."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from toy import Score, distances, long_space, search

from efficient_nas import controllers

BOTH = ("evolution", "reinforce")


def shares(proposals: list) -> dict[str, float]:
    counts = Counter(p.origin for p in proposals)
    return {origin.removeprefix("hybrid/"): n / len(proposals) for origin, n in counts.items()}


def test_every_part_proposes_from_the_start() -> None:
    proposals = search(controllers.Hybrid(long_space(), 0), 30, lambda p: (float(p.trial % 5),))
    assert set(shares(proposals)) == {"evolution", "reinforce", "local_search"}


@pytest.mark.parametrize("favoured", BOTH)
def test_turns_go_to_who_succeeds(favoured: str) -> None:
    hybrid = controllers.Hybrid(long_space(), 1, parts=BOTH, floor=0.1)
    # Results of the favoured part get better and better, those of the other one are all bad.
    score: Score = lambda p: (-float(p.trial) if p.origin.endswith(favoured) else 1.0,)  # noqa: E731
    late = shares(search(hybrid, 200, score)[50:])
    assert late[favoured] > 0.8
    assert 1 - late[favoured] > 0.04  # the floor gives the other one 10 % of the turns
    successes, failures = hybrid.credit[favoured]
    assert successes > 10 * failures


def test_shares_change_when_success_changes() -> None:
    hybrid = controllers.Hybrid(long_space(), 2, parts=BOTH)

    def score(p):
        good = "evolution" if p.trial < 150 else "reinforce"
        return (-float(p.trial) if p.origin.endswith(good) else 1.0,)

    proposals = search(hybrid, 400, score)
    assert shares(proposals[75:150])["evolution"] > 0.7
    assert shares(proposals[325:])["reinforce"] > 0.7


def test_equal_shares_where_the_floor_says_so() -> None:
    hybrid = controllers.Hybrid(long_space(), 3, parts=BOTH, floor=0.5)
    proposals = search(hybrid, 300, lambda p: (-float(p.trial) if "evolution" in p.origin else 1.0,))
    assert 0.4 < shares(proposals)["evolution"] < 0.6


def test_evolution_mutates_what_reinforce_found() -> None:
    hybrid = controllers.Hybrid(long_space(), 4, parts=BOTH)
    proposals = search(hybrid, 150, lambda p: (-float(p.trial) if "reinforce" in p.origin else 1.0,))
    found = [p for p in proposals if "reinforce" in p.origin]
    children = [p for p in proposals[60:] if "evolution" in p.origin]
    assert children
    for child in children:
        assert min(distances(child.genotype, [p for p in found if p.trial < child.trial])) <= 3


def test_reinforce_imitates_what_evolution_found() -> None:
    space = long_space()
    hybrid = controllers.Hybrid(space, 5, parts=BOTH)
    # Only evolution's results count; they reward option c in the first half of the choices.
    score: Score = lambda p: (-float((p.genotype[:8] == 2).sum()) if "evolution" in p.origin else 1.0,)  # noqa: E731
    sampled = [p.genotype for p in search(hybrid, 400, score)[250:] if "reinforce" in p.origin]
    assert len(sampled) >= 8
    assert (np.stack(sampled)[:, :8] == 2).mean() > 0.4


def test_a_single_part_is_enough() -> None:
    hybrid = controllers.Hybrid(long_space(), 6, parts=["evolution"], floor=1.0)
    assert set(shares(search(hybrid, 20, lambda p: (1.0,)))) == {"evolution"}
