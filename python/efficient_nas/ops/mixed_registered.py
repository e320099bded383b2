"""Mixed cells as registered torch operations: schemas, kernels, fake kernels, autograd, autocast."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NoReturn

import torch
from torch import Tensor

from efficient_nas import _core
from efficient_nas.ops import mixed_kernels as kernels
from efficient_nas.ops.cell_arguments import check_mixed_cell
from efficient_nas.ops.depthwise_kernels import STORAGES
from efficient_nas.ops.mixed_plan import Options, Plan, cell_of, check_supported, fits, plan, plan_if_fits

_SCHEMAS = {
    "mixed_cell": (
        "(Tensor[] inputs, Tensor alphas, Tensor[] parameters, Tensor[] running, str spec, bool training, "
        "float eps, bool skip_zero, str build) -> (Tensor[] nodes, Tensor[] saved, Tensor statistics)"
    ),
    "mixed_cell_backward": (
        "(Tensor[] node_gradients, Tensor[] inputs, Tensor alphas, Tensor[] parameters, Tensor[] nodes, "
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
    nodes: Sequence[Tensor],
    saved: Sequence[Tensor],
    statistics: Tensor,
    spec: str,
    options: Options,
    wanted: Sequence[bool],
) -> kernels.Gradients:
    """Gradients for inputs, alphas and parameters, through torch's dispatcher."""
    of_nodes = [
        torch.zeros_like(node) if gradient is None else gradient
        for gradient, node in zip(node_gradients, nodes, strict=True)
    ]
    of_inputs, of_alphas, of_parameters = torch.ops.efficient_nas.mixed_cell_backward(
        of_nodes,
        inputs,
        alphas,
        parameters,
        nodes,
        saved,
        statistics,
        spec,
        *_but_momentum(options),
        wanted,
    )
    given = iter([*of_inputs, *of_parameters])
    gradients = [next(given) if want else None for want in wanted]
    return kernels.Gradients(gradients[: len(inputs)], of_alphas, gradients[len(inputs) :])


def _but_momentum(options: Options) -> tuple[bool, float, bool]:
    return options.training, options.eps, options.skip_zero


# ---- CPU and fake kernels. Parameters and running statistics may have another dtype than images (autocast).


def _checked(
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor],
    spec: str,
    options: Options,
) -> Plan:
    """The plan; ValueError or TypeError unless the tensors fit it."""
    cell = cell_of(spec)
    found = plan_if_fits(inputs, alphas, parameters, running, cell, same_dtype=False)
    if (
        found is not None
        and alphas.ndim == 1
        and len(running) == len([] if options.training else found.shapes.buffers)
    ):
        return found
    # Says what is wrong, in the words of the public function.
    check_supported("mixed_cell", [*inputs, alphas, *parameters, *running])
    counts = [len(edge.spec.candidates) for edge in cell.edges]
    weights = torch.split(alphas, counts) if alphas.shape == (sum(counts),) else alphas
    buffers = None if options.training else running
    training, eps, momentum, skip_zero = options
    check_mixed_cell(
        "mixed_cell", inputs, weights, parameters, cell, training, buffers, eps, momentum, skip_zero
    )
    raise ValueError("mixed_cell: alphas must be one tensor [K of all edges], and running [] in training")


def _kernel(
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor],
    spec: str,
    training: bool,
    eps: float,
    skip_zero: bool,
    build: str,
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    options = Options(training, eps, 0.0, skip_zero)
    found = _checked(inputs, alphas, parameters, running, spec, options)
    # Then not all is written, and the results of an operation must not be what memory held.
    clear = skip_zero or inputs[0].dtype is torch.float64
    return kernels.forward(found, inputs, alphas, parameters, running, options, clear=clear)[:3]


def _fake(
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor],
    spec: str,
    training: bool,
    eps: float,
    skip_zero: bool,
    build: str,
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    options = Options(training, eps, 0.0, skip_zero)
    return kernels.empty_nodes(_checked(inputs, alphas, parameters, running, spec, options), inputs[0])


def _backward_kernel(
    node_gradients: Sequence[Tensor],
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    nodes: Sequence[Tensor],
    saved: Sequence[Tensor],
    statistics: Tensor,
    spec: str,
    training: bool,
    eps: float,
    skip_zero: bool,
    wanted: Sequence[bool],
) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    # Of running statistics only the first pass needs the values.
    options = Options(training, eps, 0.0, skip_zero)
    found = _checked(inputs, alphas, parameters, [], spec, options._replace(training=True))
    x = inputs[0]
    images = [(len(x), *node) for node in found.nodes]
    if not (
        fits(node_gradients, images, x, same_dtype=True)
        and fits(nodes, images, x, same_dtype=True)
        and fits(saved, [(len(x), count) for count in found.saved_elements], x, same_dtype=True)
        and fits([statistics], [(found.statistics_size,)], x, same_dtype=False)
        and statistics.dtype is torch.float64
        and len(wanted) == len(inputs) + len(parameters)
    ):
        raise ValueError("mixed_cell_backward: tensors must be those of a call of mixed_cell, got others")
    gradients = kernels.backward(
        found, node_gradients, inputs, alphas, parameters, nodes, saved, statistics, options, wanted
    )
    return _given(gradients.inputs), gradients.alphas, _given(gradients.parameters)


def _fake_backward(
    node_gradients: Sequence[Tensor],
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    *rest: Any,
) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    wanted = rest[-1]
    of_inputs = [
        torch.empty_like(x, memory_format=torch.channels_last)
        for x, want in zip(inputs, wanted[: len(inputs)], strict=True)
        if want
    ]
    of_parameters = [
        torch.empty_like(p, memory_format=torch.contiguous_format)
        for p, want in zip(parameters, wanted[len(inputs) :], strict=True)
        if want
    ]
    return of_inputs, torch.empty_like(alphas, memory_format=torch.contiguous_format), of_parameters


def _given(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [gradient for gradient in gradients if gradient is not None]


def _update_kernel(
    running: Sequence[Tensor],
    alphas: Tensor,
    statistics: Tensor,
    spec: str,
    batch: int,
    images: Sequence[int],
    channels: Sequence[int],
    dtype: torch.dtype,
    momentum: float,
    skip_zero: bool,
) -> None:
    cell = cell_of(spec)
    sizes = zip(images[::3], images[1::3], images[2::3], strict=True)
    found = plan(cell, tuple(sizes), tuple(channels))
    if not (
        fits(running, found.shapes.buffers, statistics, same_dtype=False)
        and fits([statistics], [(found.statistics_size,)], statistics, same_dtype=True)
        and fits([alphas], [(found.alphas,)], statistics, same_dtype=False)
        and statistics.dtype is torch.float64
        and dtype in STORAGES
    ):
        raise ValueError(
            "mixed_cell_update_running: tensors must be those of a call of mixed_cell, got others"
        )
    options = Options(True, 1.0, momentum, skip_zero)
    kernels.update_running(found, batch, dtype, running, alphas, statistics, options)


def _fake_update(*arguments: Any) -> None:
    """Changes values only."""


# ---- autograd and autocast


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[list[Tensor], list[Tensor], Tensor]) -> None:
    images, alphas, parameters, running, spec, training, eps, skip_zero, _ = inputs
    nodes, saved, statistics = output
    ctx.save_for_backward(alphas, statistics, *images, *parameters, *nodes, *saved)
    ctx.mark_non_differentiable(*saved, statistics)
    ctx.set_materialize_grads(False)
    ctx.sizes = len(images), len(parameters), len(nodes), len(running)
    ctx.spec, ctx.options = spec, Options(training, eps, 0.0, skip_zero)


def _cell_gradients(ctx: Any, node_gradients: Sequence[Tensor | None], *unused: Any) -> Any:
    alphas, statistics, *others = ctx.saved_tensors
    *sizes, num_running = ctx.sizes
    tensors = iter(others)
    inputs, parameters, nodes = (list(islice(tensors, size)) for size in sizes)
    gradients = mixed_cell_backward(
        node_gradients,
        inputs,
        alphas,
        parameters,
        nodes,
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
        "mixed_cell": (_kernel, _fake),
        "mixed_cell_backward": (_backward_kernel, _fake_backward),
        "mixed_cell_update_running": (_update_kernel, _fake_update),
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
