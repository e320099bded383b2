"""What a cell's forward does with its operations, read by running it on stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from efficient_nas.supernet.fusion.mixed_op import MixedOpPlan
from efficient_nas.supernet.fusion.stand_ins import Mismatch, StandIn, is_vector, unit_vector, with_stand_ins
from efficient_nas.supernet.fusion.swap import PLAN, FusedModule

_MORE = "it does more with its mixed ops than to add them up"


class Structure(NamedTuple):
    """Which states the edges of a cell join; inputs come first, then the nodes.

    inputs: how many. edges: of every operation that was called its number, source and target.
    output: the states that are the result, one after the other along the channels.
    """

    inputs: int
    edges: tuple[tuple[int, int, int], ...]
    output: tuple[int, ...]


class Call(NamedTuple):
    """Of an operation: its number, what it was called with, and the weights of its candidates."""

    operation: int
    source: Tensor | int
    alpha: Tensor


@dataclass(eq=False, slots=True)
class Record:
    """What a cell's forward did with stand-ins, whose vectors have `size` numbers: one a part.

    inputs: tensors, with the module that preprocesses them where one does.
    edge_weights: of the operations in the order of calls, as nodes add them up; None if all are 1.
    """

    size: int
    inputs: list[tuple[nn.Module | None, Tensor]] = field(default_factory=list)
    input_of_part: dict[int, int] = field(default_factory=dict)
    calls: dict[int, Call] = field(default_factory=dict)
    edge_weights: Tensor | None = None
    _nodes: dict[tuple[int, ...], Tensor] = field(default_factory=dict)

    def add(self, operation: int, h: object, alpha: Tensor) -> Tensor:
        """What an operation returns that is called with `h`."""
        if operation in self.calls:
            raise Mismatch("an operation is called twice")
        self.calls[operation] = Call(operation, self._source(h), alpha)
        return unit_vector(operation, self.size)

    def _source(self, h: object) -> Tensor | int:
        """The vector that an operation is called with; or the number of the input, if it is a real tensor."""
        if not isinstance(h, Tensor):
            raise Mismatch("an operation is not called with a tensor")
        if is_vector(h, self.size) and h.shape[1] == self.size:
            return h
        for i, (module, x) in enumerate(self.inputs):
            if module is None and x is h:
                return i
        self.inputs.append((None, h))
        return len(self.inputs) - 1

    def state(self, vector: Tensor | int) -> int | tuple[int, ...]:
        """What a vector stands for: the number of an input, or the operations that a node adds up."""
        if isinstance(vector, int):
            return vector
        terms = [(i, value) for i, value in enumerate(vector.flatten().tolist()) if value != 0]
        if terms and all(i in self.calls for i, _ in terms):
            node = tuple(i for i, _ in terms)
            if not torch.equal(self._nodes.setdefault(node, vector).flatten(), vector.flatten()):
                raise Mismatch(_MORE)
            return node
        if len(terms) == 1 and terms[0][1] == 1:
            return self.input_of_part[terms[0][0]]
        raise Mismatch(_MORE)

    def structure(self, result: Any) -> Structure:
        """The states in the vectors that operations were called with and that forward returned."""
        if not is_vector(result, self.size):
            raise Mismatch("its result is not made of sums of mixed ops")
        # Several operations are called with one state.
        vectors = {id(call.source): call.source for call in self.calls.values()}
        states = {key: self.state(vector) for key, vector in vectors.items()}
        sources = [states[id(call.source)] for call in self.calls.values()]
        output = [self.state(block) for block in result.split(self.size, dim=1)]
        order = {operation: i for i, operation in enumerate(self.calls)}
        nodes = sorted(
            (state for state in {*sources, *output} if isinstance(state, tuple)),
            key=lambda node: max(order[operation] for operation in node),
        )
        if sorted(operation for node in nodes for operation in node) != sorted(self.calls):
            raise Mismatch("a mixed op is not part of exactly one sum")
        self._set_edge_weights(nodes)
        numbers: dict[int | tuple[int, ...], int] = {i: i for i in range(len(self.inputs))}
        numbers |= {node: len(self.inputs) + n for n, node in enumerate(nodes)}
        targets = {operation: numbers[node] for node in nodes for operation in node}
        return Structure(
            len(self.inputs),
            tuple(
                (operation, numbers[source], targets[operation])
                for operation, source in zip(self.calls, sources, strict=True)
            ),
            tuple(numbers[state] for state in output),
        )

    def _set_edge_weights(self, nodes: Sequence[tuple[int, ...]]) -> None:
        by_node = torch.cat([self._nodes[node].flatten()[list(node)] for node in nodes])
        if by_node.requires_grad or bool((by_node != 1).any()):
            place = {operation: i for i, operation in enumerate(i for node in nodes for i in node)}
            self.edge_weights = by_node[[place[operation] for operation in self.calls]]


def record_forward(
    module: nn.Module,
    original: type[nn.Module],
    parts: Sequence[nn.Module],
    operations: Mapping[int, object],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Record, Structure]:
    """Runs forward on stand-ins: what it calls with what, and which states the operations join.

    operations: the numbers of the parts that are: mixed ops, and modules that are a single candidate. Others
    may preprocess inputs.
    """
    record = Record(len(parts))
    if type(unit_vector(0, record.size)) is not Tensor:
        raise Mismatch("there are no values to read from fake tensors")
    if any(is_vector(value, record.size) for value in args):
        raise Mismatch("an argument looks like what stand-ins return")
    stand_ins: dict[int, StandIn] = {}
    for i, part in enumerate(parts):
        if i not in operations:
            stand_ins[id(part)] = _preprocessing(i, part, record)
        elif isinstance(part, FusedModule):
            stand_ins[id(part)] = _mixed_op(i, part, record)
        else:
            stand_ins[id(part)] = _operation(i, record)
    drawn = torch.get_rng_state()
    result = original.forward(with_stand_ins(module, original, stand_ins), *args, **kwargs)
    if not torch.equal(torch.get_rng_state(), drawn):
        torch.set_rng_state(drawn)  # what is drawn for vectors, as by drop path, is not for feature maps
        raise Mismatch("its forward draws random numbers")
    return record, record.structure(result)


def _preprocessing(i: int, part: nn.Module, record: Record) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if any(is_vector(value, record.size) for value in (*args, *kwargs.values())):
            raise Mismatch(f"{type(part).__name__} works on nodes")
        if len(args) != 1 or kwargs or not isinstance(args[0], Tensor) or args[0].ndim != 4:
            return part(*args, **kwargs)
        if i in record.input_of_part:
            raise Mismatch(f"{type(part).__name__} is called twice")
        record.input_of_part[i] = len(record.inputs)
        record.inputs.append((part, args[0]))
        return unit_vector(i, record.size)

    return run


def _mixed_op(i: int, mixed_op: FusedModule, record: Record) -> StandIn:
    plan: MixedOpPlan = vars(mixed_op)[PLAN]
    original = mixed_op.fused_from

    def run(*args: Any, **kwargs: Any) -> Tensor:
        h, alpha, used = plan.weights(mixed_op, original, args, kwargs)
        if not args or h is not args[0] or not all(used):
            raise Mismatch("a mixed op does not run all its candidates on what it is called with")
        return record.add(i, h, alpha)

    return run


def _operation(i: int, record: Record) -> StandIn:
    def run(*args: Any, **kwargs: Any) -> Tensor:
        if len(args) != 1 or kwargs:
            raise Mismatch("an operation is not called with one tensor")
        return record.add(i, args[0], torch.ones(1))

    return run
