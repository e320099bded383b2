"""Turns of the timing loop and the fit of the calibration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas.devices.calibration import calibrate
from efficient_nas.devices.timing import WARM_UP_CALLS, time_call, time_in_turn

CPU = torch.device("cpu")


def test_every_call_is_visited_in_every_pass() -> None:
    visits: list[int] = []
    timings = time_in_turn([lambda i=i: visits.append(i) for i in range(3)], CPU, 0.0)  # type: ignore[misc]
    order = [i for n, i in enumerate(visits) if n == 0 or visits[n - 1] != i]
    assert order == [0, 1, 2] * 6  # warm-up, then 5 passes as there is no time for 7
    for i, timing in enumerate(timings):
        assert visits.count(i) == WARM_UP_CALLS + 5 + timing.repeats
        assert timing.repeats == 10
        assert timing.median_ms >= 0
        assert timing.spread_ms >= 0


def test_repeats_are_as_many_as_asked_for() -> None:
    calls: list[int] = []
    assert time_call(lambda: calls.append(0), CPU, 10.0, repeats=9).repeats == 9
    assert len(calls) == WARM_UP_CALLS + 9
    assert time_call(lambda: None, CPU, 1e-9).repeats >= 5


@given(
    scale=st.floats(0.5, 2),
    per_operator=st.floats(0, 0.01),
    fixed=st.floats(0, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_calibration_recovers_its_own_model(
    scale: float, per_operator: float, fixed: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    sums, counts = random.uniform(0.1, 10, 12), random.integers(3, 60, 12)
    measured = scale * sums + per_operator * counts + fixed
    found = calibrate(list(sums), [int(c) for c in counts], list(measured))
    assert found.apply(3.0, 20) == pytest.approx(3 * scale + 20 * per_operator + fixed, rel=1e-3)
    assert found.max_error is not None
    assert found.max_error < 1e-3
    assert (found.fitted, found.held_out) == (8, 4)


@given(
    values=st.lists(
        st.tuples(st.floats(0.01, 10), st.integers(1, 50), st.floats(0.01, 10)), min_size=2, max_size=20
    )
)
def test_no_coefficient_is_negative(values: list[tuple[float, int, float]]) -> None:
    sums, counts, measured = (list(v) for v in zip(*values, strict=True))
    found = calibrate(sums, counts, measured)
    assert found.scale > 0
    assert found.per_operator_ms >= 0
    assert found.fixed_ms >= 0
    assert found.fitted + found.held_out == len(values)
