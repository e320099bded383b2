"""What the built-in spaces share: putting networks together, and the costs of their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, TypeVar

from efficient_nas.errors import nearest
from efficient_nas.graph import Architecture, ArchNode

Shape = tuple[int, int, int]
CostTuple = tuple[int, int, int]
"""macs, params, peak bytes"""

Options = TypeVar("Options")


class NetworkBuilder:
    """Adds nodes one by one, in the order in which they will run."""

    def __init__(self, input_shape: Shape) -> None:
        self.input_shape = input_shape
        self._nodes = [ArchNode("input", input_shape[0], input_shape[0])]
        self._connections: list[tuple[int, int]] = []

    @property
    def input(self) -> int:
        """Index of the input node."""
        return 0

    def add(self, node: ArchNode, sources: Sequence[int]) -> int:
        """Index of a new node that receives the outputs of `sources`."""
        self._nodes.append(node)
        index = len(self._nodes) - 1
        self._connections += [(source, index) for source in sources]
        return index

    def chain(self, nodes: Sequence[ArchNode], source: int) -> int:
        """Index of the last of `nodes`, one after another behind `source`."""
        for node in nodes:
            source = self.add(node, [source])
        return source

    def channels(self, index: int) -> int:
        """Output channels of a node."""
        return self._nodes[index].output_channels

    def finish(self, source: int) -> Architecture:
        """The architecture whose output is that of `source`."""
        channels = self.channels(source)
        self.add(ArchNode("output", channels, channels), [source])
        return Architecture(self._nodes, self._connections, self.input_shape)


@dataclass(frozen=True, slots=True)
class NodeCost:
    """One node by itself. peak_bytes: what it allocates while it runs, its output included."""

    output: Shape
    macs: int
    params: int
    peak_bytes: int

    @property
    def totals(self) -> CostTuple:
        return self.macs, self.params, self.peak_bytes


@lru_cache(maxsize=65536)
def node_cost(node: ArchNode, received: Shape) -> NodeCost:
    """Costs of a node on an input of shape `received`: the native costs of a network of this node alone."""
    channels = node.output_channels
    nodes = [ArchNode("input", received[0], received[0]), node, ArchNode("output", channels, channels)]
    alone = Architecture(nodes, [(0, 1), (1, 2)], received)
    peak = alone.peak_activation_bytes - tensor_bytes(received)
    return NodeCost(alone.shapes[1], alone.macs, alone.params, peak)


class CostSum:
    """Sums costs over parts of a network that run one after another; the peak is the largest."""

    def __init__(self) -> None:
        self.macs = self.params = self.peak_bytes = 0

    def run(self, node: ArchNode, received: Shape, live_bytes: int) -> Shape:
        """The output shape of a node; counts it. live_bytes: alive while it runs, its input included."""
        cost = node_cost(node, received)
        self.macs += cost.macs
        self.params += cost.params
        self.peak_bytes = max(self.peak_bytes, live_bytes + cost.peak_bytes)
        return cost.output

    @property
    def totals(self) -> CostTuple:
        return self.macs, self.params, self.peak_bytes


def tensor_bytes(shape: Shape) -> int:
    """Bytes of a float32 tensor for one image."""
    return 4 * shape[0] * shape[1] * shape[2]


def classifier(channels: int, num_classes: int) -> list[ArchNode]:
    """Global average pooling and a linear layer."""
    return [ArchNode("global_avg_pool", channels, channels), ArchNode("linear", channels, num_classes)]


def check_task(space: str, input_shape: object, num_classes: object) -> tuple[Shape, int]:
    """Image shape and number of classes as a space's network takes them; ValueError names what is wrong."""
    if not isinstance(input_shape, Sequence) or len(input_shape) != 3:
        raise ValueError(f"space {space}: input_shape must be (channels, height, width), got {input_shape!r}")
    channels, height, width = (
        positive_int(f"space {space}: {name} of input_shape", value)
        for name, value in zip(("channels", "height", "width"), input_shape, strict=True)
    )
    return (channels, height, width), positive_int(f"space {space}: num_classes", num_classes)


def positive_int(what: str, value: object, least: int = 1) -> int:
    """`value` if it is an int (numpy's too) of at least `least`; ValueError otherwise."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < least:
        raise ValueError(f"{what} must be an int of at least {least}, got {value!r}")
    return int(value.__index__())


def network_options(kind: type[Options], space: str, values: dict[str, Any]) -> Options:
    """`kind(**values)` for a dataclass of options; ValueError for a name that it lacks."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            known = ", ".join(names) or "none"
            raise ValueError(
                f"space {space}: unknown network option {name!r}{nearest(name, names)}; options: {known}"
            )
    return kind(**values)
