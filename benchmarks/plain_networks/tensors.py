"""Architecture parameters and weights of a plain network, and copies of a supernet's tensors into it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from efficient_nas.supernet import Supernet


def arch_parameters(plain: nn.Module) -> list[Tensor]:
    """The architecture parameters; [] where there are none. As published, most are no nn.Parameters."""
    given = getattr(plain, "arch_parameters", [])
    return [given] if isinstance(given, Tensor) else given() if callable(given) else []


def weights_of(plain: nn.Module) -> list[nn.Parameter]:
    """The parameters that are no architecture parameters."""
    arch = arch_parameters(plain)
    return [parameter for parameter in plain.parameters() if all(parameter is not a for a in arch)]


def statistics(module: nn.Module) -> list[Tensor]:
    """What norms keep, in order."""
    names = ("running_mean", "running_var", "num_batches_tracked")
    return [buffer for name, buffer in module.named_buffers() if name.rpartition(".")[2] in names]


def double(plain: nn.Module) -> nn.Module:
    """The network in float64, architecture parameters included."""
    for name, value in vars(plain).items():
        if isinstance(value, Tensor):
            setattr(plain, name, value.detach().double().requires_grad_())
    return plain.double()


def give_tensors(net: Supernet, plain: nn.Module) -> None:
    """Copies weights, running statistics and architecture parameters of a supernet to its plain network."""
    pairs = [*zip(net.weight_parameters(), weights_of(plain), strict=True)]
    pairs += zip(statistics(net), statistics(plain), strict=True)
    pairs += zip(net.arch_parameters(), arch_parameters(plain), strict=True)
    with torch.no_grad():
        for own, other in pairs:
            other.copy_(own)
