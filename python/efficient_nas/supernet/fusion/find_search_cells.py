"""Finds search cells of NAS-Bench-201 by structure and by trial."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from efficient_nas.supernet.fusion.edge import Edge
from efficient_nas.supernet.fusion.nasbench201 import SearchCellPlan, fusible_methods, search_cell_edges
from efficient_nas.supernet.fusion.recognition import Refusal, recognise
from efficient_nas.supernet.fusion.trial import equal_in_a_trial, random_copy


def search_cell_plan(module: nn.Module, lists: dict[str, list[nn.Module]]) -> SearchCellPlan:
    """The plan of a search cell with these candidates of its edges; Refusal says why it is none."""
    edges, channels = [], 0
    for key, candidates in lists.items():
        try:
            found = recognise(candidates)
        except Refusal as refusal:
            raise Refusal(f"edge {key}: {refusal}") from refusal
        edges.append(Edge(candidates, found.spec, found.stride))
        channels = channels or found.channels
    plan = SearchCellPlan(list(lists), edges)
    _try_out(module, plan, channels)
    return plan


def _try_out(module: nn.Module, plan: SearchCellPlan, channels: int) -> None:
    twin = random_copy(module)
    sizes = [len(edge.candidates) for edge in plan.edges]
    generator = torch.Generator().manual_seed(2)
    count, candidates = len(sizes), max(sizes)
    x = torch.randn(2, channels, 6, 4, generator=generator, dtype=torch.float64)
    weights = torch.rand(count, candidates, generator=generator, dtype=torch.float64).add(0.1)
    index = torch.randint(min(sizes), (count, 1), generator=generator)
    for method in fusible_methods(type(module)):
        arguments = [x, weights, index] if method == "forward_gdas" else [x, weights]
        try:
            equal_in_a_trial(twin, arguments, _own(method), _fused(method, plan))
        except Refusal as refusal:
            raise Refusal(f"{method}: {refusal}") from refusal


def _own(method: str) -> Any:
    return lambda module, args: getattr(type(module), method)(module, *args)


def _fused(method: str, plan: SearchCellPlan) -> Any:
    def run(module: nn.Module, args: tuple[Any, ...]) -> Any:
        lists = search_cell_edges(module)
        assert lists is not None
        edges = [
            Edge(candidates, edge.spec, edge.stride)
            for candidates, edge in zip(lists.values(), plan.edges, strict=True)
        ]
        y = SearchCellPlan(plan.keys, edges).fused(method, module, type(module), args, {})
        if y is None:
            raise Refusal("it cannot run fused")
        return y

    return run
