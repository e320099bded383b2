"""Mixed cells as registered torch operations: schemas, calls, autograd, autocast."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NoReturn

import torch
from torch import Tensor

from efficient_nas import _core
from efficient_nas.ops import mixed_checked as checked
from efficient_nas.ops.arguments import Options
from efficient_nas.ops.mixed_kernels import Gradients
from efficient_nas.ops.mixed_plan import cell_of, plan_of

_SCHEMAS = {
    "mixed_cell": (
        "(Tensor[] inputs, Tensor alphas, Tensor[] parameters, Tensor[] running, str spec, bool training, "
        "float eps, bool skip_zero, str build) -> (Tensor[] nodes, Tensor[] saved, Tensor statistics)"
    ),
    "mixed_cell_backward": (
        "(Tensor[] node_gradients, Tensor[] inputs, Tensor alphas, Tensor[] parameters, Tensor[] kept_nodes, "
        "Tensor[] saved, Tensor statistics, str spec, bool training, float eps, bool skip_zero, "
        "bool[] wanted) -> (Tensor[] input_gradients, Tensor alpha_gradient, Tensor[] parameter_gradients)"
    ),
    "mixed_cell_update_running": (
        "(Tensor(a!)[] running, Tensor alphas, Tensor statistics, str spec, SymInt batch, int[] images, "
        "int[] channels, ScalarType dtype, float momentum, bool skip_zero) -> ()"
    ),
}
# The sizes of what is saved depend on it. As an argument it is part of the key under which compilers keep
# code on disk, so that code of another build is not found.
BUILD = f"{_core.__version__} {_core.simd_path()}"
_INSTEAD = "those of efficient_nas.ops.reference have"


def mixed_cell(
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor] | None,
    spec: str,
    options: Options,
) -> list[Tensor]:
    """The nodes of a cell, through torch's dispatcher; alphas of all edges in one tensor."""
    training, _, momentum, skip_zero = options
    operations = torch.ops.efficient_nas
    nodes, _, statistics = operations.mixed_cell(
        inputs,
        alphas,
        parameters,
        [] if training or running is None else running,
        spec,
        *_but_momentum(options),
        BUILD,
    )
    if training and running:
        operations.mixed_cell_update_running(
            running,
            alphas.detach(),
            statistics,
            spec,
            inputs[0].shape[0],
            [size for x in inputs for size in x.shape[1:]],
            [node.shape[1] for node in nodes],
            nodes[0].dtype,
            momentum,
            skip_zero,
        )
    return list(nodes)


def mixed_cell_backward(
    node_gradients: Sequence[Tensor | None],
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    kept_nodes: Sequence[Tensor],
    saved: Sequence[Tensor],
    statistics: Tensor,
    spec: str,
    options: Options,
    wanted: Sequence[bool],
) -> Gradients:
    """Gradients for inputs, alphas and parameters, through torch's dispatcher."""
    plan = plan_of(cell_of(spec), inputs, parameters)
    of_nodes = [
        inputs[0].new_zeros(inputs[0].shape[0], *node) if gradient is None else gradient
        for gradient, node in zip(node_gradients, plan.nodes, strict=True)
    ]
    of_inputs, of_alphas, of_parameters = torch.ops.efficient_nas.mixed_cell_backward(
        of_nodes,
        inputs,
        alphas,
        parameters,
        kept_nodes,
        saved,
        statistics,
        spec,
        *_but_momentum(options),
        wanted,
    )
    given = iter([*of_inputs, *of_parameters])
    gradients = [next(given) if want else None for want in wanted]
    return Gradients(gradients[: len(inputs)], of_alphas, gradients[len(inputs) :])


def _but_momentum(options: Options) -> tuple[bool, float, bool]:
    return options.training, options.eps, options.skip_zero


# ---- autograd and autocast


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[list[Tensor], list[Tensor], Tensor]) -> None:
    images, alphas, parameters, running, spec, training, eps, skip_zero, _ = inputs
    nodes, saved, statistics = output
    kept_nodes = [nodes[node] for node in plan_of(cell_of(spec), images, parameters).kept_nodes]
    ctx.save_for_backward(alphas, statistics, *images, *parameters, *kept_nodes, *saved)
    ctx.mark_non_differentiable(*saved, statistics)
    ctx.set_materialize_grads(False)
    ctx.sizes = len(images), len(parameters), len(kept_nodes), len(running)
    ctx.spec, ctx.options = spec, Options(training, eps, 0.0, skip_zero)


def _cell_gradients(ctx: Any, node_gradients: Sequence[Tensor | None], *unused: Any) -> Any:
    alphas, statistics, *others = ctx.saved_tensors
    *sizes, num_running = ctx.sizes
    tensors = iter(others)
    inputs, parameters, kept_nodes = (list(islice(tensors, size)) for size in sizes)
    gradients = mixed_cell_backward(
        node_gradients,
        inputs,
        alphas,
        parameters,
        kept_nodes,
        list(tensors),
        statistics,
        ctx.spec,
        ctx.options,
        [*ctx.needs_input_grad[0], *ctx.needs_input_grad[2]],
    )
    return gradients.inputs, gradients.alphas, gradients.parameters, [None] * num_running, *(None,) * 5


def _no_second_derivative(ctx: Any, *gradients: Any) -> Any:
    raise RuntimeError(f"mixed_op and mixed_cell have no second derivative; {_INSTEAD}")


def refuse_forward_mode() -> NoReturn:
    """A RuntimeError: forward-mode differentiation and torch.func would go on without these operations."""
    raise RuntimeError(
        f"mixed_op and mixed_cell have no forward-mode derivative and no torch.func transforms; {_INSTEAD}"
    )


def _autocast(inputs: Sequence[Tensor], *rest: Any) -> Any:
    """Images in autocast's dtype, except float64; the kernels keep parameters in float32."""
    dtype = torch.get_autocast_dtype("cpu")
    images = [x if x.dtype is torch.float64 else x.to(dtype) for x in inputs]
    with torch.autocast("cpu", enabled=False):
        return torch.ops.efficient_nas.mixed_cell(images, *rest)


def _register() -> Any:
    """The three operations; they are registered as long as the library lives."""
    new_library: Any = torch.library.Library  # without types
    library = new_library("efficient_nas", "FRAGMENT")
    parts: dict[str, tuple[Any, Any]] = {
        "mixed_cell": (checked.forward, checked.fake_forward),
        "mixed_cell_backward": (checked.backward, checked.fake_backward),
        "mixed_cell_update_running": (checked.update_running, checked.fake_update_running),
    }
    for name, (kernel, fake) in parts.items():
        library.define(name + _SCHEMAS[name], tags=(torch.Tag.pt2_compliant_tag,))
        library.impl(name, kernel, "CPU")
        torch.library.register_fake(f"efficient_nas::{name}", fake, lib=library)
    register_autograd: Any = torch.library.register_autograd
    register_autograd("efficient_nas::mixed_cell", _cell_gradients, setup_context=_save, lib=library)
    register_autograd("efficient_nas::mixed_cell_backward", _no_second_derivative, lib=library)
    library.impl("mixed_cell", _autocast, "AutocastCPU")
    return library


_library = _register()
