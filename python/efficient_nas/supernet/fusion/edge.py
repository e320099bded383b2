"""The candidates of one edge, and their tensors as they are at the moment of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from efficient_nas.ops import MixedOpSpec
from efficient_nas.supernet.fusion.recognition import Refusal

# What the fused operation computes in; the sums of bfloat16 are float32.
DTYPES = (torch.float32, torch.bfloat16, torch.float64)


@dataclass(eq=False, slots=True)
class Edge:
    """A mixed op: its candidate modules and what they compute. holders: the modules that hold them.

    The modules keep their tensors, which are looked up by owner and name at every call: `.double()`,
    `load_state_dict(assign=True)` and the like put others in their places. Buffers are taken from `_buffers`:
    nn.Module's `__getattr__` takes ten times as long, and a cell has hundreds.
    """

    candidates: list[nn.Module]
    spec: MixedOpSpec
    stride: int
    holders: tuple[nn.Module, ...] = ()
    owners: list[list[tuple[nn.Module, str]]] = field(init=False)  # of the parameters, by candidate
    norms: list[list[nn.BatchNorm2d]] = field(init=False)  # by candidate
    children: list[tuple[nn.Module, tuple[nn.Module | None, ...]]] = field(init=False)

    def __post_init__(self) -> None:
        self.owners = [
            [
                (module, name)
                for module in candidate.modules()
                for name, parameter in module._parameters.items()
                if parameter is not None
            ]
            for candidate in self.candidates
        ]
        self.norms = [
            [module for module in candidate.modules() if isinstance(module, nn.BatchNorm2d)]
            for candidate in self.candidates
        ]
        inner = [module for candidate in self.candidates for module in candidate.modules()]
        self.children = [(module, tuple(module._modules.values())) for module in (*self.holders, *inner)]

    def parameters(self, used: Sequence[bool] | None = None) -> list[Tensor]:
        """The parameters in the order of the spec; detached, so that they get no gradient, unless used."""
        found: list[Tensor] = []
        for k, owners in enumerate(self.owners):
            tensors = [module._parameters[name] for module, name in owners]
            found += [
                tensor if used is None or used[k] else tensor.detach()
                for tensor in tensors
                if tensor is not None
            ]
        return found

    def buffers(self) -> list[Tensor]:
        """Running means and variances in the order of the spec; [] where norms keep none."""
        return [
            buffer
            for norms in self.norms
            for norm in norms
            for buffer in (norm._buffers["running_mean"], norm._buffers["running_var"])
            if buffer is not None
        ]

    def is_as_it_was(self) -> bool:
        """Whether no candidate nor a module in one was replaced or given a hook since it was recognised."""
        for module, children in self.children:
            modules = module._modules
            if (modules or children) and tuple(modules.values()) != children:
                return False
            if has_hooks(module) and module not in self.holders:
                return False
        return True


def holders_of(module: nn.Module) -> tuple[nn.Module, ...]:
    """The module and its lists and dictionaries of modules, also those in one another."""
    lists = [child for child in module.children() if isinstance(child, (nn.ModuleList, nn.ModuleDict))]
    return (module, *(holder for child in lists for holder in holders_of(child)))


def has_hooks(module: nn.Module) -> bool:
    """Whether a hook of the module itself runs in forward or backward."""
    attributes = vars(module)
    return bool(
        attributes["_forward_hooks"]
        or attributes["_forward_pre_hooks"]
        or attributes["_backward_hooks"]
        or attributes["_backward_pre_hooks"]
    )


def refuse_changed(candidates: Sequence[nn.Module]) -> None:
    """Refusal if something in the candidates does more when it is called than its class says."""
    for candidate in candidates:
        for name, module in candidate.named_modules():
            where = f"{type(candidate).__name__}{'.' + name if name else ''}"
            if has_hooks(module):
                raise Refusal(f"{where} has hooks, which would not run")
            if "forward" in vars(module):
                raise Refusal(f"{where} has a forward that is not its class's")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the norms of edges work at the moment; those of all edges in one call must agree."""

    training: bool
    eps: float
    momentum: float
    keeps_running: bool


def settings_of(edges: Sequence[Edge]) -> Settings | None:
    """What all norms agree in; None if they do not, or not on anything the fused operation takes."""
    found = {
        (
            norm.training,
            norm.track_running_stats,
            norm._buffers["running_mean"] is None,
            norm.eps,
            norm.momentum,
        )
        for norm in norms_of(edges)
    }
    if not found:
        return Settings(training=True, eps=1e-5, momentum=0.1, keeps_running=True)
    if len(found) > 1:
        return None
    training, tracks, has_none, eps, momentum = found.pop()
    if momentum is None:
        return None
    # Norms without running statistics use the batch's in evaluation as well.
    return Settings(training or has_none, eps, momentum, not has_none and (tracks or not training))


def norms_of(edges: Sequence[Edge], used: Sequence[Sequence[bool]] | None = None) -> Iterator[nn.BatchNorm2d]:
    """The norms of all candidates, or of those used."""
    for e, edge in enumerate(edges):
        for k, norms in enumerate(edge.norms):
            if used is None or used[e][k]:
                yield from norms


def count_batches(edges: Sequence[Edge], used: Sequence[Sequence[bool]] | None = None) -> None:
    """What BatchNorm2d counts in training."""
    found = [
        norm._buffers["num_batches_tracked"]
        for norm in norms_of(edges, used)
        if norm.training and norm.track_running_stats
    ]
    counters = [counter for counter in found if counter is not None]
    if counters:
        torch._foreach_add_(counters, 1)


def are_unchanged(edges: Sequence[Edge]) -> bool:
    """Whether the modules in the edges are as they were when recognised, and no hook runs for all modules."""
    has_global_hook: Callable[[], bool] = nn.modules.module._has_any_global_hook
    return not has_global_hook() and all(edge.is_as_it_was() for edge in edges)


def takes_inputs(*inputs: object) -> bool:
    """Whether the fused operation takes these feature maps: other dtypes and devices it does not."""
    return all(
        isinstance(x, Tensor) and x.dtype in DTYPES and x.device.type == "cpu" and x.ndim == 4 for x in inputs
    )


def takes_weights(edges: Sequence[Edge], alphas: Sequence[Tensor]) -> bool:
    """Whether the fused operation takes these weights of the edges' candidates."""
    return all(
        alpha.shape == (len(edge.candidates),) and alpha.is_floating_point() and alpha.device.type == "cpu"
        for edge, alpha in zip(edges, alphas, strict=True)
    )
