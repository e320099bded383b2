"""`torch.export` files: a whole network for any later PyTorch, without this package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from efficient_nas.errors import ExportError
from efficient_nas.export.noise import quiet
from efficient_nas.export.parity import check_input_shape, compare, frozen_copy, trace_input
from efficient_nas.files import replacing
from efficient_nas.types import Parity


def to_pt2(module: nn.Module, input_shape: Sequence[int], path: str | Path) -> Parity:
    """Writes `module` in evaluation mode as a `torch.export` file; returns the parity of the reloaded file.

    input_shape: one image, (C, H, W). `torch.export.load(path).module()` takes float32 [batch, C, H, W], any
    batch. The module is left unchanged. Raises ExportError when it cannot be exported.
    """
    shape = check_input_shape("pt2", input_shape)
    target = Path(path)
    frozen = frozen_copy(module)
    with quiet():
        try:
            program = torch.export.export(
                frozen, (trace_input(shape),), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False
            )
        except Exception as error:  # tracing runs the module's own code, which may raise anything
            raise ExportError(f"to_pt2: {type(module).__name__} cannot be exported: {error}") from error
        with replacing(target) as partial:
            torch.export.save(program, partial)
        reloaded = torch.export.load(target).module()
    return compare("pt2", target, frozen, reloaded, shape)
