"""Cells: modules whose forward adds up mixed ops to nodes. All of a cell's mixed ops run in one call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from efficient_nas import ops
from efficient_nas.ops import CellEdge, CellSpec
from efficient_nas.supernet.fusion.cell_record import Structure, record_forward
from efficient_nas.supernet.fusion.edge import (
    Edge,
    Settings,
    are_unchanged,
    count_batches,
    has_hooks,
    settings_of,
    takes_inputs,
    takes_weights,
)
from efficient_nas.supernet.fusion.stand_ins import Mismatch
from efficient_nas.supernet.fusion.swap import PLAN, FusedModule


@dataclass(eq=False, slots=True)
class CellPlan:
    """How a cell runs with all its mixed ops in one call. parts: of the cell, lists taken apart.

    mixed_ops: those of the parts that are, by number. operations: other parts that are candidate operations,
    say a convolution that preprocesses an input; they join as edges of one candidate, whose weight is 1.
    What is neither may preprocess the cell's inputs.
    """

    parts: tuple[nn.Module, ...]
    mixed_ops: dict[int, FusedModule]
    operations: dict[int, Edge] = field(default_factory=dict)
    specs: dict[Structure, CellSpec] = field(default_factory=dict)

    @property
    def edges(self) -> dict[int, Edge]:
        """Those of the mixed ops."""
        return {i: vars(mixed_op)[PLAN].edge for i, mixed_op in self.mixed_ops.items()}

    def fused(
        self,
        method: str,
        module: nn.Module,
        original: type[nn.Module],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Tensor | None:
        """The result of forward; None, and nothing done, if it cannot run joined."""
        if torch.compiler.is_compiling() or tuple(parts_of(module)) != self.parts:
            return None  # compilers know no values of vectors; parts may have been replaced
        if not all(isinstance(op, FusedModule) and not has_hooks(op) for op in self.mixed_ops.values()):
            return None  # unfused, or with hooks, which only run when it is called
        joining = self.joining()
        if joining is None:
            return None
        every, settings = joining
        try:
            record, structure = record_forward(module, original, self.parts, every, args, kwargs)
        except Mismatch:
            return None
        edges = [every[i] for i in record.calls]
        alphas = [call.alpha for call in record.calls.values()]
        if not takes_weights(edges, alphas) or not takes_inputs(*(x for _, x in record.inputs)):
            return None
        spec = self.specs.get(structure)
        if spec is None:
            try:
                spec = self.specs[structure] = _cell_spec(structure, every)
            except ValueError:  # some edges out of one state read part of its channels, others all
                return None
        inputs = [x if child is None else child(x) for child, x in record.inputs]
        nodes = ops.mixed_cell(
            inputs,
            alphas,
            [parameter for edge in edges for parameter in edge.parameters()],
            spec,
            edge_weights=record.edge_weights,
            training=settings.training,
            running=[buffer for edge in edges for buffer in edge.buffers()]
            if settings.keeps_running
            else None,
            eps=settings.eps,
            momentum=settings.momentum,
        )
        count_batches(edges)
        states = [*inputs, *nodes]
        parts = [states[state] for state in structure.output]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def joining(self) -> tuple[dict[int, Edge], Settings] | None:
        """The edges that run in one call, by number of part, and what their norms agree in.

        None if the mixed ops cannot. Operations whose norms work otherwise, or that have hooks, stay outside.
        """
        edges = self.edges
        settings = settings_of(list(edges.values()))
        if settings is None or not are_unchanged(list(edges.values())):
            return None
        for i, edge in self.operations.items():
            if settings_of([edge]) == settings and are_unchanged([edge]):
                edges[i] = edge
        return edges, settings


def parts_of(module: nn.Module) -> Iterator[nn.Module]:
    """The children of a module; instead of a list or dictionary of modules what is in it."""
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from parts_of(child)
        else:
            yield child


def _cell_spec(structure: Structure, edges: dict[int, Edge]) -> CellSpec:
    return CellSpec(
        structure.inputs,
        tuple(
            CellEdge(source, target, edges[i].spec, edges[i].stride) for i, source, target in structure.edges
        ),
    )
