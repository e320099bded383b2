"""The search cell of NAS-Bench-201: edges of a dictionary, softmax or GDAS' one candidate an edge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from efficient_nas import ops
from efficient_nas.ops import CellEdge, CellSpec
from efficient_nas.supernet.fusion.edge import (
    Edge,
    Settings,
    are_unchanged,
    count_batches,
    settings_of,
    takes_inputs,
    takes_weights,
)

_METHODS = ("forward", "forward_joint", "forward_gdas")


def search_cell_edges(module: nn.Module) -> dict[str, list[nn.Module]] | None:
    """The candidates of every edge `i<-j`, nodes in order; None if the module is built in another way.

    As in AutoDL-Projects (xautodl/models/cell_searchs/search_cells.py, NAS201SearchCell): `edges` from every
    earlier node into each, and `edge2index`, the row of an edge's weights.
    """
    edges, rows = getattr(module, "edges", None), getattr(module, "edge2index", None)
    if not isinstance(edges, nn.ModuleDict) or not isinstance(rows, dict) or set(rows) != set(edges):
        return None
    if not all(
        isinstance(part, nn.ModuleList) and re.fullmatch(r"\d+<-\d+", key) for key, part in edges.items()
    ):
        return None
    nodes = 1 + max(int(key.split("<-")[0]) for key in edges)
    keys = [f"{i}<-{j}" for i in range(1, nodes) for j in range(i)]
    if set(keys) != set(edges):
        return None
    return {key: list(edges[key].children()) for key in keys}


def fusible_methods(kind: type[nn.Module]) -> tuple[str, ...]:
    """The methods of a search cell that are weighted sums; the others choose one candidate an edge."""
    return tuple(method for method in _METHODS if callable(getattr(kind, method, None)))


@dataclass(eq=False, slots=True)
class SearchCellPlan:
    """How a search cell runs fused. keys: of `edges`, for the row of weights in the module's `edge2index`."""

    keys: list[str]
    edges: list[Edge]
    cell: CellSpec = field(init=False)  # of all nodes
    nodes: list[CellSpec] = field(init=False)  # of every node by itself, its sources as inputs

    def __post_init__(self) -> None:
        ends = [tuple(map(int, reversed(key.split("<-")))) for key in self.keys]
        edges = [
            CellEdge(source, target, edge.spec, edge.stride)
            for (source, target), edge in zip(ends, self.edges, strict=True)
        ]
        self.cell = CellSpec(1, tuple(edges))
        self.nodes = [
            CellSpec(node, tuple(edge for edge in edges if edge.target == node))
            for node in range(1, 1 + self.cell.nodes)
        ]

    def fused(
        self,
        method: str,
        module: nn.Module,
        original: type[nn.Module],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Tensor | None:
        """The last node, running statistics updated; None, and nothing done, if it cannot run fused."""
        if kwargs or len(args) != (3 if method == "forward_gdas" else 2):
            return None
        if not all(isinstance(value, Tensor) for value in args):
            return None
        x, weights = args[:2]
        rows: Any = module.edge2index
        alphas = [weights[rows[key]] for key in self.keys]
        settings = settings_of(self.edges)
        if settings is None or not takes_inputs(x) or not takes_weights(self.edges, alphas):
            return None
        if not are_unchanged(self.edges):
            return None
        if method != "forward_gdas":
            return self._nodes([x], alphas, settings)[-1]
        chosen = [int(args[2][rows[key]]) for key in self.keys]
        if any(alpha[k] == 0 for alpha, k in zip(alphas, chosen, strict=True)):
            return None  # its candidate runs all the same
        return self._gdas(x, alphas, chosen, settings)

    def _nodes(self, inputs: list[Tensor], alphas: list[Tensor], settings: Settings) -> list[Tensor]:
        nodes = ops.mixed_cell(
            inputs,
            alphas,
            [parameter for edge in self.edges for parameter in edge.parameters()],
            self.cell,
            training=settings.training,
            running=_buffers(self.edges, settings),
            eps=settings.eps,
            momentum=settings.momentum,
        )
        count_batches(self.edges)
        return nodes

    def _gdas(self, x: Tensor, alphas: list[Tensor], chosen: list[int], settings: Settings) -> Tensor:
        """Every edge runs one candidate; the weights of the others are added to its result as numbers.

        GDAS (arXiv:1910.04465): these are 0 in value, but they have gradients, so nodes are made one by one.
        """
        states, first = [x], 0
        for spec in self.nodes:
            entering = slice(first, first + len(states))
            edges = self.edges[entering]
            used = [
                [k == choice for k in range(len(edge.candidates))]
                for edge, choice in zip(edges, chosen[entering], strict=True)
            ]
            masks = [torch.tensor(mask) for mask in used]
            rows = alphas[entering]
            [node] = ops.mixed_cell(
                states,
                [row.where(mask, 0) for row, mask in zip(rows, masks, strict=True)],
                [p for edge, mask in zip(edges, used, strict=True) for p in edge.parameters(mask)],
                spec,
                training=settings.training,
                running=_buffers(edges, settings),
                eps=settings.eps,
                momentum=settings.momentum,
                skip_zero=True,
            )
            count_batches(edges, used)
            others = torch.stack([row[~mask].sum() for row, mask in zip(rows, masks, strict=True)])
            first += len(states)
            states.append(node + others.sum())
        return states[-1]


def _buffers(edges: Sequence[Edge], settings: Settings) -> list[Tensor] | None:
    return [buffer for edge in edges for buffer in edge.buffers()] if settings.keeps_running else None
