"""The space of NAS-Bench-201: published figures and notation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas import spaces

SPACE = spaces.create("nasbench201")
LARGEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def test_size_and_layout() -> None:
    assert SPACE.size == 15_625
    assert SPACE.cardinalities.tolist() == [5] * 6


def test_largest_network_has_its_published_costs() -> None:
    """NATS-Bench (arXiv:2009.00437): 1.531546 M parameters and 220.11969 MFLOPs.

    The published count includes the classifier's 10 biases, macs do not.
    """
    arch = SPACE.build(SPACE.from_string(LARGEST))
    assert arch.params == 1_531_546
    assert arch.macs == 220_119_690 - 10


def test_cell_without_connection_has_constant_logits() -> None:
    empty = np.zeros(6, dtype=np.uint8)
    costs = SPACE.costs(empty[None])
    assert costs["macs"][0] == costs["params"][0] == 0
    assert costs["peak_activation_bytes"][0] == 4 * (3 * 32 * 32 + 10)
    blocked = SPACE.from_string("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|avg_pool_3x3~2|")
    assert SPACE.canonical_bytes(np.array([empty, blocked])) == SPACE.canonical_bytes(empty[None]) * 2


@given(st.lists(st.integers(0, 4), min_size=6, max_size=6))
def test_text_round_trip(options: list[int]) -> None:
    row = np.array(options, dtype=np.uint8)
    text = SPACE.to_string(row)
    assert np.array_equal(SPACE.from_string(text), row)
    assert np.array_equal(SPACE.from_string(f" {text}\n"), row)


def test_edges_follow_the_notation() -> None:
    text = "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|"
    assert SPACE.from_string(text).tolist() == [0, 1, 2, 3, 4, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected 3 nodes"),
        ("|none~0|+|none~0|none~1|", "expected 3 nodes"),
        (
            LARGEST.replace("nor_conv_3x3~2", "nor_conv_3x4~2"),
            "unknown operation 'nor_conv_3x4' .did you mean",
        ),
        (LARGEST.replace("~2", "~1"), "expected an edge from 2"),
        (LARGEST.replace("nor_conv_3x3~2|", ""), "node 3 must have the form .op~0.op~1.op~2., got"),
        (LARGEST.replace("|+|", "+"), "node 1 must have the form"),
        (LARGEST.replace("~0", ""), "node 1 must have the form"),
    ],
)
def test_malformed_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPACE.from_string(text)
    with pytest.raises(TypeError, match="text must be a string"):
        SPACE.from_string(None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "channels must be an int of at least 1, got 0"),
        ({"cells_per_stage": 1.5}, "cells_per_stage must be an int of at least 1, got 1.5"),
        ({"cells": 3}, "unknown network option 'cells'"),
    ],
)
def test_wrong_network_options_are_refused(options: dict[str, object], message: str) -> None:
    rows = SPACE.sample(1, 0)
    with pytest.raises(ValueError, match=message):
        SPACE.build(rows[0], **options)
    with pytest.raises(ValueError, match=message):
        SPACE.costs(rows, **options)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"cells_per_stage": 10**16}, "a cost does not fit into 64 bits"),
        ({"channels": 2**31}, "output_channels must be between"),
        ({"input_shape": (3, 2**31, 2)}, "input_shape must hold numbers between"),
        ({"input_shape": (3, 2**30, 2**30)}, "a cost does not fit into 64 bits"),
    ],
)
def test_costs_beyond_64_bits_are_an_error(task: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPACE.costs(SPACE.sample(2, 0), **task)


def test_restricted_space_refuses_what_it_closed() -> None:
    small = SPACE.restrict(operations=["skip_connect", "nor_conv_3x3"])
    assert small.size == 64
    assert small.canonical_bytes(small.sample(3, 0)) == SPACE.canonical_bytes(small.sample(3, 0))
    with pytest.raises(ValueError, match="row 0 of genotypes is not valid"):
        small.costs(np.zeros((1, 6), dtype=np.uint8))
