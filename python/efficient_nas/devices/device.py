"""Which device, how many threads, and what the machine is."""

from __future__ import annotations

import gc
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from efficient_nas.threads import fixed_threads


def resolve(device: str | torch.device) -> torch.device:
    """The torch device of a name. ValueError for a device that this build of torch or this machine lacks."""
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device must be cpu or cuda[:N], got {device!r}") from error
    if resolved.type == "cpu":
        return torch.device("cpu")
    if resolved.type != "cuda":
        raise ValueError(f"device must be cpu or cuda[:N], got {device!r}")
    if not torch.cuda.is_available():
        raise ValueError(f"device {device!r}: torch {torch.__version__} sees no CUDA GPU on this machine")
    if (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {device!r}: torch sees {torch.cuda.device_count()} CUDA GPU(s) only")
    return torch.device("cuda", resolved.index or 0)


def describe(device: str | torch.device = "cpu") -> dict[str, Any]:
    """The device and what measures it as JSON values: name, CPU, cores, torch's threads, versions, system."""
    resolved = resolve(device)
    cpu = _cpu_name()
    name = cpu if resolved.type == "cpu" else torch.cuda.get_device_name(resolved)
    return {
        "device": str(resolved),
        "name": name,
        "cpu": cpu,
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def quiet_measurement(threads: int) -> Iterator[None]:
    """Fixed threads, inference mode, no garbage collection in a timing, a settled allocator."""
    collecting = gc.isenabled()
    _settle_allocator()
    gc.collect()
    gc.disable()
    try:
        with fixed_threads(threads), torch.inference_mode():
            yield
    finally:
        if collecting:
            gc.enable()


def _settle_allocator() -> None:
    """Brings glibc's malloc into the state of a process that has run for a while.

    Freeing one large block raises its limits for handing memory back (to 32 and 64 MiB, as high as they go).
    Before, whether a tensor of 100 kB to 32 MB costs page faults at every call depends on what the process
    did earlier: single operators then took up to twice the time that they take inside a network.
    """
    block = torch.empty((32 << 20) - (64 << 10), dtype=torch.uint8)
    del block


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in {"model name", "Model", "Hardware"} and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
