"""Save-load-continue equals the unbroken search, for any sequence of calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas import controllers
from efficient_nas.testing.controller_spaces import conditional_space
from efficient_nas.types import Result

CALLS = st.lists(
    st.sampled_from(["ask", "ask", "ask 3", "tell", "tell", "tell last", "fail", "foreign", "stage", "save"]),
    min_size=5,
    max_size=60,
)
SPACE = conditional_space()
STAGES = [SPACE.restrict(max_depth=2), SPACE.restrict(max_depth=3), SPACE]


def options(name: str) -> dict[str, Any]:
    """Small sizes, so that short sequences reach every branch."""
    if name == "regularized_evolution":
        return {"population_size": 8, "sample_size": 3, "initial_size": 4}
    if name == "reinforce":
        return {"hidden_size": 8, "batch_size": 2, "window": 6}
    return {"initial_size": 3} if name == "local_search" else {}


@pytest.mark.parametrize("name", controllers.available())
@settings(max_examples=25)
@given(calls=CALLS, seed=st.integers(0, 3))
def test_a_search_can_be_saved_at_any_moment(name: str, calls: list[str], seed: int) -> None:
    stage = 0
    unbroken = broken = controllers.create(name, STAGES[0], seed, **options(name))
    waiting: list[Any] = []
    for step, call in enumerate(calls):
        if call == "save":
            restored = controllers.create(name, STAGES[stage], seed, **options(name))
            restored.load_state_dict(broken.state_dict())
            broken = restored
            continue
        if call == "stage":
            stage = min(stage + 1, 2)
            for controller in {id(unbroken): unbroken, id(broken): broken}.values():
                controller.open_stage(STAGES[stage])
            continue
        results: list[Result] = []
        if call.startswith("ask"):
            n = 3 if call == "ask 3" else 1
            proposals = unbroken.ask(n)
            if broken is not unbroken:
                for a, b in zip(proposals, broken.ask(n), strict=True):
                    assert (a.trial, a.origin) == (b.trial, b.origin)
                    assert np.array_equal(a.genotype, b.genotype)
            waiting += proposals
        elif call == "foreign":
            genotype = STAGES[0].sample(1, step)[0]
            results = [Result(-1 - step, genotype, "archive", (float(genotype.sum()), 1.0), step % 2)]
        elif waiting:
            p = waiting.pop(-1 if call == "tell last" else 0)
            values = (float(p.genotype.sum()), float(p.genotype[0]))
            results = [Result(p.trial, p.genotype, p.origin, values, step % 2, failed=call == "fail")]
        for controller in {id(unbroken): unbroken, id(broken): broken}.values():
            controller.tell(results)
