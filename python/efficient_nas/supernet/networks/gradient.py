"""Supernets that are searched by the gradient of architecture parameters."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from efficient_nas.checks import number
from efficient_nas.spaces import Space
from efficient_nas.spaces.assembly import Shape
from efficient_nas.spaces.space import Genotypes
from efficient_nas.supernet.networks.drawing import distinct_rows
from efficient_nas.supernet.networks.supernet import AlphaTable, Supernet, checked_implementation, one_of
from efficient_nas.supernet.relaxation import RELAXATIONS, gumbel_noise, relax
from efficient_nas.supernet.sampling import check_same_choices
from efficient_nas.types import Genotype, derive_seed

Table = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of the edges, and of the candidates of every edge."""
LogProbabilities = dict[str, npt.NDArray[np.float64]]
"""Of the candidates of all edges [E, K], by table; plus those of the weights of edges where there are any."""


class GradientSupernet(Supernet):
    """A supernet whose edges add up all candidates, weighted by relaxed architecture parameters.

    tables: one for every kind of cell. Parameters `alpha_<table>` [E, K] start at 0.001 times standard normal
    numbers, as published. relaxation: softmax, gumbel or gdas (`relaxation.relax`); the last two run on the
    noise of the latest `draw` at the temperature 1 until it is set. implementation: fused, or reference:
    plain PyTorch, for second derivatives and other devices than the CPU.
    """

    temperature: Tensor

    def __init__(
        self,
        space: Space,
        input_shape: Shape,
        num_classes: int,
        macro: Mapping[str, Any],
        tables: Mapping[str, Table],
        *,
        relaxation: str,
        seed: int,
        implementation: str,
    ) -> None:
        super().__init__(space, input_shape, num_classes, macro)
        name = type(self).__name__
        self.relaxation = one_of(f"{name}: relaxation", relaxation, RELAXATIONS)
        self.implementation = checked_implementation(name, implementation)
        self.tables = dict(tables)
        self.has_path = False  # whether forward runs the path set last
        self._has_closed = False
        for table, (edges, operations) in self.tables.items():
            shape = len(edges), len(operations)
            generator = torch.Generator().manual_seed(derive_seed(seed, "alpha", table))
            alpha = nn.Parameter(1e-3 * torch.randn(shape, generator=generator))
            self.register_parameter(f"alpha_{table}", alpha)
            self._state(f"path_{table}", torch.zeros(shape))
            self._state(f"open_{table}", torch.ones(shape, dtype=torch.bool))
            if self.is_stochastic:
                self._state(f"noise_{table}", torch.zeros(shape))
        if self.is_stochastic:
            self._state("temperature", torch.ones(()))
            self.draw(seed)

    def _state(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    @property
    def is_stochastic(self) -> bool:
        """Whether the weights of candidates depend on noise."""
        return self.relaxation != "softmax"

    @property
    def skips_zero(self) -> bool:
        """Whether candidates may have the weight 0 for not taking part; those do not run."""
        return self.has_path or self._has_closed or self.relaxation == "gdas"

    # ---- what a space's rules say

    @abstractmethod
    def _derive(self, log_probabilities: LogProbabilities) -> Genotype:
        """The genotype by the published rule."""

    @abstractmethod
    def _sample(self, log_probabilities: LogProbabilities, n: int, draw: np.random.Generator) -> Genotypes:
        """n genotypes drawn from the distribution, which may repeat; probabilities need not sum to 1."""

    @abstractmethod
    def _path(self, genotype: Genotype) -> Mapping[str, npt.NDArray[np.float32]]:
        """Of every table the weights [E, K] with which the supernet runs a valid genotype alone."""

    @abstractmethod
    def _allowed(self, space: Space) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Of every table the candidates [E, K] that a restriction of the space allows."""

    # ---- weights of candidates

    def alpha(self, table: str) -> nn.Parameter:
        """The architecture parameters [E, K] of a table."""
        return self.get_parameter(f"alpha_{table}")

    def candidate_weights(self) -> dict[str, Tensor]:
        """The weights [E, K] with which the next forward adds up candidates, by table."""
        if self.has_path:
            # Copies: backward may come after the next path is set.
            return {table: self.get_buffer(f"path_{table}").clone() for table in self.tables}
        return {
            table: relax(
                self.relaxation,
                self._logits(table),
                self.get_buffer(f"noise_{table}") if self.is_stochastic else None,
                self.temperature if self.is_stochastic else None,
            )
            for table in self.tables
        }

    def _logits(self, table: str) -> Tensor:
        alpha = self.alpha(table)
        if not self._has_closed:
            return alpha
        return alpha.masked_fill(~self.get_buffer(f"open_{table}"), -torch.inf)

    def draw(self, seed: int) -> None:
        """Draws the noise of the next forwards, in place; nothing for softmax."""
        if self.is_stochastic:
            for table in self.tables:
                noise = self.get_buffer(f"noise_{table}")
                noise.copy_(gumbel_noise(tuple(noise.shape), seed, table))

    def set_temperature(self, value: float) -> None:
        """Sets the temperature of gumbel and gdas, in place; nothing for softmax."""
        value = number(f"{type(self).__name__}: temperature", value, above=0)
        if self.is_stochastic:
            self.temperature.fill_(value)

    def set_path(self, genotype: Genotype) -> None:
        self.space.require_valid(genotype)
        for table, weights in self._path(genotype).items():
            self.get_buffer(f"path_{table}").copy_(torch.from_numpy(weights))
        self.has_path = True

    def clear_path(self) -> None:
        self.has_path = False

    def open(self, space: Space) -> None:
        """From now on only candidates that `space`, a restriction of the supernet's, allows take part.

        The weights of the others stay; the weight of a closed candidate is exactly 0, its gradient too.
        `none` where the space does not hold it stays open. A path may hold closed candidates.
        """
        check_same_choices(type(self).__name__, self.space, space)
        closed = False
        for table, allowed in self._allowed(space).items():
            self.get_buffer(f"open_{table}").copy_(torch.from_numpy(allowed))
            closed = closed or not allowed.all()
        self._has_closed = closed

    # ---- what the architecture parameters stand for

    def arch_parameters(self) -> list[nn.Parameter]:
        return [self.alpha(table) for table in self.tables]

    def alpha_tables(self) -> dict[str, AlphaTable]:
        return {
            table: AlphaTable(self._logits(table).detach().softmax(dim=-1), operations, edges)
            for table, (edges, operations) in self.tables.items()
        }

    def genotype(self) -> Genotype:
        """The architecture that the architecture parameters stand for, by the published rule."""
        return self._derive(self._log_probabilities())

    def sample(self, n: int, seed: int) -> Genotypes:
        """Distinct architectures drawn by the architecture parameters, uint8 [n, num_choices].

        The first is `genotype()`. Those that are the same network count once. Where the distribution is too
        narrow to hold n, it is flattened round by round. ValueError if not even the flat one gives n.
        """
        own = self._log_probabilities()

        def draw(size: int, flatness: float, generator: np.random.Generator) -> Genotypes:
            flat = {table: values / flatness for table, values in own.items()}
            return self._sample(flat, size, generator)

        return distinct_rows(self.space, self._derive(own), n, seed, draw)

    def expected_cost(self, costs: Mapping[str, Tensor]) -> Tensor:
        """sum over tables, edges and candidates of probability times cost; differentiable in alpha.

        costs [E, K] of every table, in any unit: what each candidate costs in all cells that share alpha, as
        a sum over `operators()`. FBNet (arXiv:1812.03443) equations 6 and 7, ProxylessNAS (arXiv:1812.00332)
        equation 8. Departure: the probabilities are those of softmax, without FBNet's noise. All edges count,
        also those that a derived cell leaves out.
        """
        if set(costs) != set(self.tables):
            raise ValueError(
                f"expected_cost: costs must hold {', '.join(self.tables)}; got {', '.join(costs) or 'none'}"
            )
        terms = []
        for table, cost in costs.items():
            logits = self._logits(table)
            if cost.shape != logits.shape:
                raise ValueError(
                    f"expected_cost: costs[{table!r}] must have shape {list(logits.shape)}, "
                    f"got {list(cost.shape)}"
                )
            terms.append((logits.softmax(dim=-1) * cost.to(logits)).sum())
        return torch.stack(terms).sum()

    def _log_probabilities(self) -> LogProbabilities:
        return {
            table: self._logits(table).detach().double().log_softmax(dim=-1).cpu().numpy()
            for table in self.tables
        }
