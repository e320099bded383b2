"""Supernets by name, and descriptions that they can be made of again."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import efficient_nas as nas
from efficient_nas.spaces import Space

MACRO = nas.spaces.create("nasbench_macro")
MBCONV = nas.spaces.create("mbconv", stem_channels=4, stages=[{"widths": [4, 8], "depths": [1, 2]}])
SMALL: dict[str, Any] = {"input_shape": (1, 16, 16), "num_classes": 3, "seed": 1}
CASES: list[tuple[str, Space | None, dict[str, Any]]] = [
    ("darts", None, {"channels": 4, "layers": 3, "relaxation": "gdas"}),
    ("pcdarts", None, {"channels": 4, "layers": 3}),
    ("nasbench201", None, {"channels": 4, "cells_per_stage": 1}),
    ("single_path", MACRO, {"macro": {"channels": 4}, "implementation": "reference"}),
    ("elastic", MBCONV, {}),
]


@pytest.mark.parametrize(("name", "space", "options"), CASES, ids=[case[0] for case in CASES])
def test_a_description_and_a_state_make_the_supernet_again(
    name: str, space: Space | None, options: dict[str, Any]
) -> None:
    supernet = nas.supernet.create(name, space, **SMALL, **options)
    described = json.loads(json.dumps(nas.supernet.describe(supernet)))
    assert described["kind"] == name
    assert described["space"] == supernet.space.name
    again = nas.supernet.create(described["kind"], space, **described["options"])
    again.load_state_dict(supernet.state_dict())
    genotype = supernet.space.sample(1, 0)[0]
    supernet.set_path(genotype)
    again.set_path(genotype)
    x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(supernet(x), again(x))
    assert nas.supernet.describe(again) == nas.supernet.describe(supernet)


def test_every_kind_is_tried_here() -> None:
    assert nas.supernet.available() == sorted(case[0] for case in CASES)


def test_a_restricted_space_is_open_from_the_start() -> None:
    stage = nas.spaces.create("nasbench201").restrict(operations=["skip_connect", "nor_conv_3x3"])
    supernet = nas.supernet.create("nasbench201", stage, channels=4, cells_per_stage=1)
    assert stage.validate(supernet.sample(20, 0)).all()


def test_wrong_names_are_named() -> None:
    with pytest.raises(ValueError, match=r"unknown kind 'dart' \(did you mean darts\?\)"):
        nas.supernet.create("dart")
    with pytest.raises(ValueError, match=r"darts: unknown option 'channel' \(did you mean channels\?\)"):
        nas.supernet.create("darts", channel=4)
    with pytest.raises(ValueError, match="supernet elastic: space is required"):
        nas.supernet.create("elastic")
    with pytest.raises(ValueError, match="supernet darts: open needs a restriction of space darts"):
        nas.supernet.create("darts", MACRO, channels=4, layers=3)
