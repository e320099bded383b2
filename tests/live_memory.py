"""Memory of real runs: the peak of live activations, which native costs must predict; what autograd keeps."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class LiveStorages(TorchDispatchMode):
    """Sums the storages that are alive; `held` (weights) do not count."""

    def __init__(self, held: list[torch.Tensor]) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.held = {t.untyped_storage()._cdata for t in held}
        self.peak = 0

    def watch(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.held or key in self.live or storage.nbytes() == 0:
            return
        self.live[key] = storage.nbytes()
        weakref.finalize(storage, self.live.pop, key, None)
        self.peak = max(self.peak, sum(self.live.values()))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_flatten(result)[0]:
            if isinstance(value, torch.Tensor):
                self.watch(value)
        return result


def peak_bytes(module: torch.nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Peak of live activations of one image in evaluation mode, the input included, in bytes."""
    module = module.eval()
    images = torch.randn(1, *input_shape)
    tracker = LiveStorages([*module.parameters(), *module.buffers()])
    with torch.no_grad(), tracker:
        tracker.watch(images)
        module(images)
    return tracker.peak


def counted_macs(module: torch.nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Multiply-accumulates of one image in the convolutions and linear layers that really ran."""
    total = 0

    def count(layer: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        positions = output[0].numel() // weight.shape[0]
        total += weight.numel() * positions

    layers = [m for m in module.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        module.eval()(torch.randn(1, *input_shape))
    for handle in handles:
        handle.remove()
    return total


def kept_bytes(run: Callable[[], Any], parameters: Iterable[torch.Tensor]) -> int:
    """Bytes of all memory that autograd keeps between forward and backward, but for the parameters'."""
    known = {tensor.untyped_storage().data_ptr() for tensor in parameters}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in known:
            kept[address] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = run()
    assert result is not None
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
