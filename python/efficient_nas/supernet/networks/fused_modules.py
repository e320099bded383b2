"""Candidate modules that run as one mixed operation with their own tensors."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from efficient_nas.ops import MixedOpSpec, OpSpec, mixed_op
from efficient_nas.supernet.networks.edges import EdgeTensors


class FusedModules:
    """y = sum_k weights[k] * modules[k](x) by `ops.mixed_op`; specs[k] says what modules[k] computes."""

    def __init__(self, modules: Sequence[nn.Module], specs: Sequence[OpSpec], stride: int) -> None:
        self._spec, self._stride = MixedOpSpec(tuple(specs)), stride
        self._tensors = EdgeTensors(modules)

    def __call__(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """weights [K]: modules of weight 0 do not run and keep their statistics. None: all weights are 1."""
        training, eps, momentum = self._tensors.settings()
        y = mixed_op(
            x,
            x.new_ones(len(self._spec.candidates)) if weights is None else weights,
            self._tensors.parameters(),
            self._spec,
            training=training,
            running=self._tensors.running(),
            stride=self._stride,
            eps=eps,
            momentum=momentum,
            skip_zero=weights is not None,
        )
        if training:
            self._tensors.count_batches(weights)
        return y
