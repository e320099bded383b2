"""Peak memory of a forward pass."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_memory_bytes(module: nn.Module, batch: torch.Tensor) -> int:
    """Bytes of parameters and buffers plus the peak of all tensors alive during `module(batch)`.

    On a GPU the allocator's own peak; on the CPU every tensor that an operator returns counts while its
    storage lives (workspaces inside a kernel are not seen). The input counts. Call it in inference mode.
    """
    if batch.device.type == "cuda":
        torch.cuda.synchronize(batch.device)
        torch.cuda.reset_peak_memory_stats(batch.device)
        module(batch)
        torch.cuda.synchronize(batch.device)
        return int(torch.cuda.max_memory_allocated(batch.device))
    fixed = [*module.parameters(), *module.buffers()]
    for _ in range(2):  # torch's first call in a mode leaves a reference cycle that keeps a tensor alive
        tracker = _LiveTensors(fixed)
        with tracker:
            tracker.add(batch)
            module(batch)
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in fixed}
    return sum(storages.values()) + tracker.peak


class _LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sums the sizes of the storages that operators return, as long as they live."""

    def __init__(self, ignored: list[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._live = 0
        self._seen = {id(t.untyped_storage()): t.untyped_storage() for t in ignored}
        self._watched: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = id(storage), storage.nbytes()
        if key in self._seen or key in self._watched:
            return

        def freed(_: object) -> None:
            self._live -= size
            del self._watched[key]

        self._watched[key] = weakref.ref(storage, freed)
        self._live += size
        self.peak = max(self.peak, self._live)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        returned = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(returned):
            if isinstance(leaf, torch.Tensor):
                self.add(leaf)
        return returned
