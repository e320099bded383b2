"""Larger kernels by zero padding (kernel size morphing; Wei et al. 2016, arXiv:1603.01670, section 3.4)."""

from __future__ import annotations

from dataclasses import replace

from torch.nn import functional

from efficient_nas.graph.architecture import Architecture
from efficient_nas.graph.morphisms.draws import Draws
from efficient_nas.graph.morphisms.layers import Kind, layers_of
from efficient_nas.graph.morphisms.weights import Change, StateDict, key
from efficient_nas.graph.node import ArchNode

LARGER = {
    "nor_conv_1x1": "nor_conv_3x3",
    "sep_conv_3x3": "sep_conv_5x5",
    "dil_conv_3x3": "dil_conv_5x5",
}
MAX_KERNEL = 7


class GrowKernel:
    """Makes the kernels of a node larger by two, with zeros around the old weights.

    Padding grows along, so every output still reads the same pixels with the same weights.
    """

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch

    def sites(self) -> list[int]:
        """Nodes on more than one pixel with a larger sibling, or a kernel_size below 7."""
        arch, received = self._arch, self._arch.received_shapes
        return [i for i in arch.execution_order if received[i][1:] != (1, 1) and _grown(arch.nodes[i])]

    def draw(self, site: int, draws: Draws) -> Change:
        """The architecture with larger kernels in one node."""
        nodes = list(self._arch.nodes)
        old = nodes[site]
        grown = _grown(old)
        assert grown is not None
        nodes[site] = grown
        arch = Architecture(nodes, self._arch.connections, self._arch.input_shape)
        return Change(arch, lambda state, _: _padded(state, site, old))


def _grown(node: ArchNode) -> ArchNode | None:
    if node.operation in LARGER:
        return replace(node, operation=LARGER[node.operation])
    if node.kernel_size is not None and node.kernel_size < MAX_KERNEL:
        return replace(node, kernel_size=node.kernel_size + 2)
    return None


def _padded(state: StateDict, index: int, node: ArchNode) -> StateDict:
    """`state` with a border of zeros around the kernels of one node."""
    layers = layers_of(node)
    spatial = [layer for layer in layers if layer.kind is Kind.DEPTHWISE]
    if not spatial:
        spatial = [layer for layer in layers if layer.kind is Kind.DENSE]
    names = [key(index, layer, "weight") for layer in spatial]
    return state | {name: functional.pad(state[name], (1, 1, 1, 1)) for name in names}
