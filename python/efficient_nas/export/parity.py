"""Is the exported file the same function as the module? Answered on inputs that the export never saw."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path

import torch
from torch import Tensor, nn

from efficient_nas.parity import agreement
from efficient_nas.types import Parity

BATCH_SIZES = (1, 3, 8)
"""None is the batch size of the trace (2), so a batch dimension that was frozen cannot pass."""


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
    """The parity of `module` and the reloaded file on random normal images (`efficient_nas.parity`)."""
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(n, *shape, generator=generator) for n in BATCH_SIZES]
    return agreement(format_name, str(path), [module(x) for x in inputs], [reloaded(x) for x in inputs])
