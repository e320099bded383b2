"""The typed DAG that every later stage works on; a thin layer over the native graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from efficient_nas import _core
from efficient_nas.graph.drawing import to_svg
from efficient_nas.graph.network import DAGNetwork
from efficient_nas.graph.node import ArchNode, checked_int, is_plain_int, node_tuple

Shape = tuple[int, int, int]


def operations() -> tuple[str, ...]:
    """Names of all operations that a node can hold."""
    return tuple(_core.operations())


@dataclass(frozen=True, slots=True)
class Architecture:
    """A typed DAG of operations from one `input` to one `output` node; immutable and always valid.

    nodes: in any order. connections: pairs (from, to) of node indices; a pair may repeat. A node with several
    inputs receives their sum; only `concat` concatenates, in the order of its connections.
    input_shape: (channels, height, width).
    Equality, hash and pickle go by these three as given; `canonical_bytes` says what is the same network.
    Raises ValueError for cycles, unknown indices, several inputs or outputs, shapes that do not fit.
    Definition of operations, costs and canonical forms: docs/design/architectures.md.
    """

    nodes: tuple[ArchNode, ...]
    connections: tuple[tuple[int, int], ...]
    input_shape: Shape
    _native: _core.Graph = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        nodes: Iterable[ArchNode],
        connections: Iterable[tuple[int, int]],
        input_shape: tuple[int, int, int],
    ) -> None:
        checked_nodes = tuple(nodes)
        for i, node in enumerate(checked_nodes):
            if not isinstance(node, ArchNode):
                raise TypeError(f"Architecture: nodes[{i}] must be an ArchNode, got {node!r}")
        checked_connections = tuple(_connection(i, pair) for i, pair in enumerate(connections))
        channels, height, width = _ints("input_shape", input_shape, ("channels", "height", "width"))
        shape = (channels, height, width)
        object.__setattr__(self, "nodes", checked_nodes)
        object.__setattr__(self, "connections", checked_connections)
        object.__setattr__(self, "input_shape", shape)
        native = _core.Graph([node_tuple(node) for node in checked_nodes], list(checked_connections), shape)
        object.__setattr__(self, "_native", native)

    def __reduce__(self) -> tuple[Any, ...]:
        return Architecture, (self.nodes, self.connections, self.input_shape)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.input_shape))
        return (
            f"<Architecture of {len(self.nodes)} nodes and {len(self.connections)} connections, "
            f"input {shape}, {self.macs:,} macs, {self.params:,} params>"
        )

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all convolutions and linear layers for one image."""
        return self._native.macs

    @property
    def params(self) -> int:
        """Number of learnable parameters."""
        return self._native.params

    @property
    def peak_activation_bytes(self) -> int:
        """Peak of live activations in bytes for one image in float32, evaluation mode, input included."""
        return self._native.peak_activation_bytes

    @property
    def depth(self) -> int:
        """Largest number of computing nodes (no sum, concat, identity) on a path from input to output."""
        return self._native.depth

    @property
    def shapes(self) -> list[Shape]:
        """Output shape (channels, height, width) of every node, dead ones included."""
        return self._native.shapes

    @property
    def received_shapes(self) -> list[Shape]:
        """Shape (channels, height, width) that every node receives; a `concat` that of all its inputs."""
        return self._native.received_shapes

    @property
    def alive(self) -> list[bool]:
        """For every node whether it counts: it reaches the output and receives something other than zeros.

        Input and output always are alive.
        """
        return self._native.alive

    @property
    def topological_order(self) -> list[int]:
        """Indices of all nodes such that connections point forward; the smallest ready index comes first."""
        return self._native.topological_order

    @property
    def execution_order(self) -> list[int]:
        """Indices of the alive nodes in the order in which an executor runs them."""
        return self._native.execution_order

    def operators(self) -> list[tuple[ArchNode, tuple[int, int]]]:
        """Alive nodes but input and output, in execution order, with the (height, width) they receive."""
        received = self.received_shapes
        return [
            (self.nodes[i], received[i][1:])
            for i in self.execution_order
            if self.nodes[i].operation not in ("input", "output")
        ]

    def prune(self) -> Architecture:
        """The architecture without dead nodes; same costs and canonical forms, order of nodes kept.

        Behind a zero input of a `concat` (or of an output that receives only zeros) stay as few dead nodes as
        give it its shape.
        """
        kept = self._native.kept_nodes
        if len(kept) == len(self.nodes):
            return self
        index = {old: new for new, old in enumerate(kept)}
        connections = [(index[a], index[b]) for a, b in self.connections if a in index and b in index]
        return Architecture([self.nodes[i] for i in kept], connections, self.input_shape)

    def to_pytorch(self) -> DAGNetwork:
        """A new `torch.nn.Module` with fresh weights: images [N, C, H, W] to logits [N, num_classes]."""
        return DAGNetwork(self)

    def canonical_bytes(self, kind: str = "graph") -> bytes:
        """Bytes that two architectures share exactly when they are the same once simplified.

        kind: `graph` (the simplified typed multigraphs are isomorphic) or `expression` (a shared node and two
        equal ones are the same). The resolution of the input does not count.
        """
        return self._native.canonical_bytes(kind)

    def canonical_hash(self, kind: str = "graph") -> int:
        """64 bits of `canonical_bytes`, for indexing; equality is decided by the bytes."""
        return self._native.canonical_hash(kind)

    def to_json(self) -> str:
        """JSON text that `from_json` reads; attributes at their defaults are left out."""
        return _core.architecture_to_json(self._native)

    def to_svg(self) -> str:
        """A drawing as SVG text: one box a node, input on top, dead nodes dashed (graph/drawing.py)."""
        return to_svg(self)

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """The architecture of a text that `to_json` wrote.

        Raises ValueError that names the field for anything malformed: unknown, missing or repeated fields,
        wrong types, another version.
        """
        nodes, connections, input_shape = _core.architecture_from_json(text)
        return cls([ArchNode(*node) for node in nodes], connections, input_shape)


def _connection(index: int, pair: tuple[int, int]) -> tuple[int, int]:
    if type(pair) is tuple and len(pair) == 2 and is_plain_int(pair[0]) and is_plain_int(pair[1]):
        return pair
    source, target = _ints(f"connections[{index}]", pair, ("from", "to"))
    return source, target


def _ints(name: str, value: object, parts: tuple[str, ...]) -> list[int]:
    expected = f"Architecture: {name} must be ({', '.join(parts)})"
    try:
        values = list(value)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"{expected}, got {value!r}") from None
    if isinstance(value, str) or len(values) != len(parts):
        raise ValueError(f"{expected}, got {value!r}")
    return [checked_int(f"Architecture: {part} of {name}", v) for part, v in zip(parts, values, strict=True)]
