"""How much memory a step keeps and takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor


def kept_bytes(step: Callable[[], object]) -> int:
    """Bytes that autograd keeps from the forward pass of a step, without the parameters."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(storages.values())


def peak_bytes(module: str, name: str) -> int:
    """Resident bytes that a step adds at its peak, in a process of its own: `module.peak_step(name)()`."""
    text = f"import activation_memory, {module}; activation_memory.print_peak({module}.peak_step({name!r}))"
    command = [sys.executable, "-c", text]
    return int(
        subprocess.run(command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True).stdout
    )


def print_peak(step: Callable[[], object]) -> None:
    """Prints by how much a first step raises the peak of this process's resident memory, in bytes."""
    before = _status("VmRSS")
    step()
    print(_status("VmHWM") - before)


def _status(field: str) -> int:
    """Bytes that the kernel reports. (getrusage's peak of a process can be that of its parent.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
