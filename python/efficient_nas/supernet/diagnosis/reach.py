"""Whether a gradient arrives at every architecture parameter and at the weights of every candidate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from efficient_nas.supernet.diagnosis.gradients import Batch, gradients, relaxed_copy
from efficient_nas.supernet.networks import AlphaTable
from efficient_nas.supernet.networks.gradient import GradientSupernet
from efficient_nas.types import derive_seed

DRAWS = 8
LARGE = 1e6
"""Noise that decides a choice of gdas whatever alpha is."""


@dataclass(frozen=True, eq=False)
class GradientReach:
    """Sizes of the gradients of one loss.

    alphas: of every architecture parameter by its name, the magnitudes in its shape. candidates: the norm
    over all weights of a candidate by the name of its module, e.g. `cells.0.edges.3.sep_conv_3x3`;
    candidates without weights are not in it. unreached_alphas, unreached_candidates: names of those that are
    0 or not finite, closed candidates left out; an architecture parameter is named
    `normal/0->2/skip_connect`.
    """

    alphas: dict[str, Tensor]
    candidates: dict[str, float]
    unreached_alphas: tuple[str, ...]
    unreached_candidates: tuple[str, ...]


def gradient_reach(supernet: GradientSupernet, batch: Batch, seed: int) -> GradientReach:
    """Where the gradient of the mean cross-entropy of `batch` arrives.

    A copy of the relaxed network runs in training mode, on noise drawn from `seed` where it is stochastic. A
    gdas cell trains only what it chose, and an edge behind chosen `none` gets nothing: for gdas, magnitudes
    of alphas are means over 8 draws, and for the norms of candidates the network runs once for each
    candidate, chosen on all edges. ValueError without architecture parameters.
    """
    if not supernet.arch_parameters():
        raise ValueError(f"gradient_reach: {type(supernet).__name__} has no architecture parameters")
    network = relaxed_copy(supernet, derive_seed(seed, "reach", 0))
    tables = network.alpha_tables()
    alphas = dict(_named_alphas(network))
    weights = {name: list(module.parameters()) for name, module, _ in _candidates(network, tables)}
    weights = {name: parameters for name, parameters in weights.items() if parameters}
    flat = [parameter for parameters in weights.values() for parameter in parameters]
    found = gradients(network, batch, [*alphas.values(), *flat])
    sizes, of_weights = [g.abs() for g in found[: len(alphas)]], found[len(alphas) :]
    if network.relaxation == "gdas":
        for index in range(1, DRAWS):
            network.draw(derive_seed(seed, "reach", index))
            torch._foreach_add_(sizes, [g.abs() for g in gradients(network, batch, list(alphas.values()))])
        torch._foreach_div_(sizes, DRAWS)
        of_weights = _over_choices(network, batch, tables, flat)
    arrived = dict(zip(alphas, sizes, strict=True))
    squares = iter(torch.stack([g.square().sum() for g in of_weights]).tolist() if flat else [])
    norms = {name: math.sqrt(sum(next(squares) for _ in own)) for name, own in weights.items()}
    lost = [
        name
        for name, _, is_open in _candidates(network, tables)
        if is_open and name in norms and not 0 < norms[name] < math.inf
    ]
    return GradientReach(arrived, norms, tuple(_unreached(arrived, tables)), tuple(lost))


def _named_alphas(supernet: GradientSupernet) -> Iterator[tuple[str, nn.Parameter]]:
    wanted = {id(parameter) for parameter in supernet.arch_parameters()}
    for name, parameter in supernet.named_parameters():
        if id(parameter) in wanted:
            yield name, parameter


def _candidates(
    supernet: GradientSupernet, tables: dict[str, AlphaTable]
) -> Iterator[tuple[str, nn.Module, bool]]:
    """Name, module and whether it is open, of every candidate with tensors in every cell."""
    for name, cell in supernet.named_modules():
        table = tables.get(getattr(cell, "table", ""))
        if table is None:
            continue
        for index, edge in enumerate(cell.edges):
            for operation, module in edge.items():
                is_open = table.probabilities[index, table.operations.index(operation)] > 0
                yield f"{name}.edges.{index}.{operation}", module, bool(is_open)


def _over_choices(
    supernet: GradientSupernet, batch: Batch, tables: dict[str, AlphaTable], weights: list[nn.Parameter]
) -> list[Tensor]:
    """Magnitudes of the weights' gradients, added up over networks of one kind of candidate each."""
    total = [torch.zeros_like(weight) for weight in weights]
    for choice in range(max(len(table.operations) for table in tables.values())):
        for name, table in tables.items():
            noise = supernet.get_buffer(f"noise_{name}").zero_()
            noise[:, min(choice, len(table.operations) - 1)] = LARGE
        torch._foreach_add_(total, [g.abs() for g in gradients(supernet, batch, weights)])
    return total


def _unreached(arrived: dict[str, Tensor], tables: dict[str, AlphaTable]) -> Iterator[str]:
    for name, sizes in arrived.items():
        table = tables.get(name.removeprefix("alpha_")) if name.startswith("alpha_") else None
        missing = ~((sizes > 0) & sizes.isfinite())
        if table is not None:
            missing &= (table.probabilities > 0).to(missing.device)
        for place in missing.nonzero().tolist():
            if table is None:
                yield f"{name}{place}"
            else:
                edge, operation = place
                yield f"{name.removeprefix('alpha_')}/{table.edges[edge]}/{table.operations[operation]}"
