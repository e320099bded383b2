"""Are two networks the same function? Decided on their logits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from efficient_nas.types import Parity

RELATIVE_TOLERANCE = 1e-4
ROUNDING_TOLERANCE = 64 * torch.finfo(torch.float32).eps


def agreement(format_name: str, path: str, expected: Sequence[Tensor], actual: Sequence[Tensor]) -> Parity:
    """The largest difference of logits over batches [N, classes], and whether rounding explains it.

    The tolerance has two parts. Two float32 programs of one network differ by how they order and fuse their
    sums: a relative error of 1e-7 to 1e-5 in networks of this package, while a wrong one (statistics of the
    batch, a lost activation, other weights) moves logits by a good part of their spread. 1e-4 of the spread
    (standard deviation over the inputs, per logit) lies between the two. The spread of a network that hardly
    looks at its input is far below its logits, whose own rounding then decides: 64 float32 roundings of the
    largest logit. Outputs of another shape differ by infinity, NaN by NaN.
    """
    error = 0.0
    for x, y in zip(actual, expected, strict=True):
        if x.shape != y.shape:
            error = math.inf
            break
        difference = (x - y).abs().max().item()
        error = math.nan if math.isnan(difference) else max(error, difference)
        if math.isnan(error):
            break
    logits = torch.cat(list(expected))
    spread = logits.std(dim=0).max().item()
    tolerance = RELATIVE_TOLERANCE * spread + ROUNDING_TOLERANCE * logits.abs().max().item()
    return Parity(format_name, path, error, tolerance, error <= tolerance)
