"""The published text form of DARTS genotypes, read without executing it."""

from __future__ import annotations

import re
from typing import NoReturn

import numpy as np

from efficient_nas.errors import nearest
from efficient_nas.types import Genotype

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
CELLS = ("normal", "reduce")
NODES = (2, 3, 4, 5)

_CONCAT = r"(?:range\(2,6\)|\[2,3,4,5\])"
_CELL = r"\[(?P<{0}>(?:\('[^']*',\d+\),?)*)\]"
_GENOTYPE = re.compile(
    rf"Genotype\(normal={_CELL.format('normal')},normal_concat={_CONCAT},"
    rf"reduce={_CELL.format('reduce')},reduce_concat={_CONCAT}\)"
)


def format_genotype(genotype: Genotype) -> str:
    """The text of a valid genotype uint8 [32]."""
    parts = []
    for cell, genes in zip(CELLS, genotype.reshape(2, -1, 2).tolist(), strict=True):
        pairs = ", ".join(f"('{OPERATIONS[operation]}', {source})" for source, operation in genes)
        parts.append(f"{cell}=[{pairs}], {cell}_concat=range(2, 6)")
    return f"Genotype({', '.join(parts)})"


def parse_genotype(text: str) -> Genotype:
    """The genotype uint8 [32]; the two inputs of a node are put in order of their predecessors."""
    if not isinstance(text, str):
        raise TypeError(f"from_string: text must be a string, got {text!r}")
    match = _GENOTYPE.fullmatch(re.sub(r"\s", "", text).replace('"', "'"))
    if match is None:
        _fail(
            "expected Genotype(normal=[('operation', predecessor), ...], normal_concat=range(2, 6), "
            f"reduce=[...], reduce_concat=range(2, 6)), got {text!r}"
        )
    row: list[int] = []
    for cell in CELLS:
        pairs = re.findall(r"\('([^']*)',(\d+)\)", match[cell])
        if len(pairs) != 2 * len(NODES):
            _fail(f"{cell} must hold {2 * len(NODES)} pairs, two for each node, got {len(pairs)}")
        for node, first, second in zip(NODES, pairs[::2], pairs[1::2], strict=True):
            genes = sorted(_gene(cell, node, *pair) for pair in (first, second))
            if genes[0][0] == genes[1][0]:
                _fail(f"both inputs of node {node} of {cell} come from {genes[0][0]}")
            row += [value for gene in genes for value in gene]
    return np.array(row, dtype=np.uint8)


def _gene(cell: str, node: int, operation: str, predecessor: str) -> tuple[int, int]:
    if operation not in OPERATIONS:
        _fail(
            f"unknown operation {operation!r}{nearest(operation, OPERATIONS)} in {cell}; "
            f"operations: {', '.join(OPERATIONS)}"
        )
    if int(predecessor) >= node:
        _fail(f"node {node} of {cell} cannot read from {predecessor}, only from 0 to {node - 1}")
    return int(predecessor), OPERATIONS.index(operation)


def _fail(message: str) -> NoReturn:
    raise ValueError(f"from_string: {message}")
