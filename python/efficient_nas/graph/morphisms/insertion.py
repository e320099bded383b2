"""New nodes that change nothing at first: identity layers, blocks that start as their residual, closed skips.

docs/design/morphisms.md proves the rules.
"""

from __future__ import annotations

from efficient_nas.graph.architecture import Architecture
from efficient_nas.graph.morphisms.dataflow import Dataflow, Site, inserted
from efficient_nas.graph.morphisms.draws import Draws
from efficient_nas.graph.morphisms.weights import Change, added
from efficient_nas.graph.node import ArchNode


class Deepen:
    """Inserts a layer that is the identity: Net2DeeperNet (Chen, Goodfellow & Shlens 2016, arXiv:1511.05641).

    A layer without ReLU fits anywhere; one with a ReLU where the value is never negative, or where all who
    read it begin with a ReLU.
    """

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch

    def sites(self) -> list[Site]:
        """Where a layer can be inserted."""
        return Dataflow(self._arch).sites()

    def draw(self, site: Site, draws: Draws) -> Change:
        """The architecture with an identity layer at `site`."""
        node = draws.choice(self.layers(site))
        arch, index = inserted(self._arch, site, node), len(self._arch.nodes)
        return Change(arch, lambda state, _: added(state, index, node, site.shape, fresh=None))

    def layers(self, site: Site) -> list[ArchNode]:
        """The layers that are the identity at `site`."""
        channels, *size = site.shape
        pixel = size == [1, 1]
        kernels = (1,) if pixel else (1, 3)
        chosen: list[tuple[str, int | None]] = [(name, k) for name in ("conv", "conv_bn") for k in kernels]
        if site.nonnegative or site.rectified:
            chosen += [("conv_bn_relu", k) for k in kernels] + [("nor_conv_1x1", None)]
            spatial = ("nor_conv_3x3", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
            chosen += [] if pixel else [(name, None) for name in spatial]
        return [ArchNode(name, channels, channels, kernel_size=k) for name, k in chosen]


class InsertIdentity:
    """Inserts a residual block whose last batch norm is zero, so that only the residual is left at first.

    The block's other weights are random: it learns like one of a new network with that initialisation (Goyal
    et al. 2017, arXiv:1706.02677, section 5.1). A stride-1 skip_connect is not offered: canonical forms leave
    it out, so it would be the same architecture.
    """

    BLOCKS = (
        ("resnet_basic_block", None, 1),
        *(("mbconv", kernel, expansion) for kernel in (3, 5) for expansion in (1, 3, 6)),
    )

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch

    def sites(self) -> list[Site]:
        """Where a block can be inserted: values of more than one pixel."""
        return [site for site in Dataflow(self._arch).sites() if site.shape[1:] != (1, 1)]

    def draw(self, site: Site, draws: Draws) -> Change:
        """The architecture with a block at `site`."""
        operation, kernel, expansion = draws.choice(self.BLOCKS)
        channels = site.shape[0]
        node = ArchNode(operation, channels, channels, kernel_size=kernel, expansion=expansion)
        arch, index = inserted(self._arch, site, node), len(self._arch.nodes)
        return Change(arch, lambda state, draws: added(state, index, node, site.shape, fresh=draws))


class AddSkip:
    """Adds a connection through a closed `gate`: its scale starts at 0 and gets a gradient at once."""

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch

    def sites(self) -> list[tuple[int, int]]:
        """(source, target): what source makes has the shape that target receives, and no cycle arises."""
        return Dataflow(self._arch).skips()

    def draw(self, site: tuple[int, int], draws: Draws) -> Change:
        """The architecture with the connection `site` through a gate."""
        source, target = site
        arch, index = self._arch, len(self._arch.nodes)
        shape = arch.shapes[source]
        node = ArchNode("gate", shape[0], shape[0])
        connections = [*arch.connections, (source, index), (index, target)]
        grown = Architecture([*arch.nodes, node], connections, arch.input_shape)
        return Change(grown, lambda state, _: added(state, index, node, shape, fresh=None))
