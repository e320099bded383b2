"""Fixtures and settings that all tests share."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Workers of pytest-xdist share the cores; tests of threads ask for as many as they need. Torch reads it once.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets: $EFFICIENT_NAS_DATA, or `shared/data` beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EFFICIENT_NAS_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data: set EFFICIENT_NAS_DATA, or put it at {folder}")
    return folder


@pytest.fixture
def unprivileged() -> dict[str, Any]:
    """Arguments for `subprocess.run` that make file permissions count also where tests run as root."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    arguments = {"preexec_fn": _let_permissions_count}
    try:
        subprocess.run([sys.executable, "-c", ""], check=True, **arguments)  # type: ignore[call-overload]
    except subprocess.SubprocessError:
        pytest.skip("runs as root, and its right to write everywhere cannot be dropped")
    return arguments


def _let_permissions_count() -> None:
    """Takes CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from what this process executes next."""
    prctl, drop_from_bounding_set = ctypes.CDLL(None, use_errno=True).prctl, 24
    for capability in (1, 2):
        if prctl(drop_from_bounding_set, capability, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "PR_CAPBSET_DROP")


@pytest.fixture(scope="session")
def cifar10_images(data_dir: Path) -> tuple[Any, Any]:
    """40 real training images of each class: uint8 [400, 3, 32, 32] and labels [400], classes in turn.

    Sheets of 10 x 10 images, lossless WebP (SOURCE.md beside them).
    """
    import numpy as np

    image = pytest.importorskip("PIL.Image")
    if not (data_dir / "cifar10" / "train").is_dir():
        pytest.skip(f"no cifar10 in {data_dir}")
    sheets = []
    for name in CIFAR10_CLASSES:
        with image.open(data_dir / "cifar10" / "train" / f"{name}_00.webp") as sheet:
            pixels = np.asarray(sheet.convert("RGB")).reshape(10, 32, 10, 32, 3)
        sheets.append(pixels.transpose(0, 2, 4, 1, 3).reshape(100, 3, 32, 32)[:40])
    return np.stack(sheets, axis=1).reshape(-1, 3, 32, 32), np.tile(np.arange(10), 40)
