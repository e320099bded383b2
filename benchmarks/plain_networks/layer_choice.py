"""Layer choices as NNI makes them differentiable: the architecture parameter belongs to the layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class DartsLayerChoice(nn.Module):
    """NNI 2 (retiarii/oneshot): a ModuleDict of candidates, `alpha` of its own."""

    def __init__(self, candidates: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.op_choices = nn.ModuleDict(candidates)
        self.alpha = nn.Parameter(1e-3 * torch.randn(len(candidates)))

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Tensor:
        results = torch.stack([op(*args, **kwargs) for op in self.op_choices.values()])
        shape = [-1] + [1] * (results.ndim - 1)
        return torch.sum(results * torch.softmax(self.alpha, -1).view(*shape), 0)


class DifferentiableMixedLayer(nn.Module):
    """NNI 3: candidates are children of the layer itself, `_arch_alpha` may be shared between layers."""

    def __init__(self, candidates: Mapping[str, nn.Module], alpha: nn.Parameter) -> None:
        super().__init__()
        self.names = list(candidates)
        for name, candidate in candidates.items():
            self.add_module(name, candidate)
        self._arch_alpha = alpha
        self._softmax = nn.Softmax(-1)

    def __getitem__(self, name: str) -> nn.Module:
        return self._modules[name]

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Tensor:
        results = [self[name](*args, **kwargs) for name in self.names]
        weights = self._softmax(self._arch_alpha)
        return sum(result * weight for result, weight in zip(results, weights, strict=True))
