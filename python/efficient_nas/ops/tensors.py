"""The tensors of candidate modules, ours or another project's, as the mixed operation takes them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from efficient_nas.ops.fields import checked_stride
from efficient_nas.ops.mixed_spec import MixedOpSpec
from efficient_nas.ops.reference import mixed_op


@dataclass(frozen=True, slots=True)
class MixedOpTensors:
    """Arguments of `mixed_op`: the modules' own tensors, not copies.

    running is None where the norms keep no running statistics. eps and momentum are those of all norms
    (BatchNorm2d's defaults where there is none).
    """

    parameters: list[Tensor]
    running: list[Tensor] | None
    eps: float
    momentum: float


def tensors_of(
    modules: Iterable[nn.Module],
    spec: MixedOpSpec,
    channels: int,
    output_channels: int | None = None,
    stride: int = 1,
) -> MixedOpTensors:
    """What `mixed_op` takes to compute what `modules`, one for each candidate of `spec`, compute.

    channels, output_channels: of the mixed op as a whole, partial channels included. Works by structure: the
    k-th module must own the tensors of the k-th candidate in that order, as the published DARTS, PC-DARTS and
    NAS-Bench-201 modules and ours do. That it also computes the same is tried out on a float64 copy with
    random tensors, in training and in evaluation. The modules are neither changed nor run.
    num_batches_tracked, which has no influence at a fixed momentum, is left to the caller.

    ValueError says which module does not fit and why.
    """
    modules = list(modules)
    if len(modules) != len(spec.candidates):
        raise ValueError(
            f"tensors_of: modules must be {len(spec.candidates)}, one for each candidate, got {len(modules)}"
        )
    for k, module in enumerate(modules):
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"tensors_of: modules[{k}] must be a torch.nn.Module, got {type(module).__name__}"
            )
    stride = checked_stride("tensors_of", stride)
    divisor = spec.channel_divisor
    spec.parameter_shapes(channels, output_channels, stride)  # raises where channels do not fit
    source, target = channels // divisor, (output_channels or channels) // divisor

    found = _Found([], [], [])
    for k, (module, candidate) in enumerate(zip(modules, spec.candidates, strict=True)):
        where = f"tensors_of: modules[{k}] ({type(module).__name__}) is not {candidate.name}"
        single = MixedOpSpec((candidate,))
        own = _tensors(where, module)
        _check_shapes(where, "parameters", own.parameters, single.parameter_shapes(source, target, stride))
        if own.running or not own.norms:
            _check_shapes(where, "buffers", own.running, single.buffer_shapes(source, target, stride))
        _try_out(where, module, single, source, stride)
        found.extend(own)
    kept = {norm.keeps_running for norm in found.norms}
    if len(kept) > 1:
        raise ValueError("tensors_of: modules must all keep running statistics, or none of them; got both")
    settings = {(norm.eps, norm.momentum) for norm in found.norms}
    if len(settings) > 1:
        raise ValueError(
            f"tensors_of: norms must agree in eps and momentum, got {', '.join(map(str, sorted(settings)))}"
        )
    eps, momentum = settings.pop() if settings else (1e-5, 0.1)
    return MixedOpTensors(found.parameters, found.running if kept != {False} else None, eps, momentum)


class _NormSettings(NamedTuple):
    eps: float
    momentum: float
    keeps_running: bool


@dataclass(frozen=True, slots=True)
class _Found:
    parameters: list[Tensor]
    running: list[Tensor]
    norms: list[_NormSettings]

    def extend(self, other: _Found) -> None:
        self.parameters.extend(other.parameters)
        self.running.extend(other.running)
        self.norms.extend(other.norms)


def _tensors(where: str, module: nn.Module) -> _Found:
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    known = {id(buffer) for norm in norms for buffer in norm.buffers(recurse=False)}
    strange = [name for name, buffer in module.named_buffers() if id(buffer) not in known]
    if strange:
        raise ValueError(f"{where}: it has the buffer {strange[0]}")
    running, settings = [], []
    for norm in norms:
        if norm.momentum is None:
            raise ValueError(f"{where}: the momentum of its norms must be a number, got None")
        own = [buffer for buffer in (norm.running_mean, norm.running_var) if buffer is not None]
        running += own
        settings.append(_NormSettings(norm.eps, norm.momentum, bool(own)))
    return _Found(list(module.parameters()), running, settings)


def _check_shapes(where: str, kind: str, tensors: list[Tensor], shapes: tuple[tuple[int, ...], ...]) -> None:
    got = [tuple(tensor.shape) for tensor in tensors]
    if got != list(shapes):
        raise ValueError(f"{where}: its {kind} must have shapes {list(shapes)}, got {got}")


def _try_out(where: str, module: nn.Module, spec: MixedOpSpec, channels: int, stride: int) -> None:
    """Compares a copy of the module to the definition, on random tensors."""
    generator = torch.Generator().manual_seed(0)
    # Even sides, as published modules fail on odd ones at stride 2. Large values reach the bounds of ReLU6.
    x = 10 * torch.randn(2, channels, 6, 4, generator=generator, dtype=torch.float64)
    # The copy may draw random numbers of its own, which must not show in the caller's.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            module = copy.deepcopy(module).double().cpu()
            own = _tensors(where, module)
            for tensor in own.parameters:
                tensor.normal_(generator=generator)
            for tensor in own.running:
                tensor.uniform_(0.1, 2, generator=generator)
            for training in (True, False):
                running = [buffer.clone() for buffer in own.running] if own.running else None
                expected = mixed_op(
                    x,
                    x.new_ones(1),
                    own.parameters,
                    spec,
                    training=training or running is None,
                    running=running,
                    stride=stride,
                    eps=own.norms[0].eps if own.norms else 1e-5,
                    momentum=own.norms[0].momentum if own.norms else 0.1,
                )
                pairs = [(module.train(training)(x), expected), *zip(own.running, running or [], strict=True)]
                if not all(_equal(got, wanted) for got, wanted in pairs):
                    raise ValueError(
                        f"it computes something else in {'training' if training else 'evaluation'}"
                    )
        except Exception as error:
            raise ValueError(f"{where}: {error}") from error


def _equal(got: object, wanted: Tensor) -> bool:
    return (
        isinstance(got, Tensor)
        and got.shape == wanted.shape
        and torch.allclose(got, wanted, rtol=1e-9, atol=1e-9)
    )
