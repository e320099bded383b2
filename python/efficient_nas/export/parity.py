"""Is the exported file the same function as the module? Answered on inputs that the export never saw."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path

import torch
from torch import Tensor, nn

from efficient_nas.types import Parity

BATCH_SIZES = (1, 3, 8)
"""None is the batch size of the trace (2), so a batch dimension that was frozen cannot pass."""

RELATIVE_TOLERANCE = 1e-4
ROUNDING_TOLERANCE = 64 * torch.finfo(torch.float32).eps


def frozen_copy(module: nn.Module) -> nn.Module:
    """A float32 copy on the CPU in evaluation mode, so that exporting leaves `module` as it was."""
    return copy.deepcopy(module).cpu().float().eval()


def check_input_shape(format_name: str, input_shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one input, (C, H, W), as a tuple of ints. Raises ValueError."""
    shape = tuple(input_shape)
    if not shape or any(isinstance(n, bool) or not isinstance(n, Integral) or n < 1 for n in shape):
        raise ValueError(f"to_{format_name}: input_shape must be positive ints (C, H, W), got {input_shape}")
    return tuple(int(n) for n in shape)


def trace_input(shape: tuple[int, ...]) -> Tensor:
    """Random normal [2, *shape]: the example an exporter traces; 2, as PyTorch treats 0 and 1 specially."""
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def compare(
    format_name: str,
    path: Path,
    module: nn.Module,
    reloaded: Callable[[Tensor], Tensor],
    shape: tuple[int, ...],
) -> Parity:
    """The largest difference of logits between `module` and the reloaded file, on random normal images.

    The tolerance has two parts. Two float32 programs of one network differ by how they order and fuse their
    sums: a relative error of 1e-7 to 1e-5 in networks of this package, while a wrong export (statistics of
    the batch, a lost activation, other weights) moves logits by a good part of their spread. 1e-4 of the
    spread (standard deviation over the inputs, per logit) lies between the two. The spread of a network
    that hardly looks at its input is far below its logits, whose own rounding then decides: 64 float32
    roundings of the largest logit.
    """
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(n, *shape, generator=generator) for n in BATCH_SIZES]
    expected = [module(x) for x in inputs]
    error = 0.0
    for x, y in zip(inputs, expected, strict=True):
        actual = reloaded(x)
        if actual.shape != y.shape:
            error = math.inf
            break
        difference = (actual - y).abs().max().item()
        error = math.nan if math.isnan(difference) else max(error, difference)
        if math.isnan(error):
            break
    logits = torch.cat(expected)
    spread = logits.std(dim=0).max().item()
    tolerance = RELATIVE_TOLERANCE * spread + ROUNDING_TOLERANCE * logits.abs().max().item()
    return Parity(format_name, str(path), error, tolerance, error <= tolerance)
