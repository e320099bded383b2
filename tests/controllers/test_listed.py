"""The controller that proposes a given list."""

from __future__ import annotations

import numpy as np
import pytest

from efficient_nas import spaces
from efficient_nas.controllers import Listed
from efficient_nas.errors import SpaceExhausted


def test_each_architecture_is_proposed_once_in_order() -> None:
    space = spaces.create("nasbench201")
    rows = space.sample(5, seed=1)
    isomorphic = space.from_string("|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_1x1~2|")
    twin = space.from_string("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|")
    assert space.canonical_bytes(isomorphic[None]) == space.canonical_bytes(twin[None])
    controller = Listed(space, 0, np.stack([rows[0], rows[0], isomorphic, twin, *rows[1:]]))
    asked = [p.genotype.tolist() for p in controller.ask(3)]
    assert asked == [rows[0].tolist(), isomorphic.tolist(), rows[1].tolist()]
    state = controller.state_dict()
    again = Listed(space, 0, controller.genotypes)
    again.load_state_dict(state)
    for going_on in (controller, again):
        assert [p.genotype.tolist() for p in going_on.ask(9)] == rows[2:].tolist()
        with pytest.raises(SpaceExhausted, match="all 8 listed"):
            going_on.ask(1)


@pytest.mark.parametrize(
    ("genotypes", "reason"),
    [
        (np.zeros((2, 5), np.uint8), r"uint8 \[n, 6\], got uint8 \[2, 5\]"),
        (np.zeros((2, 6), np.int64), r"got int64"),
        (np.array([[0] * 6, [9] * 6], np.uint8), r"genotypes\[1\] is not valid"),
    ],
)
def test_wrong_lists_are_refused(genotypes: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Listed(spaces.create("nasbench201"), 0, genotypes)
