"""The supernet of PC-DARTS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from efficient_nas import ops
from efficient_nas.spaces.assembly import Shape
from efficient_nas.spaces.darts import CELLS, NODES, DARTSOptions
from efficient_nas.supernet.networks.darts import CellSupernet
from efficient_nas.supernet.networks.darts_cells import EDGES
from efficient_nas.supernet.networks.gradient import LogProbabilities
from efficient_nas.types import Genotype, derive_seed


class PCDARTS(CellSupernet):
    """The search network of PC-DARTS (Xu et al. 2020, arXiv:1907.05737): images to logits.

    Candidates see one channel in `channel_divisor`, the others pass by (section 3.2); edges into a node have
    weights of their own, softmax of `beta_<table>` [E] (section 3.3, equation 4). In the genotype every node
    has its two strongest edges, by the best candidate's probability times the edge's weight. The paper
    trains architecture parameters from epoch 15 on, which is the trainer's part.
    channels: as of DARTS, a multiple of channel_divisor; published is 16, of which 4 are seen.
    Derived networks work on all channels, so no shared weight fits them: `subnet_state` is an error, and a
    path runs with partial channels, both edges of a node with the weight 1.
    """

    def __init__(
        self,
        channels: int = 16,
        layers: int = 8,
        num_classes: int = 10,
        input_shape: Shape = (3, 32, 32),
        *,
        channel_divisor: int = 4,
        relaxation: str = "softmax",
        seed: int = 0,
        implementation: str = "fused",
    ) -> None:
        options = DARTSOptions(channels, layers)
        spec = ops.sets.darts(channel_divisor=channel_divisor)
        if channels % channel_divisor:
            raise ValueError(
                f"PCDARTS: channels must be a multiple of channel_divisor = {channel_divisor}, got {channels}"
            )
        super().__init__(
            options,
            spec,
            input_shape,
            num_classes,
            relaxation=relaxation,
            seed=seed,
            implementation=implementation,
        )
        self.channel_divisor = channel_divisor
        for table in CELLS:
            generator = torch.Generator().manual_seed(derive_seed(seed, "beta", table))
            beta = nn.Parameter(1e-3 * torch.randn(len(EDGES), generator=generator))
            self.register_parameter(f"beta_{table}", beta)

    def arch_parameters(self) -> list[nn.Parameter]:
        return [*super().arch_parameters(), *(self.get_parameter(f"beta_{table}") for table in CELLS)]

    def edge_weights(self, table: str) -> Tensor:
        """The weights of edges [E], those into a node sum up to 1; equation 4."""
        beta = self.get_parameter(f"beta_{table}")
        return torch.cat([part.softmax(dim=0) for part in torch.split(beta, list(NODES))])

    def _cell_weights(self) -> dict[str, tuple[Sequence[Tensor], Tensor | None]]:
        weights: dict[str, tuple[Sequence[Tensor], Tensor | None]] = {}
        for table, (alphas, _) in super()._cell_weights().items():
            if self.has_path:  # both edges of a node, and no other
                edges = torch.stack([alpha.sum() for alpha in alphas])
            else:
                own = self.edge_weights(table)
                edges = torch.cat([own.new_ones(2), own])
            weights[table] = alphas, edges
        return weights

    def _log_probabilities(self) -> LogProbabilities:
        return {
            table: own + self.edge_weights(table).detach().double().log().cpu().numpy()[:, None]
            for table, own in super()._log_probabilities().items()
        }

    has_subnet_weights = False

    def subnet_state(self, genotype: Genotype) -> dict[str, Tensor]:
        raise ValueError(
            "subnet_state: derived networks of PCDARTS work on all channels, its weights on some of them; "
            "train the derived network"
        )
