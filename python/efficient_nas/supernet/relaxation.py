"""Weights of candidates from architecture parameters: softmax, Gumbel softmax, GDAS."""

from __future__ import annotations

import torch
from torch import Tensor

from efficient_nas.types import derive_seed

RELAXATIONS = ("softmax", "gumbel", "gdas")


def relax(relaxation: str, alpha: Tensor, noise: Tensor | None, temperature: Tensor | None) -> Tensor:
    """The weights [E, K] of candidates from alpha [E, K], where a closed candidate is -inf; its weight is 0.

    softmax: DARTS (arXiv:1806.09055, equation 2); takes neither noise nor temperature.
    gumbel: softmax((log p + noise) / temperature) with p = softmax(alpha): the concrete distribution
    (arXiv:1611.01144, equation 2), as FBNet (arXiv:1812.03443) and SNAS (arXiv:1812.09926) search with.
    gdas: the strongest of these weights as 1, the others as 0, with the gradient of the soft weights (Dong &
    Yang 2019, arXiv:1910.04465, equations 5 and 6). Exactly 0 are all but one of a row.
    """
    if relaxation == "softmax":
        return alpha.softmax(dim=-1)
    assert noise is not None and temperature is not None
    soft = ((alpha.log_softmax(dim=-1) + noise) / temperature).softmax(dim=-1)
    if relaxation == "gumbel":
        return soft
    hard = torch.zeros_like(soft).scatter(-1, soft.argmax(dim=-1, keepdim=True), 1.0)
    return hard - soft.detach() + soft


def gumbel_noise(shape: tuple[int, ...], seed: int, name: str) -> Tensor:
    """Standard Gumbel numbers, float32, that depend on the seed and the name alone."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "gumbel", name))
    smallest = torch.finfo(torch.float32).tiny
    return -torch.empty(shape).exponential_(generator=generator).clamp_(min=smallest).log()
