"""Learning rate and image sizes over the epochs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas.evaluators.schedules import ImageSizes, learning_rate


@given(steps=st.integers(1, 200), share=st.floats(0, 0.5), peak=st.floats(1e-4, 1))
def test_the_learning_rate_rises_to_its_peak_and_falls(steps: int, share: float, peak: float) -> None:
    warm_up = round(share * steps)
    rates = [learning_rate(step, steps, warm_up, peak) for step in range(steps)]
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    top = rates.index(max(rates))
    assert top in {max(0, warm_up - 1), warm_up}
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_sizes_open_at_their_share_of_the_epochs() -> None:
    sizes = ImageSizes([[0.0, 8], [0.25, 16], [0.5, 32]], (32, 48))
    assert [sizes.at(epoch, 8) for epoch in range(8)] == [(8, 12)] * 2 + [(16, 24)] * 2 + [(32, 48)] * 4
    assert [sizes.is_full(epoch, 8) for epoch in range(8)] == [False] * 4 + [True] * 4
    assert ImageSizes(None, (32, 48)).at(0, 8) == (32, 48)


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [[0.1, 8], [0.5, 32]],
        [[0.0, 8], [0.5, 16]],
        [[0.0, 16], [0.5, 8], [0.7, 32]],
        [[0.0, 8], [0.5, 16], [0.5, 32]],
        [[0.0, 8], [1.0, 32]],
        [[0.0, 0], [0.5, 32]],
        [[0.0, 8.5], [0.5, 32]],
        [[0.0], [0.5, 32]],
        [8, 32],
        [[False, 32]],
        [["0", 32]],
    ],
)
def test_wrong_sizes_are_refused(sizes: Any) -> None:
    with pytest.raises(ValueError, match="image_sizes must"):
        ImageSizes(sizes, (32, 32))
