"""What is installed and where: versions, build options, C++ headers and the CMake package."""

from __future__ import annotations

from pathlib import Path

import torch

import efficient_nas
from efficient_nas import _core


def _package_folder(name: str, content: str) -> str:
    # An editable install spreads the package over several folders, so all of __path__ is searched.
    for root in efficient_nas.__path__:
        if (Path(root) / name / content).exists():
            return str(Path(root) / name)
    raise FileNotFoundError(f"{name}/{content} is not part of this installation; reinstall efficient-nas")


def get_include() -> str:
    """Folder to add to the include path for `#include <efficient_nas/rng.hpp>` and the other headers."""
    return _package_folder("include", "efficient_nas/rng.hpp")


def get_cmake_dir() -> str:
    """Folder for `-Defficient_nas_DIR=...`, so that `find_package(efficient_nas)` works."""
    return _package_folder("cmake", "efficient_nasConfig.cmake")


def _gpu() -> str:
    if not torch.cuda.is_available():
        return "none: " + (
            "this torch is a CPU build" if torch.version.cuda is None else "no usable NVIDIA driver or device"
        )
    return torch.cuda.get_device_name()


def build_info() -> dict[str, str | bool]:
    """Version, compiler, SIMD path in use, CUDA kernels, torch, and the GPU seen or why none is.

    The environment variable EFFICIENT_NAS_SIMD names another path than the widest one that this CPU runs;
    a name that it cannot run is a ValueError here and in every operation.
    """
    return {
        "version": _core.__version__,
        "compiler": _core.compiler,
        "simd": _core.simd_path(),
        "cuda_kernels": _core.has_cuda_kernels,
        "torch": torch.__version__,
        "gpu": _gpu(),
    }
