"""What the fused operations keep for backward, beside what the same network in plain PyTorch keeps."""

from __future__ import annotations

import pytest
import torch
from mixed_calls import arguments

from efficient_nas import ops
from efficient_nas.ops import reference, sets
from live_memory import kept_bytes


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("channels", "side"), [(16, 32), (32, 16), (64, 8)])
def test_a_mixed_op_keeps_at_most_a_quarter(
    channels: int, side: int, stride: int, layout: torch.memory_format
) -> None:
    """A quarter of what the eight candidates of DARTS keep when torch runs them one by one."""
    size = (4, channels, side, side)
    call = arguments(sets.darts(), size, stride, dtype=torch.float32)
    tensors = [call["x"].to(memory_format=layout), call["alpha"], *call["parameters"]]
    x, alpha, *parameters = (tensor.requires_grad_() for tensor in tensors)
    call |= {"x": x, "alpha": alpha, "parameters": parameters}
    ours, eager = (
        kept_bytes(lambda function=function: function(**call), parameters)
        for function in (ops.mixed_op, reference.mixed_op)
    )
    assert 0 < 4 * ours <= eager
