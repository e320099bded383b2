"""A cell of mixed operations: which states its edges join, and the names and shapes of all its tensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from efficient_nas.graph.node import checked_int
from efficient_nas.ops.fields import checked_stride, positive_int
from efficient_nas.ops.mixed_spec import MixedOpSpec, json_fields, json_object

_FIELDS = ("inputs", "specs", "edges")
_EDGE_FIELDS = ("source", "target", "spec", "stride")


@dataclass(frozen=True, slots=True)
class CellEdge:
    """One mixed operation of a cell, from state `source` to the node `target`, a later state."""

    source: int
    target: int
    spec: MixedOpSpec
    stride: int = 1

    def __post_init__(self) -> None:
        source = checked_int("CellEdge: source", self.source)
        target = checked_int("CellEdge: target", self.target)
        if not 0 <= source < target:
            raise ValueError(
                f"CellEdge: source must be at least 0 and less than target, got {source} and {target}"
            )
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "target", target)
        if not isinstance(self.spec, MixedOpSpec):
            raise TypeError(f"CellEdge: spec must be a MixedOpSpec, got {type(self.spec).__name__}")
        object.__setattr__(self, "stride", checked_stride("CellEdge", self.stride))


@dataclass(frozen=True)
class CellSpec:
    """Nodes that are sums of mixed operations: node = sum over its edges of mixed_op(state of the source).

    States are numbered: 0 to inputs - 1 are the inputs, then come the nodes. Every node has at least one
    edge; several may join the same two states. The order of edges is that of their alphas and tensors.
    Edges that leave one state agree in their specs' channel_divisor, and so do edges that enter one node.
    text: what `to_json` returns.
    """

    inputs: int
    edges: tuple[CellEdge, ...]
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", positive_int("CellSpec: inputs", self.inputs))
        if not isinstance(self.edges, (list, tuple)):
            raise TypeError(f"CellSpec: edges must be a list or tuple of CellEdge, got {self.edges!r}")
        if not self.edges:
            raise ValueError("CellSpec: edges must hold at least one edge, got none")
        for e, edge in enumerate(self.edges):
            if not isinstance(edge, CellEdge):
                raise TypeError(f"CellSpec: edges[{e}] must be a CellEdge, got {edge!r}")
        object.__setattr__(self, "edges", tuple(self.edges))
        targets = {edge.target for edge in self.edges}
        if targets != set(range(self.inputs, self.inputs + len(targets))):
            raise ValueError(
                f"CellSpec: the targets of edges must be the nodes {self.inputs} (the number of inputs), "
                f"{self.inputs + 1}, ... without a gap, got {sorted(targets)}"
            )
        self._check_divisors()
        object.__setattr__(self, "text", self._text())

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return max(edge.target for edge in self.edges) + 1 - self.inputs

    def parameter_names(self) -> tuple[str, ...]:
        """Names `edge.k.layer.weight` or `.bias`, in the order in which `mixed_cell` takes parameters."""
        return tuple(
            f"{e}.{name}"
            for e, edge in enumerate(self.edges)
            for name in edge.spec.parameter_names(edge.stride)
        )

    def buffer_names(self) -> tuple[str, ...]:
        """Names `edge.k.layer.running_mean` and `.running_var`, in the order of `running`."""
        return tuple(
            f"{e}.{name}" for e, edge in enumerate(self.edges) for name in edge.spec.buffer_names(edge.stride)
        )

    def parameter_shapes(
        self, input_channels: Sequence[int], node_channels: Sequence[int] | None = None
    ) -> tuple[tuple[int, ...], ...]:
        """Shapes in the order of `parameter_names`.

        node_channels: of every node in order; None: each has those of its first edge's source.
        """
        channels = self._channels(input_channels, node_channels)
        return tuple(
            shape
            for edge in self.edges
            for shape in edge.spec.parameter_shapes(channels[edge.source], channels[edge.target], edge.stride)
        )

    def buffer_shapes(
        self, input_channels: Sequence[int], node_channels: Sequence[int] | None = None
    ) -> tuple[tuple[int, ...], ...]:
        """Shapes in the order of `buffer_names`; arguments as in `parameter_shapes`."""
        channels = self._channels(input_channels, node_channels)
        return tuple(
            shape
            for edge in self.edges
            for shape in edge.spec.buffer_shapes(channels[edge.source], channels[edge.target], edge.stride)
        )

    def to_json(self) -> str:
        """JSON text that `from_json` reads; candidates that edges share are in it once."""
        return self.text

    @classmethod
    def from_json(cls, text: str) -> CellSpec:
        """The specification of a text that `to_json` wrote. ValueError or TypeError that names the field."""
        values: Any = dict.fromkeys(_FIELDS) | json_fields(
            "CellSpec", json_object("CellSpec", text), _FIELDS, required="edges"
        )
        for name in ("specs", "edges"):
            if not isinstance(values[name], list):
                raise TypeError(f"CellSpec: {name} must be a list, got {values[name]!r}")
        specs = [
            MixedOpSpec.from_object(f"CellSpec: specs[{i}]", entry) for i, entry in enumerate(values["specs"])
        ]
        edges = []
        for e, entry in enumerate(values["edges"]):
            where = f"CellSpec: edges[{e}]"
            attributes: Any = dict.fromkeys(_EDGE_FIELDS) | json_fields(
                where, entry, _EDGE_FIELDS, required="spec"
            )
            number = checked_int(f"{where}: spec", attributes["spec"])
            if not 0 <= number < len(specs):
                raise ValueError(
                    f"{where}: spec must be the number of one of {len(specs)} specs, got {number}"
                )
            edges.append(CellEdge(**(attributes | {"spec": specs[number]})))
        return cls(values["inputs"], tuple(edges))

    def _text(self) -> str:
        specs = list(dict.fromkeys(edge.spec for edge in self.edges))
        edges = [
            {
                "source": edge.source,
                "target": edge.target,
                "spec": specs.index(edge.spec),
                "stride": edge.stride,
            }
            for edge in self.edges
        ]
        return json.dumps(
            {"inputs": self.inputs, "specs": [spec.to_object() for spec in specs], "edges": edges}
        )

    def _check_divisors(self) -> None:
        found: dict[tuple[str, int], int] = {}
        for e, edge in enumerate(self.edges):
            divisor = edge.spec.channel_divisor
            for where in (("leave state", edge.source), ("enter node", edge.target)):
                if found.setdefault(where, divisor) != divisor:
                    raise ValueError(
                        f"CellSpec: edges that {where[0]} {where[1]} must agree in channel_divisor, got "
                        f"{found[where]} and, from edges[{e}], {divisor}"
                    )

    def _channels(self, input_channels: Sequence[int], node_channels: Sequence[int] | None) -> list[int]:
        """Of every state."""
        channels = _numbers("input_channels", input_channels, self.inputs)
        if node_channels is not None:
            return channels + _numbers("node_channels", node_channels, self.nodes)
        for node in range(self.inputs, self.inputs + self.nodes):
            channels.append(channels[next(edge.source for edge in self.edges if edge.target == node)])
        return channels


def _numbers(name: str, values: Sequence[int], count: int) -> list[int]:
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"CellSpec: {name} must be a list or tuple of ints, got {values!r}")
    if len(values) != count:
        raise ValueError(f"CellSpec: {name} must hold {count} numbers, got {len(values)}")
    return [positive_int(f"CellSpec: {name}[{i}]", value) for i, value in enumerate(values)]
