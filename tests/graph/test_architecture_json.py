"""JSON of architectures: the writer equals Python's own, and the reader takes JSON and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from random_architectures import cells

from efficient_nas.graph import Architecture, ArchNode

SMALL = Architecture(
    [ArchNode("input", 4, 4), ArchNode("mbconv", 4, 4, 2, 5, 6, False), ArchNode("output", 4, 4)],
    [(0, 1), (1, 2)],
    (4, 9, 7),
)


def written_by_python(arch: Architecture) -> str:
    defaults = {"stride": 1, "kernel_size": None, "expansion": 1, "affine": True}
    names = ("operation", "input_channels", "output_channels", *defaults)
    nodes = []
    for node in arch.nodes:
        values = {name: getattr(node, name) for name in names}
        kept = {k: v for k, v in values.items() if k not in defaults or v != defaults[k]}
        nodes.append("    " + json.dumps(kept))
    lines = (
        *("{", '  "format": "efficient-nas/architecture",', '  "version": 1,'),
        f'  "input_shape": {json.dumps(arch.input_shape)},',
        *('  "nodes": [', ",\n".join(nodes), "  ],"),
        *(f'  "connections": {json.dumps(arch.connections)}', "}"),
    )
    return "\n".join(lines) + "\n"


@example(SMALL)
@given(cells())
def test_text_is_that_of_pythons_json_and_reads_back(arch: Architecture) -> None:
    text = arch.to_json()
    assert text == written_by_python(arch)
    assert Architecture.from_json(text) == arch


def test_spaces_escapes_and_the_order_of_fields_do_not_matter() -> None:
    document = json.loads(SMALL.to_json())
    backwards = {name: document[name] for name in reversed(document)}
    for text in (json.dumps(document, indent=7), json.dumps(backwards, separators=(",", ":"))):
        assert Architecture.from_json(f"\r\n\t {text} \n") == SMALL
    escaped = "".join(f"\\u{ord(c):04X}" for c in "mbconv")
    assert Architecture.from_json(SMALL.to_json().replace('"mbconv"', f'"{escaped}"')) == SMALL


JSON_PIECES = (
    *'{}[]",:\\ 0123456789+-.eEu',
    "true",
    "null",
    "1e5",
    '"a"',
    "\\ud83d\\ude00",
    "\\ud83d",
    "é",
    "\0",
    "\t",
)


@example('"\\ud800"')
@example("[1.]")
@example("﻿{}")
@given(st.lists(st.sampled_from(JSON_PIECES)).map("".join))
def test_text_is_json_when_python_says_so(text: str) -> None:
    """Stricter than Python on purpose: lone surrogates and integers beyond 64 bits are refused."""
    try:
        json.loads(text)
    except ValueError:
        valid = False
    else:
        valid = True
    with pytest.raises(ValueError, match="from_json: ") as refusal:
        Architecture.from_json(text)
    syntax = "not JSON" in str(refusal.value) or " at line " in str(refusal.value)
    if valid and syntax:
        assert "a lone surrogate" in str(refusal.value) or "does not fit into 64 bits" in str(refusal.value)
    else:
        assert valid != syntax, f"{text!r}: {refusal.value}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "format" 1}', "not JSON: expected ':', got '1' at line 2, column 12"),
        ("{} {}", "not JSON: expected the end, got '{' at line 1, column 4"),
        ('{"a": "\ud800"}', "text must be a str without lone surrogates"),
        ('{"a": "\x01"}', "a control character in a string at line 1, column 8"),
        (SMALL.to_json().replace('"stride": 2', '"stride": 1e999'), "stride must be an int, got 1e999"),
        (
            SMALL.to_json().replace('"expansion": 6', '"expansion": null'),
            "expansion must be an int, got None",
        ),
        (
            SMALL.to_json().replace('"kernel_size": 5', '"kernel_size": 0'),
            "kernel_size must be positive, got 0",
        ),
        (SMALL.to_json().replace("false", "0"), r"nodes\[1\]: affine must be a bool, got 0"),
        (
            SMALL.to_json().replace('"mbconv"', '"mbcnv"'),
            r"nodes\[1\]: unknown operation 'mbcnv', did you mean 'mb",
        ),
        (
            SMALL.to_json().replace('"mbconv"', '"é\\u0000\\n"'),
            r"unknown operation 'é\\x00\\n'. Operations: input",
        ),
        (
            SMALL.to_json().replace('"stride"', '"expansion": 6, "stride"'),
            "the field 'expansion' is given twice",
        ),
        (SMALL.to_json().replace('"version": 1', '"version": 1.0'), "version must be 1, got 1.0"),
        (SMALL.to_json().replace("[0, 1]", "[" * 70 + "]" * 70), "nested too deeply, more than 64 levels"),
        (
            SMALL.to_json().replace("[4, 9, 7]", '{"é": ["' + "x" * 99 + '"]}'),
            r"got {'é': \['x{60,}.*\.\.\.$",
        ),
    ],
)
def test_refusals_name_the_place(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Architecture.from_json(text)
