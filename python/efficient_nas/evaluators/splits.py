"""Labelled images, and how a set of them is divided into train, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from efficient_nas._core import random_u64
from efficient_nas.types import derive_seed


class Split(Protocol):
    """Labelled images of one shape: `labels` int64 [n], images by index as uint8 or float32 [b, C, H, W]."""

    @property
    def labels(self) -> Tensor: ...
    def __len__(self) -> int: ...
    def images(self, indices: Tensor) -> Tensor: ...
    def subset(self, indices: Tensor) -> Split: ...


@dataclass(frozen=True, slots=True, eq=False)
class TensorSplit:
    """A split held in memory: pixels uint8 or float32 [n, C, H, W], labels int64 [n]."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: Tensor) -> Tensor:
        return self.pixels[indices]

    def subset(self, indices: Tensor) -> TensorSplit:
        return TensorSplit(self.pixels[indices], self.labels[indices])


@dataclass(frozen=True, slots=True, eq=False)
class DatasetSplit:
    """A split read from a map-style dataset whenever a batch needs it; `rows` int64 [n] into the dataset."""

    dataset: Any
    rows: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: Tensor) -> Tensor:
        return torch.stack([image_tensor(self.dataset[int(row)][0], int(row)) for row in self.rows[indices]])

    def subset(self, indices: Tensor) -> DatasetSplit:
        return DatasetSplit(self.dataset, self.rows[indices], self.labels[indices])


def stratified(labels: Tensor, fraction: float, seed: int, classes: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Indices (kept, taken) of a random division that takes `fraction` (between 0 and 1) of every class.

    At least one image of each class is taken and one kept; a class of a single image is a ValueError. With
    the same seed a larger fraction takes what a smaller one takes, and more. Same on every platform.
    """
    array = labels.numpy()
    taken = np.zeros(len(array), dtype=bool)
    for label, name in enumerate(classes):
        members = np.flatnonzero(array == label)
        if len(members) < 2:
            raise ValueError(f"class {name} has {len(members)} image(s); it needs 2 or more to be divided")
        count = int(np.clip(round(fraction * len(members)), 1, len(members) - 1))
        taken[members[_permutation(len(members), derive_seed(seed, "split", label))[:count]]] = True
    return torch.from_numpy(np.flatnonzero(~taken)), torch.from_numpy(np.flatnonzero(taken))


def _permutation(n: int, seed: int) -> npt.NDArray[np.int64]:
    return np.argsort(random_u64(seed, 0, n), kind="stable")


def image_tensor(image: Any, index: int) -> Tensor:
    """One image as uint8 or float32 [C, H, W].

    Takes a tensor [C, H, W] or [H, W], an ndarray [H, W] or [H, W, C] (torchvision's convention), or a PIL
    image (greyscale stays one channel, everything else becomes RGB). `index` is only named in errors.
    """
    tensor: Tensor = image if isinstance(image, Tensor) else _array_tensor(image, index)
    if tensor.ndim == 2:
        tensor = tensor[None]
    if tensor.ndim != 3 or 0 in tensor.shape:
        raise ValueError(f"image {index} must have shape [C, H, W] or [H, W], got {list(tensor.shape)}")
    if tensor.dtype == torch.uint8:
        return tensor.contiguous()
    if tensor.is_complex():
        raise ValueError(f"image {index} must hold real numbers, got {tensor.dtype}")
    tensor = tensor.to(torch.float32)
    if not torch.isfinite(tensor).all():
        raise ValueError(f"image {index} holds NaN or infinite pixels")
    return tensor.contiguous()


def _array_tensor(image: Any, index: int) -> Tensor:
    if hasattr(image, "convert") and hasattr(image, "mode"):  # PIL, without importing it
        image = np.asarray(image.convert("L" if image.mode in {"L", "1"} else "RGB"))
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"image {index} must be a tensor, an ndarray or a PIL image, got {type(image).__name__}"
        )
    if image.dtype.kind not in "uifb":
        raise TypeError(f"image {index} must hold numbers, got an ndarray of {image.dtype}")
    if image.dtype.kind == "u" and image.dtype != np.uint8:
        image = image.astype(np.float32)
    if image.ndim == 3:
        if image.shape[2] not in {1, 3, 4}:
            raise ValueError(
                f"image {index} must have shape [H, W] or [H, W, C] with 1, 3 or 4 channels as an ndarray, "
                f"got {list(image.shape)}; pass [C, H, W] as a tensor"
            )
        image = image.transpose(2, 0, 1)
    return torch.from_numpy(np.array(image, order="C"))
