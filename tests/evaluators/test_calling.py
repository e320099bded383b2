"""A user's own function or object as an evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from efficient_nas.errors import TrialFailed
from efficient_nas.evaluators import Calling

CANDIDATE: Any = object()


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), np.int64(1), torch.tensor(0.5)])
def test_a_number_is_the_accuracy(value: Any) -> None:
    assert Calling(lambda candidate, seed: value).evaluate(CANDIDATE, 0) == {"accuracy": float(value)}


def test_a_dict_passes_through_as_floats() -> None:
    metrics = Calling(lambda candidate, seed: {"accuracy": np.float64(0.25), "loss": seed}).evaluate(
        CANDIDATE, 3
    )
    assert metrics == {"accuracy": 0.25, "loss": 3.0}
    assert all(type(v) is float for v in metrics.values())


def test_the_seed_is_passed_only_where_it_is_asked_for() -> None:
    class Own:
        def evaluate(self, candidate: Any, seed: int) -> dict[str, float]:
            return {"accuracy": seed / 10}

    def without_seed(candidate: Any) -> float:
        return 0.7

    def own_option(candidate: Any, scale: float = 0.5) -> float:
        return scale

    def default_seed(candidate: Any, seed: int = 0) -> float:
        return seed / 10

    assert Calling(Own()).evaluate(CANDIDATE, 4) == {"accuracy": 0.4}
    assert Calling(without_seed).evaluate(CANDIDATE, 4) == {"accuracy": 0.7}
    assert Calling(own_option).evaluate(CANDIDATE, 4) == {"accuracy": 0.5}
    assert Calling(default_seed).evaluate(CANDIDATE, 4) == {"accuracy": 0.4}


@pytest.mark.parametrize(
    ("returned", "came"),
    [
        (None, "NoneType"),
        ("0.9", "str"),
        (True, "bool"),
        ([0.9], "list"),
        ({"accuracy": "0.9"}, "str"),
        ({"accuracy": torch.ones(2)}, "Tensor"),
        ({}, "empty dict"),
        ({1: 0.5}, "named 1"),
    ],
)
def test_anything_else_is_named(returned: Any, came: str) -> None:
    with pytest.raises(TypeError, match=came):
        Calling(lambda candidate, seed: returned).evaluate(CANDIDATE, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_fails_the_trial(value: float) -> None:
    with pytest.raises(TrialFailed, match="accuracy is"):
        Calling(lambda candidate, seed: value).evaluate(CANDIDATE, 0)


def test_wrong_evaluators_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="got int"):
        Calling(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must accept"):
        Calling(lambda: 0.5)
    with pytest.raises(TypeError, match="must accept"):
        Calling(lambda candidate, seed, budget: 0.5)
