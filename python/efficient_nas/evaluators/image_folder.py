"""Reads images from one folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from efficient_nas.checks import integer
from efficient_nas.evaluators.splits import Split, TensorSplit, image_tensor
from efficient_nas.evaluators.tasks import check_memory

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})


def read_image_folder(
    root: Path, image_size: int | None
) -> tuple[Split, Split | None, Split | None, list[str]]:
    """Train, validation and test splits (None where there is no such folder) and the class names, sorted.

    root: holds `train/<class>/` and perhaps `validation/<class>/` (or `val/`) and `test/<class>/`, or
        `<class>/` at once.
    Images become RGB, or one channel if every one of them is greyscale.
    """
    if image_size is not None:
        integer("image_size", image_size)
    if not root.is_dir():
        raise FileNotFoundError(f"dataset image_folder: there is no folder {root}")
    train = root / "train" if (root / "train").is_dir() else root
    parts = {"train": train}
    if train != root:
        others = (("validation", "val"), ("validation", "validation"), ("test", "test"))
        parts |= {part: root / name for part, name in others if (root / name).is_dir()}
    classes = [folder.name for folder in _folders(train)]
    if len(classes) < 2:
        raise ValueError(
            f"dataset image_folder: {train} must hold one folder per class, got {len(classes)} of them"
        )
    files = {part: _files(folder, classes) for part, folder in parts.items()}
    channels = 1 if all(_is_greyscale(path) for listed in files.values() for path, _ in listed) else 3
    splits = {name: _read(listed, channels, image_size) for name, listed in files.items()}
    return splits["train"], splits.get("validation"), splits.get("test"), classes


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _files(part: Path, classes: list[str]) -> list[tuple[Path, int]]:
    unknown = [folder.name for folder in _folders(part) if folder.name not in classes]
    if unknown:
        raise ValueError(f"dataset image_folder: {part} has class {unknown[0]!r}, which train does not have")
    files = []
    for label, name in enumerate(classes):
        images = sorted(p for p in (part / name).rglob("*") if p.suffix.lower() in SUFFIXES)
        if not images:
            raise ValueError(f"dataset image_folder: class {name!r} has no image in {part / name}")
        files += [(path, label) for path in images]
    return files


def _open(path: Path) -> Image:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ValueError(
            "reading images needs pillow; install it with: pip install 'efficient-nas[images]'"
        ) from error
    try:
        return Image.open(path)
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} is no readable image: {error}") from error


def _is_greyscale(path: Path) -> bool:
    with _open(path) as image:
        return image.mode in {"L", "1"}


def _read(files: list[tuple[Path, int]], channels: int, image_size: int | None) -> Split:
    pixels: Any = None
    for i, (path, _) in enumerate(files):
        image = decode(path, channels, image_size)
        if pixels is None:
            check_memory(len(files), image)
            pixels = torch.empty((len(files), *image.shape), dtype=torch.uint8)
        if image.shape != pixels.shape[1:]:
            raise ValueError(
                f"dataset image_folder: {path} has {image.shape[2]} x {image.shape[1]} pixels, {files[0][0]} "
                f"{pixels.shape[3]} x {pixels.shape[2]}; set image_size to resize all of them"
            )
        pixels[i] = image
    return TensorSplit(pixels, torch.tensor([label for _, label in files]))


def decode(path: Path, channels: int, image_size: int | None) -> Tensor:
    """A file as uint8 [channels, H, W], made a square of image_size unless that is None."""
    with _open(path) as image:
        try:
            converted = image.convert("L" if channels == 1 else "RGB")
        except OSError as error:  # truncated data shows only when it is decoded
            raise ValueError(f"{path} is damaged: {error}") from error
    if image_size is not None and converted.size != (image_size, image_size):
        from PIL.Image import Resampling

        converted = converted.resize((image_size, image_size), Resampling.BILINEAR)
    return image_tensor(converted, 0)
