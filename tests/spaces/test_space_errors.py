"""Wrong choices, spaces, arrays, arguments and texts: each gives one error that says what is allowed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from space_layouts import cell, paired_cell

from efficient_nas.spaces import Choice, Space


def row(*values: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.array(values, dtype=np.uint8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "a=b", "options": [1]}, "name must be a string without commas, equals signs and spaces"),
        ({"name": "", "options": [1]}, "name must be"),
        ({"name": "a", "options": []}, "choice a: options must be a sequence of 1 to 255 values"),
        ({"name": "a", "options": "abc"}, "choice a: options must be a sequence"),
        ({"name": "a", "options": range(256)}, "choice a: options must be a sequence of 1 to 255"),
        ({"name": "a", "options": [1, 1]}, "options must be distinct"),
        ({"name": "a", "options": [1, 1.0]}, "options must be distinct"),
        ({"name": "a", "options": [1, "1"]}, "options must be distinct"),
        ({"name": "a", "options": [math.nan]}, "must be finite, got nan"),
        ({"name": "a", "options": ["x,y"]}, "must not be empty, hold commas"),
        (
            {"name": "a", "options": ["x"], "role": "operatoin"},
            r"unknown role 'operatoin' \(did you mean operation\?\)",
        ),
        ({"name": "a", "options": ["x"], "role": "depth"}, "options of role depth must be numbers"),
        ({"name": "a", "options": ["x"], "when": {"b": []}}, r"when\['b'\] is empty"),
    ],
)
def test_wrong_choices_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Choice(**arguments)


A, B = Choice("a", [1, 2, 3]), Choice("b", [1, 2, 3])


@pytest.mark.parametrize(
    ("choices", "ordered", "message"),
    [
        ([], [], "at least one choice is needed"),
        ([A, A], [], "two choices are named 'a'"),
        ([Choice("x", [1], when={"a": 1}), A], [], "choice x: when must name earlier choices, got 'a'"),
        ([A, Choice("x", [1], when={"a": 4})], [], "choice a: unknown option 4; options: 1, 2, 3"),
        ([A, B], [("a", "c")], "unknown choice 'c'"),
        ([A, B], [("b", "a")], "ordered pair b, a: the first must come before the second"),
        ([A, B], [("a", "a")], "ordered pair a, a: the first must come before the second"),
        ([A, B, Choice("c", [1, 2, 3])], [("a", "b"), ("b", "c")], "a choice is in two pairs"),
        ([A, Choice("c", [1, 2])], [("a", "c")], "ordered pair a, c: the options differ"),
        ([A, B, Choice("c", [1, 2, 3], when={"a": 1})], [("b", "c")], "the conditions differ"),
        ([Choice("x", [1]), Choice("y", [1])], [("x", "y")], "no increasing options are allowed"),
    ],
)
def test_wrong_spaces_are_refused(
    choices: list[Choice], ordered: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Space(choices, ordered=ordered)


def test_a_choice_must_be_a_choice() -> None:
    with pytest.raises(TypeError, match=r"choices must be spaces\.Choice objects, got 'a'"):
        Space(["a"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="choice a: an option must be a string, int or float, got None"):
        Choice("a", [None])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "method", ["mutate", "validate", "crossover", "features", "costs", "canonical_bytes", "active"]
)
@pytest.mark.parametrize(
    ("genotypes", "error", "message"),
    [
        (
            np.zeros((2, 6), dtype=np.float32),
            TypeError,
            r"must be a uint8 array \[n, 6\], got float32 \[2, 6\]",
        ),
        (np.zeros((2, 6), dtype=np.int64), TypeError, r"got int64 \[2, 6\]"),
        (np.zeros((2, 6), dtype=bool), TypeError, r"got bool \[2, 6\]"),
        ([[0] * 6], TypeError, r"must be a uint8 array \[n, 6\], got list"),
        (None, TypeError, "got NoneType"),
        (np.zeros((2, 5), dtype=np.uint8), ValueError, r"must have shape \[n, 6\], got uint8 \[2, 5\]"),
        (np.zeros(6, dtype=np.uint8), ValueError, r"must have shape \[n, 6\], got uint8 \[6\]"),
        (np.zeros((1, 2, 6), dtype=np.uint8), ValueError, r"got uint8 \[1, 2, 6\]"),
    ],
)
def test_wrong_arrays_are_refused(method: str, genotypes: Any, error: type[Exception], message: str) -> None:
    arguments = {"mutate": (genotypes, 0), "crossover": (genotypes, genotypes, 0)}.get(method, (genotypes,))
    with pytest.raises(error, match=message):
        getattr(cell(), method)(*arguments)


@pytest.mark.parametrize(
    "method", ["mutate", "crossover", "features", "costs", "canonical_bytes", "deduplicate"]
)
def test_rows_that_are_not_valid_are_named_with_the_reason(method: str) -> None:
    bad = np.zeros((3, 6), dtype=np.uint8)
    bad[1, 2] = 5
    good = np.zeros((3, 6), dtype=np.uint8)
    arguments = {"mutate": (bad, 0), "crossover": (good, bad, 0)}.get(method, (bad,))
    with pytest.raises(ValueError, match=r"row 1 is not valid: op2 must hold one of 0 \(none\), .*, got 5"):
        getattr(cell(), method)(*arguments)


@pytest.mark.parametrize(
    ("genotype", "reason"),
    [
        ((3, 0, 0, 0), "kind must hold one of 0 (plain), 1 (conv), got 3"),
        ((0, 1, 0, 0), "kernel is inactive and must hold 0, got 1"),
        ((1, 0, 2, 1), "second must hold more than first, which holds 2, got 1"),
        ((1, 2, 0, 2), None),
    ],
)
def test_why_invalid_names_choice_and_value(genotype: tuple[int, ...], reason: str | None) -> None:
    when = {"kind": "conv"}
    pair = [Choice("first", [1, 2, 3]), Choice("second", [1, 2, 3])]
    space = Space(
        [Choice("kind", ["plain", "conv"]), Choice("kernel", [1, 3, 5], when), *pair],
        ordered=[("first", "second")],
    )
    assert space.why_invalid(row(*genotype)) == reason


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.sample(-1, 0), "sample: n must be an integer >= 0, got -1"),
        (lambda s: s.sample(1.0, 0), r"sample: n must be an integer >= 0, got 1\.0"),
        (lambda s: s.sample(1, -1), r"sample: seed must be an integer in \[0, 2\^64\), got -1"),
        (lambda s: s.sample(1, 2**64), "seed must be an integer"),
        (lambda s: s.sample(1, None), "seed must be an integer"),
        (lambda s: s.sample(1, True), "seed must be an integer"),
        (lambda s: s.mutate(s.sample(1, 0), 0, 0), "mutate: mutations must be an integer >= 1, got 0"),
        (lambda s: s.crossover(s.sample(1, 0), s.sample(2, 0), 0), "same number of rows, got 1 and 2"),
        (lambda s: s.enumerate(100), "has 15625 genotypes, more than limit 100"),
        (lambda s: s.option_mask(row(*[0] * 6), 6), "index must be below 6, got 6"),
        (lambda s: s.option_mask(row(*[9] * 6), 2), "prefix: op0 cannot hold 9 here"),
        (lambda s: s.features(s.sample(1, 0), "one-hot"), "unknown kind 'one-hot'; kinds: onehot"),
        (
            lambda s: s.canonical_bytes(s.sample(1, 0), "grap"),
            r"unknown kind 'grap' \(did you mean graph\?\)",
        ),
        (lambda s: s.neighbours(row(*[9] * 6)), "neighbours: genotype is not valid: op0 must hold"),
        (
            lambda s: s.build(row(*[0] * 6)),
            "space cell cannot build architectures: it was made without build=",
        ),
    ],
)
def test_wrong_arguments_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(cell())


def test_a_sample_too_large_for_memory_is_an_error() -> None:
    for n in (2**50, 2**60, 2**63 - 1):
        with pytest.raises(MemoryError):
            paired_cell().sample(n, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("op0", "expected name=value, got 'op0'"),
        ("op9=none", r"unknown choice 'op9' \(did you mean"),
        ("op0=nonne", r"op0 cannot be 'nonne' \(did you mean none\?\); options: none, skip_connect"),
        ("op0=none,op0=none", "choice op0 is given twice"),
        ("op0=none", "a value for choice op1 is missing"),
        ("", "expected name=value"),
        ("op0=\ud800", "text must be a string without lone surrogates"),
        ("op0=" + "é" * 500, r"op0 cannot be 'é+\.\.\.; options: none, skip_connect"),
    ],
)
def test_wrong_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cell().from_string(text)
    with pytest.raises(TypeError, match="text must be a string"):
        cell().from_string(3)  # type: ignore[arg-type]
