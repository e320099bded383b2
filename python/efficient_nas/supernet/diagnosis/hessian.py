"""Curvature of the loss in alpha: the extreme eigenvalues of its Hessian."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from efficient_nas import checks
from efficient_nas.supernet.diagnosis.gradients import Batch, gradients, relaxed_copy
from efficient_nas.supernet.networks.gradient import GradientSupernet
from efficient_nas.types import derive_seed

STEP = 1e-7
"""Of the differences in alpha."""


@dataclass(frozen=True)
class Eigenvalues:
    """The smallest and the largest eigenvalue of a symmetric matrix."""

    smallest: float
    largest: float

    @property
    def dominant(self) -> float:
        """The one that is larger in magnitude, with its sign."""
        return self.largest if self.largest >= -self.smallest else self.smallest


def hessian_eigenvalues(
    supernet: GradientSupernet,
    batches: Sequence[Batch],
    seed: int,
    iterations: int = 20,
    tolerance: float = 1e-3,
) -> Eigenvalues:
    """Extreme eigenvalues of the Hessian in alpha of the mean cross-entropy of `batches`.

    Zela et al. 2020 (RobustDARTS, arXiv:1909.09656) track the dominant one for the validation loss. All
    architecture parameters are one vector. A copy of the relaxed network runs in training mode, as in the
    step of the architecture parameters, on noise drawn from `seed` where it is stochastic; for gdas, whose
    loss is not smooth in alpha, it is its gradient's estimator that is differentiated.

    Departure from building the whole Hessian: Lanczos with full reorthogonalisation from a random vector
    (`seed`), at most `iterations` products, fewer once both ends move by less than `tolerance` of the
    dominant one. A product Hv is a central difference of gradients, (g(alpha + h v) - g(alpha - h v)) / 2h,
    as the fused operations have no second derivative. It is taken in float64 with h = 1e-7 and |v| = 1: at
    the steps that float32 needs, ReLUs and max pools change sides, and their jumps drown the curvature.
    ValueError without architecture parameters or batches.
    """
    if not supernet.arch_parameters():
        raise ValueError(f"hessian_eigenvalues: {type(supernet).__name__} has no architecture parameters")
    if not batches:
        raise ValueError("hessian_eigenvalues: batches must hold at least one batch")
    checks.integer("hessian_eigenvalues: iterations", iterations)
    checks.number("hessian_eigenvalues: tolerance", tolerance, low=0)
    network = relaxed_copy(supernet, derive_seed(seed, "hessian", "noise")).double()
    for weight in network.weight_parameters():
        weight.requires_grad_(False)
    alphas = network.arch_parameters()
    here = torch.cat([alpha.detach().reshape(-1) for alpha in alphas])

    def gradient(place: Tensor) -> Tensor:
        parts = torch.split(place, [alpha.numel() for alpha in alphas])
        with torch.no_grad():
            for alpha, part in zip(alphas, parts, strict=True):
                alpha.copy_(part.view_as(alpha))
        images = sum(len(labels) for _, labels in batches)
        total = torch.zeros_like(place)
        for x, labels in batches:  # one by one, so that one graph is alive at a time
            found = gradients(network, (x.double(), labels), alphas)
            total += torch.cat([part.reshape(-1) for part in found]) * (len(labels) / images)
        return total

    def product(vector: Tensor) -> Tensor:
        return (gradient(here + STEP * vector) - gradient(here - STEP * vector)) / (2 * STEP)

    generator = torch.Generator().manual_seed(derive_seed(seed, "hessian", "start"))
    start = torch.randn(len(here), generator=generator, dtype=torch.float64)
    return _lanczos(product, start.to(here.device), iterations, tolerance)


def _lanczos(
    product: Callable[[Tensor], Tensor], start: Tensor, iterations: int, tolerance: float
) -> Eigenvalues:
    """Extreme Ritz values of a symmetric operator on float64 [n]."""
    basis = [start / start.norm()]
    diagonal: list[float] = []
    beside: list[float] = []
    found = Eigenvalues(math.nan, math.nan)
    for _ in range(min(iterations, len(start))):
        image = product(basis[-1])
        diagonal.append(float(image @ basis[-1]))
        ritz = torch.linalg.eigvalsh(_tridiagonal(diagonal, beside))
        before, found = found, Eigenvalues(float(ritz[0]), float(ritz[-1]))
        scale = abs(found.dominant)
        moved = max(abs(found.smallest - before.smallest), abs(found.largest - before.largest))
        if moved <= tolerance * scale:  # false for the NaN of the first round
            break
        vectors = torch.stack(basis)
        for _again in range(2):  # twice is enough: Giraud et al. 2005, Numerische Mathematik 101(1)
            image = image - vectors.T @ (vectors @ image)
        beside.append(float(image.norm()))
        if beside[-1] <= 1e-6 * scale:  # the space is exhausted, and the rest is rounding
            break
        basis.append(image / beside[-1])
    return found


def _tridiagonal(diagonal: list[float], beside: list[float]) -> Tensor:
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if beside:
        off = torch.tensor(beside, dtype=torch.float64)
        matrix = matrix + torch.diag(off, 1) + torch.diag(off, -1)
    return matrix
