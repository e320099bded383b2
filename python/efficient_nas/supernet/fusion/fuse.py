"""Fuses the mixed ops of an existing supernet in place, and undoes it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from efficient_nas.supernet.fusion.edge import Edge, has_hooks, holders_of, refuse_changed
from efficient_nas.supernet.fusion.find_cells import cell_plan, try_out_cell
from efficient_nas.supernet.fusion.find_mixed_ops import candidate_list, mixed_op_plan
from efficient_nas.supernet.fusion.find_search_cells import search_cell_plan
from efficient_nas.supernet.fusion.mixed_op import MixedOpPlan, attributes_of
from efficient_nas.supernet.fusion.nasbench201 import SearchCellPlan, fusible_methods, search_cell_edges
from efficient_nas.supernet.fusion.recognition import Refusal
from efficient_nas.supernet.fusion.report import Fused, FuseReport, NotFused
from efficient_nas.supernet.fusion.signature import signature
from efficient_nas.supernet.fusion.swap import FusedModule, restore, swap
from efficient_nas.threads import fixed_threads

Result = TypeVar("Result")


def fuse(module: nn.Module) -> FuseReport:
    """What was fused in `module`, in place, what was not, and why.

    Looks in the module and all its parts for mixed ops: modules whose forward is a sum over a list of
    candidates (ModuleList or ModuleDict of any name, or children) weighted by its second argument or by
    weights of its own; search cells of NAS-Bench-201; and cells that add up mixed ops, whose mixed ops and
    sums then run in one call. Candidates are recognised by their layers. What is recognised is tried out on
    a float64 copy against the module's own forward: values, gradients and running statistics, in training and
    in evaluation.

    Parameters, buffers, their names and the modules stay, so optimizers, state_dicts and hooks on the fused
    module work as before; its class becomes a subclass of its own. Where the fused operation cannot run (CUDA
    and float16; candidates that were replaced or given hooks since; norms that disagree in mode, eps or
    momentum), a fused module runs its own forward, at its own speed. `unfuse` restores everything.

    A second call leaves what is fused alone and says so. TypeError if `module` is no torch.nn.Module.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"fuse: module must be a torch.nn.Module, got {type(module).__name__}")
    fusing = _Fusing()
    already = sum(isinstance(part, FusedModule) for part in module.modules())
    parts = list(module.named_modules())
    inner: set[int] = set()  # candidates and what is in them
    with fixed_threads(1):  # the tensors of trials are small
        for name, part in parts:
            if isinstance(part, FusedModule) or id(part) in inner:
                continue
            edges = fusing.fuse(name, part)
            inner |= {id(x) for edge in edges for candidate in edge.candidates for x in candidate.modules()}
        for name, part in parts:
            if not isinstance(part, FusedModule):
                fusing.join(name, part)
    return FuseReport(tuple(fusing.fused), tuple(fusing.joined), tuple(fusing.not_fused), already)


def unfuse(module: nn.Module) -> int:
    """How many modules were fused in `module`; they run their own forward again, as if never fused."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"unfuse: module must be a torch.nn.Module, got {type(module).__name__}")
    fused = [part for part in module.modules() if isinstance(part, FusedModule)]
    for part in fused:
        restore(part)
    return len(fused)


@dataclass(slots=True)
class _Fusing:
    """One call of `fuse`. known: what modules of a kind and signature were found to be, or why not."""

    fused: list[Fused] = field(default_factory=list)
    joined: list[Fused] = field(default_factory=list)
    not_fused: list[NotFused] = field(default_factory=list)
    known: dict[Hashable, Any] = field(default_factory=dict)

    def fuse(self, name: str, module: nn.Module) -> list[Edge]:
        """The edges of the module, which is swapped, if it is a mixed op or a search cell; else none."""
        kind = type(module)
        try:
            if "forward" in vars(module) or isinstance(module, torch.jit.ScriptModule):
                return []
            lists = search_cell_edges(module)
            if lists is not None:
                plan: MixedOpPlan | SearchCellPlan = self._search_cell(module, lists)
                swap(module, plan, fusible_methods(kind))
            else:
                candidates = candidate_list(module)
                if candidates is None:
                    return []
                plan = self._mixed_op(module, candidates)
                swap(module, plan)
        except Refusal as refusal:
            self.not_fused.append(NotFused(name, str(refusal)))
            return []
        self.fused.append(Fused(name, kind.__name__, _summary(plan.edges)))
        return plan.edges

    def join(self, name: str, module: nn.Module) -> None:
        """Swaps the module if it is a cell of mixed ops that can run in one call."""
        plan = cell_plan(module)
        if plan is None:
            return
        kind = type(module)
        try:
            for mixed_op in plan.mixed_ops.values():
                if has_hooks(mixed_op):
                    raise Refusal(f"{mixed_op.fused_from.__name__} has hooks, which would not run")
            operations = self._once("cell", module, lambda: try_out_cell(module))
            plan = cell_plan(module, operations)
            assert plan is not None
        except Refusal as refusal:
            self.not_fused.append(NotFused(name, f"its mixed ops are not joined: {refusal}"))
        else:
            names = {id(part): path for path, part in module.named_modules()}
            others = "".join(f", {names[id(plan.parts[i])]}" for i in operations)
            swap(module, plan)
            # A cell can look like a mixed op, whose candidates its mixed ops would be.
            self.not_fused = [entry for entry in self.not_fused if entry.name != name]
            self.joined.append(
                Fused(name, kind.__name__, f"{len(plan.mixed_ops)} mixed ops{others} in one call")
            )

    def _mixed_op(self, module: nn.Module, candidates: list[nn.Module]) -> MixedOpPlan:
        refuse_changed(candidates)
        like = self._once("mixed op", module, lambda: mixed_op_plan(module, candidates))
        edge = Edge(candidates, like.edge.spec, like.edge.stride, holders_of(module))
        return MixedOpPlan(edge, like.own_weights, attributes_of(module))

    def _search_cell(self, module: nn.Module, lists: dict[str, list[nn.Module]]) -> SearchCellPlan:
        for candidates in lists.values():
            refuse_changed(candidates)
        like = self._once("search cell", module, lambda: search_cell_plan(module, lists))
        edges = [
            Edge(own, edge.spec, edge.stride, holders_of(module) if e == 0 else ())
            for e, (own, edge) in enumerate(zip(lists.values(), like.edges, strict=True))
        ]
        return SearchCellPlan(like.keys, edges)

    def _once(self, kind: str, module: nn.Module, find: Callable[[], Result]) -> Result:
        """What `find` returns or refuses; for modules of a kind that are built alike it is called once."""
        alike = signature(module)
        if alike is None:
            return find()
        key = kind, alike
        if key not in self.known:
            try:
                self.known[key] = find()
            except Refusal as refusal:
                self.known[key] = refusal
        found: Result | Refusal = self.known[key]
        if isinstance(found, Refusal):
            raise found
        return found


def _summary(edges: list[Edge]) -> str:
    """The candidates of the edges, each set of them once."""
    kinds: dict[str, int] = {}
    for edge in edges:
        text = ", ".join(op.name for op in edge.spec.candidates) + f"; stride {edge.stride}"
        if edge.spec.channel_divisor > 1:
            text += f"; 1/{edge.spec.channel_divisor} of the channels"
        kinds[text] = kinds.get(text, 0) + 1
    return "; ".join(f"{count} edges of {text}" if count > 1 else text for text, count in kinds.items())
