"""The built-in spaces with small and odd settings that tests share."""

from __future__ import annotations

from typing import Any

from efficient_nas import spaces
from efficient_nas.spaces import Space

SMALL_STAGES = [
    {"widths": [4, 6], "depths": [2, 1], "expansions": [1, 2]},
    {"widths": [6], "depths": [1, 3], "stride": 2, "kernels": [3]},
    {"widths": [6, 8], "depths": [1, 2], "kernels": [1, 5], "expansions": [2]},
]

SPACES: dict[str, tuple[str, dict[str, Any]]] = {
    "nasbench201": ("nasbench201", {}),
    "nasbench_macro": ("nasbench_macro", {}),
    "darts": ("darts", {}),
    "mbconv": ("mbconv", {}),
    "mbconv-small": (
        "mbconv",
        {"stem_channels": 4, "stem_stride": 2, "head_channels": 10, "stages": SMALL_STAGES},
    ),
}

# input_shape, num_classes, network options of each space
TASKS: dict[str, list[tuple[tuple[int, int, int], int, dict[str, int]]]] = {
    "nasbench201": [
        ((3, 32, 32), 10, {}),
        ((1, 8, 8), 10, {"channels": 4, "cells_per_stage": 1}),
        ((2, 7, 13), 3, {"channels": 3, "cells_per_stage": 2}),
    ],
    "nasbench_macro": [
        ((3, 32, 32), 10, {}),
        ((1, 8, 8), 10, {"channels": 2, "head_channels": 9}),
        ((2, 13, 7), 3, {"channels": 3, "head_channels": 300}),
    ],
    "darts": [
        ((3, 32, 32), 10, {}),
        ((1, 8, 8), 10, {"channels": 4, "layers": 5}),
        ((2, 7, 13), 3, {"channels": 3, "layers": 3}),
    ],
    "mbconv": [((3, 32, 32), 10, {}), ((1, 8, 8), 10, {}), ((2, 13, 7), 3, {})],
    "mbconv-small": [((3, 32, 32), 10, {}), ((1, 8, 8), 10, {}), ((2, 7, 13), 3, {})],
}


def make(case: str) -> Space:
    name, options = SPACES[case]
    return spaces.create(name, **options)
