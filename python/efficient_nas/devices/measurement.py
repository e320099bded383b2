"""End-to-end measurement of one network on one device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from efficient_nas.devices.device import quiet_measurement, resolve
from efficient_nas.devices.memory import peak_memory_bytes
from efficient_nas.devices.timing import time_call
from efficient_nas.graph import Architecture
from efficient_nas.threads import check_threads


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one network took on one device.

    latency_ms: median of one forward pass of the whole batch; spread_ms: interquartile range of the repeats
    (`timing.timing_clock` says what counts as time).
    memory_bytes: parameters, buffers and the peak of live tensors, input included.
    energy_mj: None, as this version has no energy meter.
    """

    latency_ms: float
    spread_ms: float
    repeats: int
    memory_bytes: int
    device: str
    threads: int
    batch_size: int
    energy_mj: float | None = None

    @property
    def spread(self) -> float:
        """`spread_ms`."""
        return self.spread_ms


def measure(
    module_or_arch: nn.Module | Architecture,
    input_shape: Sequence[int] | None = None,
    batch_size: int = 1,
    device: str | torch.device = "cpu",
    repeats: int | None = None,
    seconds: float = 0.5,
    threads: int = 1,
) -> Measurement:
    """Latency and memory of a forward pass in evaluation and inference mode, in the module's own dtype.

    input_shape: (C, H, W) of one image; an Architecture brings its own. repeats: how often; None repeats for
    `seconds`, at least 5 times. threads: torch's intra-operator threads, restored afterwards. The module
    comes back as it was: mode, device, buffers. ValueError for a wrong argument or a missing device.
    """
    target = resolve(device)
    check_threads(threads)
    for name, value in (("batch_size", batch_size), ("repeats", repeats)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"measure: {name} must be an int >= 1, got {value!r}")
    if not seconds > 0:
        raise ValueError(f"measure: seconds must be > 0, got {seconds!r}")
    if isinstance(module_or_arch, Architecture):
        shape = tuple(module_or_arch.input_shape)
        if input_shape is not None and tuple(input_shape) != shape:
            raise ValueError(
                f"measure: input_shape must be {shape} as the architecture's, got {tuple(input_shape)}"
            )
        module: nn.Module = module_or_arch.to_pytorch()
    elif isinstance(module_or_arch, nn.Module):
        if input_shape is None:
            raise ValueError("measure: a module needs input_shape (C, H, W)")
        shape, module = tuple(input_shape), module_or_arch
    else:
        raise TypeError(f"measure: needs a module or an Architecture, got {type(module_or_arch).__name__}")
    if not shape or any(isinstance(s, bool) or not isinstance(s, int) or s < 1 for s in shape):
        raise ValueError(f"measure: input_shape must hold ints >= 1, got {shape}")

    module = _on_device(module, target)
    batch = random_batch((batch_size, *shape), _dtype_of(module), target)
    with _evaluation_mode(module), quiet_measurement(threads):
        memory_bytes = peak_memory_bytes(module, batch)
        timing = time_call(lambda: module(batch), target, seconds, repeats)
    return Measurement(
        timing.median_ms, timing.spread_ms, timing.repeats, memory_bytes, str(target), threads, batch_size
    )


def network_call(architecture: Architecture, batch_size: int, device: torch.device) -> Callable[[], object]:
    """A call that runs the architecture's network once, in evaluation mode on random images."""
    module = _on_device(architecture.to_pytorch(), device).eval()
    batch = random_batch((batch_size, *architecture.input_shape), torch.float32, device)
    return lambda: module(batch)


def random_batch(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Standard normal numbers from a generator of its own, so that torch's global one is left alone."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(tuple(shape), generator=generator).to(device=device, dtype=dtype)


def _dtype_of(module: nn.Module) -> torch.dtype:
    return next((p.dtype for p in module.parameters() if p.dtype.is_floating_point), torch.float32)


def _on_device(module: nn.Module, device: torch.device) -> nn.Module:
    if all(t.device == device for t in (*module.parameters(), *module.buffers())):
        return module
    return copy.deepcopy(module).to(device)


@contextmanager
def _evaluation_mode(module: nn.Module) -> Iterator[None]:
    training = [m for m in module.modules() if m.training]
    module.eval()
    try:
        yield
    finally:
        for m in training:
            m.training = True
