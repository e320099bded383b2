"""Candidates of edges as modules, and calls of the mixed operation on the tensors that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from efficient_nas import candidates, ops
from efficient_nas.ops import CellEdge, CellSpec, MixedOpSpec, OpSpec, reference

IMPLEMENTATIONS = ("fused", "reference")


class MixedEdge(nn.ModuleDict):
    """The candidates of an edge by name, in the order of `spec`; those without tensors are left out.

    They are the modules of `candidates.create`, which derived networks are made of too. A pool with a norm is
    a sequence of both. Only their tensors are used: `CellCall` runs them.
    """

    def __init__(self, spec: MixedOpSpec, input_channels: int, output_channels: int, stride: int) -> None:
        super().__init__()
        self.spec, self.stride = spec, stride
        source, target = (channels // spec.channel_divisor for channels in (input_channels, output_channels))
        for candidate in spec.candidates:
            if candidate.layers(source, target, stride):
                self[candidate.name] = _module(candidate, source, target, stride)

    def module(self, name: str) -> nn.Module | None:
        """The candidate of this name; None if it has no tensors."""
        return self._modules.get(name)


def _module(candidate: OpSpec, input_channels: int, output_channels: int, stride: int) -> nn.Module:
    affine = candidate.norm == "affine"
    if candidate.operation not in {"max_pool", "avg_pool"}:
        return candidates.create(candidate.name, input_channels, output_channels, stride, affine=affine)
    pool = candidates.create(candidate.name, input_channels, output_channels, stride)
    return nn.Sequential(pool, nn.BatchNorm2d(output_channels, affine=affine))


class Settings(NamedTuple):
    """How norms work at the moment."""

    training: bool
    eps: float
    momentum: float


class EdgeTensors:
    """The tensors of edges as they are at the moment of a call, in the order of the mixed operation.

    Modules keep theirs in dictionaries, where `.double()` and `load_state_dict(assign=True)` put others. A
    cell has hundreds: they are looked up there, as nn.Module's own ways take many times as long.
    All norms must agree in mode, eps and momentum; what the first one says counts.
    """

    def __init__(self, candidates: Sequence[nn.Module | None]) -> None:
        """candidates: of all edges in turn, None where one has no tensors."""
        modules = [module for owner in candidates if owner is not None for module in owner.modules()]
        norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
        self._parameters = [
            (module._parameters, name)
            for module in modules
            for name, parameter in module._parameters.items()
            if parameter is not None
        ]
        self._running = [(norm._buffers, name) for norm in norms for name in ("running_mean", "running_var")]
        self._counters = [norm._buffers for norm in norms]
        self._norms = norms[:1]
        # Of every norm the entry of its candidate in the weights of all edges.
        self._candidates = [
            k
            for k, owner in enumerate(candidates)
            if owner is not None
            for module in owner.modules()
            if isinstance(module, nn.BatchNorm2d)
        ]

    def parameters(self) -> list[Tensor]:
        """In the order of `spec.parameter_names`."""
        return [held[name] for held, name in self._parameters]  # type: ignore[misc]

    def running(self) -> list[Tensor]:
        """In the order of `spec.buffer_names`."""
        return [held[name] for held, name in self._running]  # type: ignore[misc]

    def settings(self) -> Settings:
        """Of the norms; where there is none, no setting has an effect."""
        for norm in self._norms:
            momentum: Any = norm.momentum  # the mixed operation refuses None
            return Settings(norm.training, norm.eps, momentum)
        return Settings(training=True, eps=1e-5, momentum=0.1)

    def count_batches(self, alphas: Tensor | None) -> None:
        """What BatchNorm2d counts in training; alphas [sum of K] where those of weight 0 did not run."""
        counters: list[Any] = [held["num_batches_tracked"] for held in self._counters]
        if not counters:
            return
        if alphas is None:
            torch._foreach_add_(counters, 1)
        else:
            ran = (alphas.detach() != 0).long()[self._candidates].unbind()
            torch._foreach_add_(counters, ran)


class CellCall:
    """Runs edges that join states in one call of `ops.mixed_cell`.

    ends: of every edge its source and its target, as in `CellSpec`.
    """

    def __init__(
        self, inputs: int, ends: Sequence[tuple[int, int]], edges: Sequence[MixedEdge], implementation: str
    ) -> None:
        self.spec = CellSpec(
            inputs,
            tuple(
                CellEdge(source, target, edge.spec, edge.stride)
                for (source, target), edge in zip(ends, edges, strict=True)
            ),
        )
        self._tensors = EdgeTensors(
            [edge.module(candidate.name) for edge in edges for candidate in edge.spec.candidates]
        )
        self._reference = implementation == "reference"

    def __call__(
        self,
        inputs: Sequence[Tensor],
        alphas: Sequence[Tensor],
        edge_weights: Tensor | None = None,
        *,
        skip_zero: bool = False,
    ) -> list[Tensor]:
        """The nodes. alphas [K] of every edge; with skip_zero candidates whose weight is 0 do not run.

        edge_weights [E] multiply the results of edges, bypassed channels included.
        """
        training, eps, momentum = self._tensors.settings()
        run = reference.mixed_cell if self._reference else ops.mixed_cell
        nodes = run(
            inputs,
            alphas,
            self._tensors.parameters(),
            self.spec,
            edge_weights=edge_weights,
            training=training,
            running=self._tensors.running(),
            eps=eps,
            momentum=momentum,
            skip_zero=skip_zero,
        )
        if training:
            self._tensors.count_batches(torch.cat(list(alphas)) if skip_zero else None)
        return nodes
