"""Cells of mixed operations on plain tensors, with gradients, without torch's dispatcher."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from efficient_nas.ops import mixed_kernels as kernels
from efficient_nas.ops.arguments import Options
from efficient_nas.ops.direct import is_direct
from efficient_nas.ops.mixed_plan import Plan
from efficient_nas.ops.mixed_registered import mixed_cell_backward, refuse_forward_mode


def direct_cell(
    plan: Plan,
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor] | None,
    options: Options,
) -> list[Tensor]:
    """The nodes of a cell of tensors that `is_direct` lets pass; alphas of all edges in one tensor."""
    return list(_Direct.apply(plan, options, running, alphas, *inputs, *parameters))  # type: ignore[no-untyped-call]


class _Direct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        plan: Plan,
        options: Options,
        running: Sequence[Tensor] | None,
        alphas: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        inputs, parameters = tensors[: plan.spec.inputs], tensors[plan.spec.inputs :]
        weights = alphas.to(torch.float64)
        buffers = () if options.training else running or ()
        done = kernels.forward(plan, inputs, weights, parameters, buffers, options)
        if options.training and running:
            x = inputs[0]
            kernels.update_running(plan, x.shape[0], x.dtype, running, weights, done.statistics, options)
        kept_nodes = [done.nodes[node] for node in plan.kept_nodes]
        ctx.save_for_backward(alphas, done.statistics, *kept_nodes, *tensors, *done.saved)
        ctx.set_materialize_grads(False)
        ctx.plan, ctx.options = plan, options
        return tuple(done.nodes)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        refuse_forward_mode()

    @staticmethod
    def backward(ctx: Any, *node_gradients: Tensor | None) -> Any:
        plan: Plan = ctx.plan
        kept = ctx.saved_tensors
        alphas, statistics, *others = kept
        tensors = iter(others)
        counts = len(plan.kept_nodes), plan.spec.inputs, len(plan.shapes.parameters)
        kept_nodes, inputs, parameters = (list(islice(tensors, count)) for count in counts)
        rest = inputs, alphas, parameters, kept_nodes, list(tensors), statistics
        wanted = ctx.needs_input_grad[4:]
        given = [gradient for gradient in node_gradients if gradient is not None]
        # They look like plain tensors to `is_direct`.
        if any(map(torch._C._functorch.is_legacy_batchedtensor, given)):
            raise RuntimeError(
                "mixed_op and mixed_cell take no batched gradients (is_grads_batched, vectorize)"
            )
        # Recording (create_graph): the registered operation says that there is no second derivative.
        if torch.is_grad_enabled() or not is_direct(*given, *kept):
            gradients = mixed_cell_backward(node_gradients, *rest, plan.spec.text, ctx.options, wanted)
        else:
            gradients = kernels.backward(plan, node_gradients, *rest, ctx.options, wanted)
        return None, None, None, gradients.alphas, *gradients.inputs, *gradients.parameters
