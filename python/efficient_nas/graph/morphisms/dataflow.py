"""What mutations ask about the values of an architecture: readers, signs, where a node fits in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from efficient_nas.graph.architecture import Architecture, Shape
from efficient_nas.graph.node import ArchNode

PASSES = ("sum", "output", "concat", "max_pool_3x3", "avg_pool_3x3", "global_avg_pool")


@dataclass(frozen=True, slots=True)
class Site:
    """A place for a new node: it will read `sources` (summed) and feed `connections` instead of them.

    nonnegative: its value is never negative. rectified: whoever reads it applies a ReLU first, so that it may
    be replaced by its ReLU.
    """

    sources: tuple[int, ...]
    connections: tuple[int, ...]
    shape: Shape
    nonnegative: bool
    rectified: bool


class Dataflow:
    """The alive part of an architecture, seen from its values."""

    def __init__(self, arch: Architecture) -> None:
        self.arch = arch
        self.alive = arch.alive
        self.shapes = arch.shapes
        self.sources: list[list[int]] = [[] for _ in arch.nodes]
        self.targets: list[list[int]] = [[] for _ in arch.nodes]
        for source, target in arch.connections:
            self.sources[target].append(source)
            self.targets[source].append(target)
        self.nonnegative = self._nonnegative()
        self.logits = self._logits()

    def _nonnegative(self) -> list[bool]:
        """For every alive node whether its value has no negative element, whatever weights and images are.

        A node that is not alive counts as non-negative: what alive nodes read of it are zeros.
        """
        found = [True] * len(self.arch.nodes)
        for i in self.arch.execution_order:
            node = self.arch.nodes[i]
            if node.operation in PASSES or _is_identity(node):
                found[i] = all(found[s] for s in self.sources[i])
            else:
                found[i] = node.operation in ("conv_bn_relu", "bn_relu")
        return found

    def _logits(self) -> set[int]:
        """Nodes whose value reaches the output unchanged or in a sum: the logits, or terms of them."""
        found = {i for i, node in enumerate(self.arch.nodes) if node.operation == "output"}
        for i in reversed(self.arch.execution_order):
            if i in found and _hands_on(self.arch.nodes[i]):
                found |= set(self.sources[i])
        return found

    def receives_logits(self, node: int) -> bool:
        """Whether what the node receives is (a term of) what the network returns."""
        return node in self.logits and _hands_on(self.arch.nodes[node])

    def sites(self) -> list[Site]:
        """Every place for a node behind one value or in front of one node, but not behind the logits."""
        into: dict[int, list[int]] = {}
        out_of: dict[int, list[int]] = {}
        for c, (source, target) in enumerate(self.arch.connections):
            into.setdefault(target, []).append(c)
            out_of.setdefault(source, []).append(c)
        found: dict[tuple[int, ...], Site] = {}
        for i in self.arch.execution_order:
            if i in out_of and i not in self.logits:
                readers = [t for t in self.targets[i] if self.alive[t]]
                if not readers:
                    continue
                rectified = all(self.rectifies(t) and len(self.sources[t]) == 1 for t in readers)
                connections = tuple(out_of[i])
                found[connections] = Site((i,), connections, self.shapes[i], self.nonnegative[i], rectified)
        for i in self.arch.execution_order:
            joins = i not in into or self.arch.nodes[i].operation == "concat"
            if not joins and not self.receives_logits(i):
                sources, connections = tuple(self.sources[i]), tuple(into[i])
                nonnegative = all(self.nonnegative[s] for s in sources)
                site = Site(sources, connections, self.shapes[sources[0]], nonnegative, self.rectifies(i))
                found.setdefault(connections, site)
        return list(found.values())

    def rectifies(self, node: int) -> bool:
        """Whether all that the node does with what it receives begins with a ReLU."""
        reader = self.arch.nodes[node]
        if reader.operation == "resnet_basic_block":  # its shortcut does so only where it is a convolution
            return reader.stride == 1 and reader.input_channels != reader.output_channels
        strided_skip = reader.operation == "skip_connect" and reader.stride == 2
        starts = ("nor_conv", "sep_conv", "dil_conv", "factorized_reduce")
        return strided_skip or reader.operation.startswith(starts)

    def skips(self) -> list[tuple[int, int]]:
        """Pairs (u, v) such that v may also receive u's value: equal shapes, no cycle, not there already."""
        by_shape: dict[Shape, list[int]] = {}
        for i in self.arch.execution_order:
            if self.targets[i]:
                by_shape.setdefault(self.shapes[i], []).append(i)
        reach = self._reach()
        pairs = []
        for v in self.arch.execution_order:
            node = self.arch.nodes[v]
            if node.operation in ("input", "concat") or self.receives_logits(v):
                continue
            known = set(self.sources[v])
            for source in self.sources[v]:
                if self.arch.nodes[source].operation == "gate":
                    known |= set(self.sources[source])
            received = self.shapes[self.sources[v][0]]
            pairs += [(u, v) for u in by_shape.get(received, ()) if u not in known and not reach[v] >> u & 1]
        return pairs

    def _reach(self) -> list[int]:
        """For every node the set of nodes that it leads to, itself included, as the bits of an int."""
        reach = [0] * len(self.arch.nodes)
        for i in reversed(self.arch.topological_order):
            reach[i] = 1 << i
            for target in self.targets[i]:
                reach[i] |= reach[target]
        return reach


def inserted(arch: Architecture, site: Site, node: ArchNode) -> Architecture:
    """The architecture with `node` at `site`; it is the last node, so that all others keep their indices."""
    new = len(arch.nodes)
    if len(site.sources) == 1:
        connections = _replaced(arch.connections, site.connections, source=new)
        connections.append((site.sources[0], new))
    else:
        connections = _replaced(arch.connections, site.connections, target=new)
        connections.append((new, arch.connections[site.connections[0]][1]))
    return Architecture([*arch.nodes, node], connections, arch.input_shape)


def _replaced(
    connections: Sequence[tuple[int, int]],
    which: Sequence[int],
    source: int | None = None,
    target: int | None = None,
) -> list[tuple[int, int]]:
    """The connections, some of them from or to another node; their order (a concat's channels) stays."""
    changed = list(connections)
    for c in which:
        u, v = changed[c]
        changed[c] = (u if source is None else source, v if target is None else target)
    return changed


def _is_identity(node: ArchNode) -> bool:
    return node.operation == "skip_connect" and node.stride == 1


def _hands_on(node: ArchNode) -> bool:
    return node.operation in ("sum", "output") or _is_identity(node)
