"""One layer of a single-path supernet: every option has weights of its own, one option runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from efficient_nas.graph import ArchNode
from efficient_nas.graph.network import module_of
from efficient_nas.ops import OpSpec
from efficient_nas.supernet.networks.candidate_specs import spec_of
from efficient_nas.supernet.networks.fused_modules import FusedModules


class ChoiceLayer(nn.Module):
    """Modules of nodes that take and give images of one shape, None for an identity; one of them runs.

    In eager mode only the chosen module is called: the others cost nothing and their parameters get no
    gradient. Compiled code must not branch on the path: there all modules that `ops.mixed_op` knows are one
    call that skips weights of 0 (gradients of others: 0), and the rest are computed, with their parameters
    replaced by 0 where they are not chosen. fused: use `ops.mixed_op` at all. option_of: which option stands
    for which of the layer's nodes in the space.
    """

    def __init__(
        self, nodes: Sequence[ArchNode | None], stride: int, option_of: Mapping[int, int], *, fused: bool
    ) -> None:
        super().__init__()
        self.option_of = dict(option_of)
        self.options = nn.ModuleList(
            nn.Identity() if node is None else module_of(node, (node.input_channels, 1, 1)) for node in nodes
        )
        specs = [_spec(node) if fused else None for node in nodes]
        self._alone = [
            None if node is None or spec is None else FusedModules([module], [spec], stride)
            for node, spec, module in zip(nodes, specs, self.options, strict=True)
        ]
        self._mixed = [k for k, spec in enumerate(specs) if spec is not None]
        self._others = [k for k, spec in enumerate(specs) if spec is None]
        known = [spec for spec in specs if spec is not None]
        self._together = (
            FusedModules([self.options[k] for k in self._mixed], known, stride) if known else None
        )

    def forward(self, x: Tensor, chosen: int, choice: Tensor) -> Tensor:
        """The output of the chosen option. chosen and choice (int64, no dimension) are the same number."""
        if torch.compiler.is_compiling() and len(self.options) > 1:
            return self._without_branch(x, choice)
        alone = self._alone[chosen]
        y: Tensor = self.options[chosen](x) if alone is None else alone(x)
        return y

    def _without_branch(self, x: Tensor, choice: Tensor) -> Tensor:
        terms = [_run_if(choice == k, self.options[k], x) for k in self._others]
        if self._together is not None:
            weights = torch.stack([choice == k for k in self._mixed]).to(x.dtype)
            terms.append(self._together(x, weights))
        y = terms[0]
        for term in terms[1:]:
            y = y + term
        return y


def _spec(node: ArchNode | None) -> OpSpec | None:
    return OpSpec("skip_connect") if node is None else spec_of(node)


def _run_if(condition: Tensor, module: nn.Module, x: Tensor) -> Tensor:
    """module(x), or zeros without a trace of the module where the condition (bool, a tensor) is false.

    Then no NaN of the module reaches the sum or a gradient, its gradients are 0, and its statistics stay.
    """
    parameters = {n: torch.where(condition, p, torch.zeros_like(p)) for n, p in module.named_parameters()}
    before = dict(module.named_buffers())
    buffers = {n: torch.where(condition, b, torch.ones_like(b)) for n, b in before.items()}
    y = functional_call(module, parameters | buffers, x)
    for name, buffer in before.items():
        buffer.copy_(torch.where(condition, buffers[name], buffer))
    return torch.where(condition, y, torch.zeros_like(y))
