"""Built-in datasets by name: handwritten digits, CIFAR-10's binary files, folders of images or of sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from efficient_nas.checks import integer
from efficient_nas.errors import nearest
from efficient_nas.evaluators.augmentation import Augmentation
from efficient_nas.evaluators.image_folder import read_image_folder
from efficient_nas.evaluators.image_sheets import read_image_sheets
from efficient_nas.evaluators.splits import Split, TensorSplit
from efficient_nas.evaluators.tasks import Task, check_labels, make_task

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_RECORD = 1 + 3 * 32 * 32
CIFAR10_FOLDER = "cifar-10-batches-bin"
CIFAR10_FULL_BATCH = 10_000
SHRUNK_AT_ONCE = 1_000

_DATASETS = ("digits", "cifar10", "image_folder", "image_sheets")


def datasets() -> tuple[str, ...]:
    """Names of the built-in datasets."""
    return _DATASETS


def load_task(
    dataset: str,
    path: str | Path | None = None,
    *,
    seed: int = 0,
    validation_fraction: float = 0.2,
    test_fraction: float | None = None,
    image_size: int | None = None,
    crop_padding: int | None = None,
    horizontal_flip: bool | None = None,
    cutout: int = 0,
    shrink: int = 1,
) -> Task:
    """A built-in dataset as a task.

    dataset: `digits` (scikit-learn's 1,797 images of 8 x 8; no path), `cifar10` (path: the folder of
        data_batch_N.bin and test_batch.bin, or its parent), `image_folder` (path: `train/<class>/*.png` with
        `validation/` and `test/` beside it if they exist, or `<class>/*.png`), `image_sheets` (path:
        `train/<class>_<number>.png` and perhaps `test/`, each file a grid of images of `image_size`).
    seed: of the division into train, validation and test; stratified. validation_fraction is a share of the
        images that are not test. test_fraction: 0.2 unless given, only where the dataset has no test split.
    image_size: every image of `image_folder` is resized to this square; of `image_sheets` it is one.
    crop_padding, horizontal_flip: augmentation of training batches; None is the dataset's usual one
        (CIFAR-10: 4 and True; others: none). cutout: side of a random square that is blanked.
    shrink: squares of so many pixels become one, their mean; height and width must divide by it. Augmentation
        comes after it.
    ValueError or FileNotFoundError for wrong arguments, missing or damaged files.
    """
    if dataset not in _DATASETS:
        hint = nearest(str(dataset), _DATASETS)
        raise ValueError(f"dataset must be one of {', '.join(_DATASETS)}, got {dataset!r}{hint}")
    if (path is None) != (dataset == "digits"):
        need = "takes no path" if dataset == "digits" else "needs a path"
        raise ValueError(f"dataset {dataset} {need}, got path={path!r}")
    if image_size is not None and not dataset.startswith("image_"):
        raise ValueError(f"image_size is for image_folder and image_sheets only, not for {dataset}")
    integer("shrink", shrink)
    validation: Split | None = None
    test: Split | None = None
    train: Split
    usual = Augmentation()
    if dataset == "digits":
        train, classes = _digits(), [str(digit) for digit in range(10)]
    elif dataset == "cifar10":
        train, test = _cifar10(Path(str(path)))
        classes, usual = list(CIFAR10_CLASSES), Augmentation(4, True)
    elif dataset == "image_sheets":
        if image_size is None:
            raise ValueError("dataset image_sheets needs image_size: the side of one image in pixels")
        train, test, classes = read_image_sheets(Path(str(path)), image_size)
    else:
        train, validation, test, classes = read_image_folder(Path(str(path)), image_size)
    if shrink > 1:
        train = _shrunk(train, shrink, dataset)
        validation = validation and _shrunk(validation, shrink, dataset)
        test = test and _shrunk(test, shrink, dataset)
    return make_task(
        dataset,
        train,
        test,
        classes,
        seed=seed,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        validation=validation,
        augmentation=Augmentation(
            usual.crop_padding if crop_padding is None else crop_padding,
            usual.horizontal_flip if horizontal_flip is None else horizontal_flip,
            cutout,
        ),
    )


def _shrunk(split: Split, factor: int, dataset: str) -> Split:
    """The images of a split in 1 / `factor` of their height and width, in the pixels' own dtype."""
    parts: list[Tensor] = []
    for indices in torch.split(torch.arange(len(split)), SHRUNK_AT_ONCE):
        images = split.images(indices)
        height, width = images.shape[-2:]
        if height % factor or width % factor:
            raise ValueError(
                f"dataset {dataset}: shrink must divide the images' {height} x {width} pixels, got {factor}"
            )
        means = functional.avg_pool2d(images.float(), factor)
        parts.append(means if images.is_floating_point() else means.round().to(images.dtype))
    return TensorSplit(torch.cat(parts), split.labels)


def _digits() -> Split:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ValueError(
            "dataset digits needs scikit-learn; install it with: pip install 'efficient-nas[digits]'"
        ) from error
    data = load_digits()
    pixels = torch.from_numpy(data.images.astype(np.uint8))[:, None]
    return TensorSplit(pixels, torch.from_numpy(data.target.astype(np.int64)))


def _cifar10(path: Path) -> tuple[Split, Split]:
    """Train and test images of the binary version (https://www.cs.toronto.edu/~kriz/cifar.html).

    A record is one label byte and 3,072 pixels, channel by channel. A smaller set in the same layout may have
    fewer files; of the original, with its 10,000 records a file, all five are needed.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"dataset cifar10: there is no folder {path}")
    folder = path / CIFAR10_FOLDER if (path / CIFAR10_FOLDER).is_dir() else path
    numbers = [n for n in range(1, 6) if (folder / f"data_batch_{n}.bin").is_file()]
    batches = [_cifar10_file(folder / f"data_batch_{n}.bin") for n in numbers]
    expected = max(numbers, default=1)
    if batches and all(len(labels) == CIFAR10_FULL_BATCH for _, labels in batches):
        expected = 5
    wanted = [f"data_batch_{n}.bin" for n in range(1, expected + 1)] + ["test_batch.bin"]
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"dataset cifar10: {folder} lacks {', '.join(missing)} (the binary version)")
    train = TensorSplit(torch.cat([p for p, _ in batches]), torch.cat([y for _, y in batches]))
    return train, TensorSplit(*_cifar10_file(folder / "test_batch.bin"))


def _cifar10_file(path: Path) -> tuple[Tensor, Tensor]:
    raw = np.fromfile(path, dtype=np.uint8)
    if raw.size == 0 or raw.size % CIFAR10_RECORD:
        raise ValueError(
            f"dataset cifar10: {path} has {raw.size} bytes, no multiple of {CIFAR10_RECORD}; is it truncated?"
        )
    records = torch.from_numpy(raw.reshape(-1, CIFAR10_RECORD))
    labels = records[:, 0].long()
    check_labels(labels, len(CIFAR10_CLASSES), f"dataset cifar10: {path}:")
    return records[:, 1:].reshape(-1, 3, 32, 32).contiguous(), labels
