"""The fused mixed operation, and cells of it, on the CPU (docs/design/mixed-op.md)."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from efficient_nas.ops import mixed_registered as registered
from efficient_nas.ops.arguments import Options, check_mixed_op, check_options
from efficient_nas.ops.cell_arguments import check_mixed_cell
from efficient_nas.ops.cell_spec import CellSpec
from efficient_nas.ops.direct import is_direct
from efficient_nas.ops.mixed_direct import direct_cell
from efficient_nas.ops.mixed_plan import (
    Plan,
    check_supported,
    final_weights,
    fits,
    plan_if_fits,
    plan_of,
    single,
    single_text,
)
from efficient_nas.ops.mixed_spec import MixedOpSpec

_requires_grad = attrgetter("requires_grad")


def mixed_op(
    x: Tensor,
    alpha: Tensor,
    parameters: Sequence[Tensor],
    spec: MixedOpSpec,
    *,
    training: bool = True,
    running: Sequence[Tensor] | None = None,
    stride: int = 1,
    eps: float = 1e-5,
    momentum: float = 0.1,
    skip_zero: bool = False,
) -> Tensor:
    """y = sum_k alpha[k] * op_k(x), [N, C_out, ceil(H / stride), ceil(W / stride)], in one native pass.

    Arguments, values and errors of `reference.mixed_op`, on the CPU, for float32, float64, and bfloat16 with
    sums in float32. Gradients for x, alpha and every parameter, of first order; a second one is an error.
    The result is channels_last. So should x be; first channels of a wider channels_last tensor are as good,
    other layouts are copied. Under autocast x becomes bfloat16 and so does the result, while parameters and
    running statistics stay float32. Results are the same for any number of threads
    (`torch.set_num_threads`). Departure: with float32 and bfloat16 on x86, subnormal numbers count as zero.
    torch.compile and torch.export take any batch size, and compile for one image size.
    """
    options = Options(training, eps, momentum, skip_zero)
    if torch.compiler.is_compiling():
        if not isinstance(spec, MixedOpSpec):
            raise TypeError("mixed_op: spec must be a MixedOpSpec")
        weights, text = final_weights([alpha], None, [spec]), single_text(spec.text, stride)
        return registered.mixed_cell([x], weights, parameters, running, text, options)[0]
    check_options("mixed_op", options)
    plan = None
    if isinstance(spec, MixedOpSpec) and type(stride) is int and stride in {1, 2}:
        plan = _quick_plan([x], [alpha], None, parameters, single(spec, stride), training, running)
    if plan is None:
        check_mixed_op("mixed_op", x, alpha, parameters, spec, running, stride, options)
        check_supported("mixed_op", [x, alpha, *parameters, *(running or ())])
        plan = plan_of(single(spec, int(stride)), [x], parameters)
    return _run(plan, [x], final_weights([alpha], None, [spec]), parameters, running, options)[0]


def mixed_cell(
    inputs: Sequence[Tensor],
    alphas: Sequence[Tensor] | Tensor,
    parameters: Sequence[Tensor],
    spec: CellSpec,
    *,
    edge_weights: Tensor | None = None,
    training: bool = True,
    running: Sequence[Tensor] | None = None,
    eps: float = 1e-5,
    momentum: float = 0.1,
    skip_zero: bool = False,
) -> list[Tensor]:
    """The nodes of a cell in order, each the sum over its edges of `mixed_op` of the edge's source.

    Arguments, values and errors of `reference.mixed_cell`; devices, dtypes, layouts, autocast, gradients and
    compilers as in `mixed_op`. All edges are computed in one call: a state is read once for all edges that
    leave it, and the terms of a sum are never stored.
    """
    options = Options(training, eps, momentum, skip_zero)
    if torch.compiler.is_compiling():
        if not isinstance(spec, CellSpec):
            raise TypeError("mixed_cell: spec must be a CellSpec")
        weights = final_weights(alphas, edge_weights, [edge.spec for edge in spec.edges])
        return registered.mixed_cell(inputs, weights, parameters, running, spec.text, options)
    check_options("mixed_cell", options)
    plan = None
    # One-dimensional weights are for the registered operation.
    if isinstance(spec, CellSpec) and not (isinstance(alphas, Tensor) and alphas.ndim == 1):
        plan = _quick_plan(inputs, alphas, edge_weights, parameters, spec, training, running)
    if plan is None:
        check_mixed_cell("mixed_cell", inputs, alphas, edge_weights, parameters, spec, running, options)
        all_alphas = [alphas] if isinstance(alphas, Tensor) else alphas
        check_supported("mixed_cell", [*inputs, *all_alphas, *parameters, *(running or ())])
        plan = plan_of(spec, inputs, parameters)
    weights = final_weights(alphas, edge_weights, [edge.spec for edge in spec.edges])
    return _run(plan, inputs, weights, parameters, running, options)


def _quick_plan(
    inputs: Sequence[Tensor],
    alphas: Sequence[Tensor] | Tensor,
    edge_weights: Tensor | None,
    parameters: Sequence[Tensor],
    spec: CellSpec,
    training: bool,
    running: Sequence[Tensor] | None,
) -> Plan | None:
    """The plan where all is well at first sight; None where full checks have to find out."""
    buffers = () if running is None else running
    autocast = torch.is_autocast_enabled("cpu")
    plan = plan_if_fits(inputs, alphas, parameters, buffers, spec, same_dtype=not autocast)
    if plan is None or (plan.shapes.buffers and not buffers and not (training and running is None)):
        return None
    if edge_weights is not None and not fits(
        [edge_weights], [(len(spec.edges),)], inputs[0], same_dtype=False
    ):
        return None
    return None if any(map(_requires_grad, buffers)) else plan


def _run(
    plan: Plan,
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor] | None,
    options: Options,
) -> list[Tensor]:
    if is_direct(*inputs, alphas, *parameters, *(running or ())):
        return direct_cell(plan, inputs, alphas, parameters, running, options)
    # Torch would leave tangents out in silence.
    if torch._C._functorch.peek_interpreter_stack() is not None or any(
        unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]
        for tensor in (*inputs, alphas, *parameters)
    ):
        registered.refuse_forward_mode()
    return registered.mixed_cell(inputs, alphas, parameters, running, plan.spec.text, options)
