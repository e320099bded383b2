"""Reads images from sheets: files that each hold a grid of equally large images of one class."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from efficient_nas.checks import integer
from efficient_nas.evaluators.image_folder import SUFFIXES, decode
from efficient_nas.evaluators.splits import Split, TensorSplit
from efficient_nas.evaluators.tasks import check_memory

_NAME = re.compile(r"(?P<label>.+)_\d+")


def read_image_sheets(root: Path, tile: int) -> tuple[Split, Split | None, list[str]]:
    """Train and test splits (test: None where there is no such folder) and the class names, sorted.

    root: holds `train/<class>_<number>.<suffix>` and perhaps `test/` of the same kind. Every file is a grid
        of tile x tile images without gaps, read row by row, in the order of their numbers. Images are RGB.
    """
    integer("image_size", tile)
    if not (root / "train").is_dir():
        raise FileNotFoundError(f"dataset image_sheets: there is no folder {root / 'train'}")
    files = _files(root / "train")
    classes = sorted(files)
    if len(classes) < 2:
        raise ValueError(f"dataset image_sheets: {root / 'train'} must hold sheets of 2 or more classes")
    train = _read(files, classes, tile)
    if not (root / "test").is_dir():
        return train, None, classes
    tested = _files(root / "test")
    if unlike := sorted(set(tested) ^ set(classes)):
        raise ValueError(f"dataset image_sheets: class {unlike[0]!r} is in one of train and test only")
    return train, _read(tested, classes, tile), classes


def _files(folder: Path) -> dict[str, list[Path]]:
    """The sheets of every class by number."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            named = _NAME.fullmatch(path.stem)
            if named is None:
                raise ValueError(f"dataset image_sheets: {path} must be named <class>_<number>{path.suffix}")
            found.setdefault(named["label"], []).append(path)
    return {name: sorted(paths, key=_number) for name, paths in found.items()}


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def _read(files: dict[str, list[Path]], classes: list[str], tile: int) -> Split:
    pixels: list[Tensor] = []
    labels: list[Tensor] = []
    total = sum(map(len, files.values()))
    for label, name in enumerate(classes):
        for path in files[name]:
            sheet = decode(path, 3, None)
            if not pixels:
                check_memory(total, sheet)
            _, height, width = sheet.shape
            if height % tile or width % tile:
                raise ValueError(
                    f"dataset image_sheets: {path} has {width} x {height} pixels, no grid of images of "
                    f"{tile} x {tile} (image_size)"
                )
            grid = sheet.reshape(3, height // tile, tile, width // tile, tile)
            pixels.append(grid.permute(1, 3, 0, 2, 4).reshape(-1, 3, tile, tile))
            labels.append(torch.full((len(pixels[-1]),), label))
    return TensorSplit(torch.cat(pixels), torch.cat(labels))
