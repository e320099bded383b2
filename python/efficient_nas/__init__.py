"""Hardware-aware neural architecture search for PyTorch with a native C++ core."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from efficient_nas._core import __version__ as __version__

if TYPE_CHECKING:
    from efficient_nas import candidates as candidates
    from efficient_nas import controllers as controllers
    from efficient_nas import devices as devices
    from efficient_nas import evaluators as evaluators
    from efficient_nas import evolution as evolution
    from efficient_nas import export as export
    from efficient_nas import graph as graph
    from efficient_nas import objectives as objectives
    from efficient_nas import ops as ops
    from efficient_nas import pareto as pareto
    from efficient_nas import progressive as progressive
    from efficient_nas import reports as reports
    from efficient_nas import spaces as spaces
    from efficient_nas import supernet as supernet
    from efficient_nas.graph import Architecture as Architecture
    from efficient_nas.graph import ArchNode as ArchNode
    from efficient_nas.installation import build_info as build_info
    from efficient_nas.installation import get_cmake_dir as get_cmake_dir
    from efficient_nas.installation import get_include as get_include
    from efficient_nas.recipes import load_run as load_run
    from efficient_nas.recipes import search as search

# Imported when first used: most of the package needs torch, whose import takes a second or two.
_ROOMS = (
    "candidates",
    "controllers",
    "devices",
    "evaluators",
    "evolution",
    "export",
    "graph",
    "objectives",
    "ops",
    "pareto",
    "progressive",
    "reports",
    "spaces",
    "supernet",
)
_NAMES = {
    "Architecture": "graph",
    "ArchNode": "graph",
    "build_info": "installation",
    "get_cmake_dir": "installation",
    "get_include": "installation",
    "load_run": "recipes",
    "search": "recipes",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"efficient_nas.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"efficient_nas.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'efficient_nas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS, *_NAMES])
