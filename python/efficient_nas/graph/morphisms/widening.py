"""Wider layers by copied units: Net2WiderNet (Chen, Goodfellow & Shlens 2016, arXiv:1511.05641)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from efficient_nas.graph.architecture import Architecture
from efficient_nas.graph.morphisms.channels import ChannelGroups, IntArray
from efficient_nas.graph.morphisms.draws import Draws
from efficient_nas.graph.morphisms.layers import (
    Channels,
    Kind,
    Layer,
    is_residual,
    layers_of,
    makes_channels,
)
from efficient_nas.graph.morphisms.weights import Change, StateDict, key
from efficient_nas.graph.node import ArchNode


@dataclass(frozen=True, slots=True)
class _Widening:
    """How often the channels of every group will be there, and the widened nodes."""

    copies: IntArray
    nodes: tuple[ArchNode, ...]


class Widen:
    """Adds up to half as many channels to the output of a layer, or 1 to the expansion of an mbconv.

    Every new unit is a copy of a random one, which may have several. Whoever reads a copied channel splits
    its weights between the copies, such that they add up to the old ones. Departure: the paper gives every
    copy 1 / count of a weight; here the shares are random and differ from output to output, because copies
    with equal outgoing weights get equal gradients and would stay equal for ever. Batch norms copy their
    statistics, so the function is kept in training mode too.
    """

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch
        self._groups = ChannelGroups(arch)
        source = next(i for i, node in enumerate(arch.nodes) if node.operation == "input")
        sink = next(i for i, node in enumerate(arch.nodes) if node.operation == "output")
        self._fixed = np.union1d(self._groups.produced(source), self._groups.received(sink))

    def sites(self) -> list[tuple[int, bool]]:
        """(node, whether its expansion is meant and not its output)."""
        found = []
        for i in self._arch.execution_order:
            node = self._arch.nodes[i]
            if makes_channels(node) and len(self._free(i)):
                found.append((i, False))
            if node.operation == "mbconv" and node.expansion > 1:
                found.append((i, True))
        return found

    def _free(self, node: int) -> IntArray:
        """The groups of the node's output that hold neither the image's channels nor the network's output."""
        return np.setdiff1d(self._groups.produced(node), self._fixed)

    def draw(self, site: tuple[int, bool], draws: Draws) -> Change:
        """The architecture widened at `site`."""
        index, expansion = site
        copies = np.ones(self._groups.count, dtype=np.int64)
        nodes = list(self._arch.nodes)
        if expansion:
            nodes[index] = replace(nodes[index], expansion=nodes[index].expansion + 1)
        else:
            free = self._free(index)
            for _ in range(1 + draws.below(max(1, len(free) // 2))):
                copies[free[draws.below(len(free))]] += 1
            nodes = self._nodes(copies)
            while self._becomes_residual(nodes):
                copies[free[draws.below(len(free))]] += 1
                nodes = self._nodes(copies)
        widening = _Widening(copies, tuple(nodes))
        arch = Architecture(nodes, self._arch.connections, self._arch.input_shape)
        return Change(arch, lambda state, draws: self._carry(state, widening, draws))

    def _nodes(self, copies: IntArray) -> list[ArchNode]:
        nodes = []
        inputs: list[list[int]] = [[] for _ in self._arch.nodes]
        for source, target in self._arch.connections:
            inputs[target].append(int(copies[self._groups.produced(source)].sum()))
        for i, node in enumerate(self._arch.nodes):
            received = int(copies[self._groups.received(i)].sum())
            if node.operation == "concat" and node.input_channels != node.output_channels:
                received = inputs[i][0] if len(set(inputs[i])) == 1 else received
            produced = int(copies[self._groups.produced(i)].sum())
            nodes.append(replace(node, input_channels=received, output_channels=produced))
        return nodes

    def _becomes_residual(self, nodes: list[ArchNode]) -> bool:
        """Whether a block would gain a residual because its input and output are equally wide now."""
        pairs = zip(nodes, self._arch.nodes, strict=True)
        return any(is_residual(new) and not is_residual(old) for new, old in pairs)

    def _carry(self, state: StateDict, widening: _Widening, draws: Draws) -> StateDict:
        carried = dict(state)
        for i in self._arch.execution_order:
            layers = layers_of(self._arch.nodes[i])
            counts = self._counts(i, widening, draws)
            if any(c.max() > 1 for c in counts.values()):
                for layer in layers:
                    _widen(carried, i, layer, counts[layer.reads], counts[layer.writes], draws)
        return carried

    def _counts(self, index: int, widening: _Widening, draws: Draws) -> dict[Channels, IntArray]:
        """How often each channel that the layers of a node read or write will be there."""
        old, new = self._arch.nodes[index], widening.nodes[index]
        produced = widening.copies[self._groups.produced(index)]
        expanded = np.ones(old.input_channels * old.expansion, dtype=np.int64)
        more = new.input_channels * new.expansion - len(expanded)
        if old.operation == "mbconv" and more:
            np.add.at(expanded, draws.many_below(len(expanded), more), 1)
        return {
            Channels.RECEIVED: widening.copies[self._groups.received(index)],
            Channels.PRODUCED: produced,
            Channels.FIRST_HALF: produced[: len(produced) // 2],
            Channels.SECOND_HALF: produced[len(produced) // 2 :],
            Channels.EXPANDED: expanded,
        }


def _widen(
    state: StateDict, node: int, layer: Layer, reads: IntArray, writes: IntArray, draws: Draws
) -> None:
    """Replaces the weights of a layer whose channels will be there `reads` and `writes` times."""

    def copy(parameter: str) -> None:
        name = key(node, layer, parameter)
        if name in state:
            state[name] = _repeated(state[name], writes)

    match layer.kind:
        case Kind.NORM:
            for parameter in ("weight", "bias", "running_mean", "running_var"):
                copy(parameter)
        case Kind.SCALE:
            copy("scale")
        case Kind.DEPTHWISE:
            copy("weight")
        case Kind.DENSE | Kind.LINEAR:
            copy("weight")
            copy("bias")
            name = key(node, layer, "weight")
            state[name] = _shared(state[name], reads, draws)


def _repeated(tensor: Tensor, counts: IntArray) -> Tensor:
    """Row c of `tensor` counts[c] times."""
    return tensor.repeat_interleave(torch.from_numpy(counts).to(tensor.device), dim=0)


def _shared(weight: Tensor, counts: IntArray, draws: Draws) -> Tensor:
    """The weight [O, I, ...] on sum(counts) input channels, column c in counts[c] random shares.

    A linear layer's weight [O, C * H * W] has H * W columns a channel. Before they are normalised, shares are
    uniform between 0.5 and 1.5: no copy gets next to nothing.
    """
    if counts.max() == 1:
        return weight
    rows = weight.shape[0]
    precision = torch.promote_types(weight.dtype, torch.float32)
    shares = draws.uniforms(rows, int(counts.sum())) + 0.5
    starts = np.cumsum(counts) - counts
    shares /= np.repeat(np.add.reduceat(shares, starts, axis=1), counts, axis=1)
    columns = weight.reshape(rows, len(counts), -1).to(precision)
    wide = columns.repeat_interleave(torch.from_numpy(counts).to(weight.device), dim=1)
    wide *= torch.from_numpy(shares).to(precision).to(weight.device)[:, :, None]
    return wide.to(weight.dtype).reshape(rows, -1, *weight.shape[2:])
