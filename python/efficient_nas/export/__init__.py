"""Trained networks as files that other runtimes load: ONNX, `torch.export`, and our own folder format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from torch import nn

from efficient_nas.export.network import load_network as load_network
from efficient_nas.export.network import save_network as save_network
from efficient_nas.export.onnx_file import PACKAGES as _ONNX_PACKAGES
from efficient_nas.export.onnx_file import to_onnx as to_onnx
from efficient_nas.export.pt2_file import to_pt2 as to_pt2
from efficient_nas.types import Parity as Parity

Exporter = Callable[[nn.Module, Sequence[int], str | Path], Parity]

EXPORTERS: dict[str, Exporter] = {"onnx": to_onnx, "pt2": to_pt2}
"""Every format by its name, which is also the extension of its files."""


def available() -> tuple[str, ...]:
    """Formats whose packages are installed here; `onnx` needs the extra `export`."""
    has_onnx = all(find_spec(package) for package in _ONNX_PACKAGES)
    return tuple(name for name in EXPORTERS if name != "onnx" or has_onnx)
