"""How decided a supernet is: the entropy of its candidates' probabilities."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def alpha_entropy(probabilities: Tensor) -> float:
    """Mean Shannon entropy of the edges in nats: 0 when each has decided, log K when none has.

    probabilities [E, K], rows sum to 1. A candidate of probability 0 (one that is not open) adds nothing.
    """
    return float(torch.special.entr(probabilities.detach().double()).sum(dim=1).mean())


def entropy_share(probabilities: Tensor) -> float:
    """`alpha_entropy` as a share of its largest value log K, in [0, 1]; 0 where there is one candidate."""
    candidates = probabilities.shape[1]
    return alpha_entropy(probabilities) / math.log(candidates) if candidates > 1 else 0.0
