"""Real CIFAR-10 images for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(scope="session")
def cifar10_images(data_dir: Path) -> tuple[Any, Any]:
    """40 real training images of each class: uint8 [400, 3, 32, 32] and labels [400], classes in turn.

    Sheets of 10 x 10 images, lossless WebP (SOURCE.md beside them).
    """
    image = pytest.importorskip("PIL.Image")
    if not (data_dir / "cifar10" / "train").is_dir():
        pytest.skip(f"no cifar10 in {data_dir}")
    sheets = []
    for name in CLASSES:
        with image.open(data_dir / "cifar10" / "train" / f"{name}_00.webp") as sheet:
            pixels = np.asarray(sheet.convert("RGB")).reshape(10, 32, 10, 32, 3)
        sheets.append(pixels.transpose(0, 2, 4, 1, 3).reshape(100, 3, 32, 32)[:40])
    return np.stack(sheets, axis=1).reshape(-1, 3, 32, 32), np.tile(np.arange(10), 40)
