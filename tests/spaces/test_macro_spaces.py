"""The spaces of NAS-Bench-Macro and of MBConv chains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builtin_cases import SMALL_STAGES, make
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas import spaces

MACRO = spaces.create("nasbench_macro")


def test_nasbench_macro_size_and_notation() -> None:
    assert MACRO.size == 6561
    row = MACRO.from_string("02110022")
    assert row.tolist() == [0, 2, 1, 1, 0, 0, 2, 2]
    assert MACRO.to_string(row) == "02110022"


def test_nasbench_macro_network_is_the_published_one() -> None:
    arch = MACRO.build(MACRO.from_string("01210021"))
    shapes = {(node.operation, shape) for node, shape in zip(arch.nodes, arch.shapes, strict=True)}
    assert ("conv_bn", (64, 16, 16)) in shapes  # the identity of a first layer
    assert {shape for operation, shape in shapes if operation == "mbconv"} == {
        (64, 16, 16),
        (128, 8, 8),
        (256, 4, 4),
    }
    assert ("conv_bn_relu", (32, 32, 32)) in shapes and ("conv_bn_relu", (1280, 4, 4)) in shapes


@pytest.mark.parametrize("text", ["", "0211002", "021100222", "02110023", "0211002x", "٠2110022"])
def test_nasbench_macro_refuses_malformed_text(text: str) -> None:
    with pytest.raises(ValueError, match="expected 8 digits of 0, 1 and 2"):
        MACRO.from_string(text)


@given(seed=st.integers(0, 2**32), case=st.sampled_from(["nasbench_macro", "mbconv", "mbconv-small"]))
def test_text_round_trip(seed: int, case: str) -> None:
    space = make(case)
    row = space.sample(1, seed)[0]
    assert np.array_equal(space.from_string(space.to_string(row)), row)


def test_mbconv_layers_beyond_the_depth_are_inactive() -> None:
    space = make("mbconv-small")
    row = space.from_string("w6-k3e1|w6-k3e6-k3e3-k3e3|w8-k5e2")
    values = space.values(row)
    assert values["stage1/depth"] == 1 and "stage1/layer2/kernel" not in values
    operators = [node for node, _ in space.build(row).operators() if node.operation == "mbconv"]
    assert [
        (n.input_channels, n.output_channels, n.stride, n.kernel_size, n.expansion) for n in operators
    ] == [
        (4, 6, 1, 3, 1),
        (6, 6, 2, 3, 6),
        (6, 6, 1, 3, 3),
        (6, 6, 1, 3, 3),
        (6, 8, 1, 5, 2),
    ]


def test_mbconv_stages_open_depth_and_width() -> None:
    space = spaces.create("mbconv")
    small = space.restrict(max_depth=1, max_width=100)
    for row in small.sample(30, 1):
        text = small.to_string(row)
        assert text.count("-k") == 4 and "|w96-" in text
        assert space.costs(row[None])["macs"] == small.costs(row[None])["macs"]
    with pytest.raises(ValueError, match="max_width=90 leaves no option of choice stage4/width"):
        space.restrict(max_width=90)


def test_default_mbconv_networks_are_all_distinct() -> None:
    space = spaces.create("mbconv")
    rows = space.sample(20_000, 4)
    assert len(set(space.canonical_bytes(rows))) == len(np.unique(rows, axis=0))


def test_mbconv_says_when_images_are_too_small() -> None:
    space = spaces.create("mbconv")
    row = space.sample(1, 0)[0]
    assert space.build(row, (1, 8, 8)).shapes[-1] == (10, 1, 1)
    message = "input_shape 1 x 4 x 4 is too small: layer 9 has stride 2, but receives 1 x 1"
    with pytest.raises(ValueError, match=message):
        space.build(row, (1, 4, 4))
    with pytest.raises(ValueError, match=message):
        space.costs(row[None], (1, 4, 4))


STAGE = {"widths": [8], "depths": [1]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": []}, "stages must be a list with at least one stage"),
        ({"stages": STAGE}, "stages must be a list with at least one stage"),
        ({"stages": [3]}, r"stages\[0\] must be a dict, got 3"),
        ({"stages": [STAGE, {"depths": [1]}]}, r"stages\[1\]: widths is missing"),
        ({"stages": [STAGE | {"width": [8]}]}, r"unknown field 'width' .did you mean widths"),
        ({"stages": [STAGE | {"widths": []}]}, r"stages\[0\]: widths must be a list of at least one number"),
        ({"stages": [STAGE | {"widths": [8, 8]}]}, "widths must be distinct"),
        ({"stages": [STAGE | {"depths": [0, 1]}]}, "depths: each must be an int of at least 1, got 0"),
        ({"stages": [STAGE | {"kernels": [3, 4]}]}, "kernels must be odd"),
        (
            {"stages": [STAGE | {"expansions": [1.5]}]},
            "expansions: each must be an int of at least 1, got 1.5",
        ),
        ({"stages": [STAGE | {"stride": 3}]}, "stride must be 1 or 2, got 3"),
        ({"stem_channels": 0}, "stem_channels must be an int of at least 1, got 0"),
        ({"head_channels": "64"}, "head_channels must be an int of at least 1, got '64'"),
        ({"stem_stride": 4}, "stem_stride must be 1 or 2, got 4"),
        ({"width": 3}, "unknown option 'width'"),
    ],
)
def test_mbconv_refuses_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spaces.create("mbconv", **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w6-k3e1", "expected 3 stages joined by"),
        ("w6|w6-k3e6|w8-k5e2", "stage 1 must look like"),
        ("w5-k3e1|w6-k3e6|w8-k5e2", "choice stage1/width: unknown option 5"),
        ("w6-k3e1|w6-k3e6-k3e6|w8-k5e2", "choice stage2/depth: unknown option 2"),
        ("w6-k7e1|w6-k3e6|w8-k5e2", "choice stage1/layer1/kernel: unknown option 7"),
    ],
)
def test_mbconv_refuses_malformed_text(text: str, message: str) -> None:
    space = spaces.create("mbconv", stages=SMALL_STAGES, stem_channels=4)
    with pytest.raises(ValueError, match=message):
        space.from_string(text)
