"""Cells: modules whose forward adds up mixed ops to nodes. All of a cell's mixed ops run in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from efficient_nas import ops
from efficient_nas.ops import CellEdge, CellSpec
from efficient_nas.supernet.edge import (
    Edge,
    are_unchanged,
    count_batches,
    has_hooks,
    settings_of,
    takes_inputs,
    takes_weights,
)
from efficient_nas.supernet.mixed_op import MixedOpPlan
from efficient_nas.supernet.stand_ins import Mismatch, StandIn, is_vector, unit_vector, with_stand_ins
from efficient_nas.supernet.swap import PLAN, FusedModule


class Structure(NamedTuple):
    """Which states the edges of a cell join; inputs come first, then the nodes.

    inputs: how many. edges: of every call of a mixed op the number of the mixed op, source and target.
    output: the states that are the result, one after the other along the channels.
    """

    inputs: int
    edges: tuple[tuple[int, int, int], ...]
    output: tuple[int, ...]


@dataclass(eq=False, slots=True)
class _Record:
    """What a cell's forward did with stand-ins. `size` numbers: one a preprocessing child, one a mixed op."""

    size: int
    inputs: list[tuple[nn.Module | None, Tensor]] = field(default_factory=list)
    input_of_child: dict[int, int] = field(default_factory=dict)
    edges: list[tuple[int, Tensor | int, Tensor]] = field(default_factory=list)  # mixed op, source, weights

    def source(self, h: object) -> Tensor | int:
        """The vector that a mixed op is called with; or the number of the input, if it is a real tensor."""
        if not isinstance(h, Tensor):
            raise Mismatch("a mixed op is not called with a tensor")
        if is_vector(h, self.size) and h.shape[1] == self.size:
            return h
        for i, (child, x) in enumerate(self.inputs):
            if child is None and x is h:
                return i
        self.inputs.append((None, h))
        return len(self.inputs) - 1


@dataclass(eq=False, slots=True)
class CellPlan:
    """How a cell runs with all its mixed ops in one call. parts: of the cell, lists taken apart.

    mixed_ops: those of the parts that are. children: the others, which may preprocess the cell's inputs.
    """

    parts: tuple[nn.Module, ...]
    mixed_ops: list[FusedModule]
    children: list[nn.Module]
    specs: dict[Structure, CellSpec] = field(default_factory=dict)

    @property
    def edges(self) -> list[Edge]:
        """Those of the mixed ops."""
        return [vars(mixed_op)[PLAN].edge for mixed_op in self.mixed_ops]

    def run(
        self,
        method: str,
        module: nn.Module,
        original: type[nn.Module],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """The result of forward; by the module's own forward where the joined call cannot run."""
        y = self.fused(module, original, args, kwargs)
        return original.forward(module, *args, **kwargs) if y is None else y

    def fused(
        self, module: nn.Module, original: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor | None:
        """The result of forward; None, and nothing done, if it cannot run joined."""
        if torch.compiler.is_compiling() or tuple(parts_of(module)) != self.parts:
            return None  # compilers know no values of vectors; parts may have been replaced
        if not all(isinstance(op, FusedModule) and not has_hooks(op) for op in self.mixed_ops):
            return None  # unfused, or with hooks, which only run when it is called
        every = self.edges
        if not are_unchanged(every):
            return None
        try:
            record, structure = self.recorded(module, original, args, kwargs)
        except Mismatch:
            return None
        edges = [every[e] for e, _, _ in structure.edges]
        alphas = [alpha for _, _, alpha in record.edges]
        settings = settings_of(edges)
        if settings is None or not takes_weights(edges, alphas):
            return None
        if not takes_inputs(*(x for _, x in record.inputs)):
            return None
        spec = self.specs.get(structure)
        if spec is None:
            spec = self.specs[structure] = _cell_spec(structure, every)
        inputs = [x if child is None else child(x) for child, x in record.inputs]
        nodes = ops.mixed_cell(
            inputs,
            alphas,
            [parameter for edge in edges for parameter in edge.parameters()],
            spec,
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

    def recorded(
        self, module: nn.Module, original: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[_Record, Structure]:
        """Runs forward on stand-ins: what it calls with what, and which states the mixed ops join."""
        size = len(self.children) + len(self.mixed_ops)
        record = _Record(size)
        if type(unit_vector(0, size)) is not Tensor:
            raise Mismatch("there are no values to read from fake tensors")
        if any(is_vector(value, size) for value in args):
            raise Mismatch("an argument looks like what stand-ins return")
        stand_ins: dict[int, StandIn] = {}
        for c, child in enumerate(self.children):
            stand_ins[id(child)] = self._child_stand_in(c, child, record)
        for e, mixed_op in enumerate(self.mixed_ops):
            stand_ins[id(mixed_op)] = self._mixed_op_stand_in(e, mixed_op, record)
        drawn = torch.get_rng_state()
        result = original.forward(with_stand_ins(module, original, stand_ins), *args, **kwargs)
        if not torch.equal(torch.get_rng_state(), drawn):
            torch.set_rng_state(drawn)  # what is drawn for vectors, as by drop path, is not for feature maps
            raise Mismatch("its forward draws random numbers")
        return record, self._structure(record, result)

    def _child_stand_in(self, c: int, child: nn.Module, record: _Record) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            if any(is_vector(value, record.size) for value in (*args, *kwargs.values())):
                raise Mismatch(f"{type(child).__name__} works on nodes")
            if len(args) != 1 or kwargs or not isinstance(args[0], Tensor) or args[0].ndim != 4:
                return child(*args, **kwargs)
            if c in record.input_of_child:
                raise Mismatch(f"{type(child).__name__} is called twice")
            record.input_of_child[c] = len(record.inputs)
            record.inputs.append((child, args[0]))
            return unit_vector(c, record.size)

        return run

    def _mixed_op_stand_in(self, e: int, mixed_op: FusedModule, record: _Record) -> StandIn:
        plan: MixedOpPlan = vars(mixed_op)[PLAN]
        original = mixed_op.fused_from

        def run(*args: Any, **kwargs: Any) -> Tensor:
            if any(e == called for called, _, _ in record.edges):
                raise Mismatch("a mixed op is called twice")
            h, alpha, used = plan.weights(mixed_op, original, args, kwargs)
            if not args or h is not args[0] or not all(used):
                raise Mismatch("a mixed op does not run all its candidates on what it is called with")
            record.edges.append((e, record.source(h), alpha))
            return unit_vector(len(self.children) + e, record.size)

        return run

    def _structure(self, record: _Record, result: Any) -> Structure:
        """The states in the vectors that mixed ops were called with and that forward returned."""
        if not is_vector(result, record.size):
            raise Mismatch("its result is not made of sums of mixed ops")
        terms = _Terms(self, record)
        sources = [terms.state(source) for _, source, _ in record.edges]
        output = [terms.state(block) for block in result.split(record.size, dim=1)]
        nodes = sorted((state for state in {*sources, *output} if isinstance(state, tuple)), key=max)
        numbers: dict[int | tuple[int, ...], int] = {i: i for i in range(len(record.inputs))}
        numbers |= {node: len(record.inputs) + n for n, node in enumerate(nodes)}
        targets = {e: numbers[node] for node in nodes for e in node}
        if sorted(e for node in nodes for e in node) != list(range(len(record.edges))):
            raise Mismatch("a mixed op is not part of exactly one sum")
        return Structure(
            len(record.inputs),
            tuple((e, numbers[sources[i]], targets[i]) for i, (e, _, _) in enumerate(record.edges)),
            tuple(numbers[state] for state in output),
        )


class _Terms:
    """Reads vectors: an input is its number, a node the calls of mixed ops that it adds up."""

    def __init__(self, plan: CellPlan, record: _Record) -> None:
        self.inputs = record.input_of_child
        self.calls = {len(plan.children) + e: i for i, (e, _, _) in enumerate(record.edges)}

    def state(self, vector: Tensor | int) -> int | tuple[int, ...]:
        if isinstance(vector, int):
            return vector
        terms = [(i, value) for i, value in enumerate(vector.flatten().tolist()) if value != 0]
        if terms and all(value == 1 and i in self.calls for i, value in terms):
            return tuple(sorted(self.calls[i] for i, _ in terms))
        if len(terms) == 1 and terms[0][1] == 1:
            return self.inputs[terms[0][0]]
        raise Mismatch("it does more with its mixed ops than to add them up")


def parts_of(module: nn.Module) -> Iterator[nn.Module]:
    """The children of a module; instead of a list or dictionary of modules what is in it."""
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from parts_of(child)
        else:
            yield child


def _cell_spec(structure: Structure, edges: list[Edge]) -> CellSpec:
    return CellSpec(
        structure.inputs,
        tuple(
            CellEdge(source, target, edges[e].spec, edges[e].stride) for e, source, target in structure.edges
        ),
    )
