"""The space of DARTS: its size, network and published notation."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas import spaces

SPACE = spaces.create("darts")
DARTS_V2 = """Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0),
    ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],
    normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2),
    ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)],
    reduce_concat=[2, 3, 4, 5])"""


def test_size_and_layout() -> None:
    assert SPACE.num_choices == 32
    assert SPACE.size == (math.prod(math.comb(n, 2) for n in (2, 3, 4, 5)) * 7**8) ** 2


def test_published_genotype_is_read() -> None:
    row = SPACE.from_string(DARTS_V2)
    cells = row.reshape(2, 4, 2, 2).tolist()
    assert cells[0][2] == [[0, 2], [1, 3]]  # inputs in order of their predecessors
    assert cells[1][1] == [[1, 0], [2, 2]]
    assert np.array_equal(SPACE.from_string(SPACE.to_string(row)), row)


def test_published_network_has_its_published_parameters() -> None:
    """DARTS (second order), 20 layers of 36 channels: 3.3 M parameters (arXiv:1806.09055, table 1)."""
    arch = SPACE.build(SPACE.from_string(DARTS_V2), channels=36, layers=20)
    assert round(arch.params / 1e6, 1) == 3.3


def test_reductions_halve_the_resolution_at_a_third_and_two_thirds() -> None:
    arch = SPACE.build(SPACE.sample(1, 0)[0], (3, 32, 32), layers=8, channels=16)
    concats = [
        shape for node, shape in zip(arch.nodes, arch.shapes, strict=True) if node.operation == "concat"
    ]
    assert concats == [(64, 32, 32)] * 2 + [(128, 16, 16)] * 3 + [(256, 8, 8)] * 3


@given(st.integers(0, 2**32))
def test_text_round_trip(seed: int) -> None:
    row = SPACE.sample(1, seed)[0]
    assert np.array_equal(SPACE.from_string(SPACE.to_string(row)), row)


def test_every_operation_has_its_name_in_the_text() -> None:
    operations = SPACE.choices[1].options
    for row in SPACE.covering_genotypes():
        names = set(re.findall(r"'(\w+)'", SPACE.to_string(row)))
        assert names == {operations[row[1]]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').abort()", "expected Genotype"),
        (DARTS_V2[:-1], "expected Genotype"),
        (DARTS_V2.replace("dil_conv_3x3", "dil_conv_3x5"), "unknown operation 'dil_conv_3x5' .did you mean"),
        (
            DARTS_V2.replace("('sep_conv_3x3', 1),", "", 1),
            "normal must hold 8 pairs, two for each node, got 7",
        ),
        (DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 0)"), "node 5 of normal come from 0"),
        (
            DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"),
            "cannot read from 5, only from 0 to 4",
        ),
        (DARTS_V2.replace("[2, 3, 4, 5]", "[2, 3, 4]"), "expected Genotype"),
    ],
)
def test_malformed_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPACE.from_string(text)
    with pytest.raises(TypeError, match="text must be a string"):
        SPACE.from_string(7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "channels must be an int of at least 1, got 0"),
        ({"layers": 2}, "layers must be an int of at least 3, got 2"),
        ({"auxiliary": True}, "unknown network option 'auxiliary'"),
    ],
)
def test_wrong_network_options_are_refused(options: dict[str, object], message: str) -> None:
    rows = SPACE.sample(1, 0)
    with pytest.raises(ValueError, match=message):
        SPACE.build(rows[0], **options)
    with pytest.raises(ValueError, match=message):
        SPACE.costs(rows, **options)


def test_unordered_predecessors_are_refused() -> None:
    row = SPACE.sample(1, 0)[0]
    row[0], row[2] = 1, 0
    with pytest.raises(ValueError, match="row 0 of genotypes is not valid"):
        SPACE.canonical_hash(row[None])
