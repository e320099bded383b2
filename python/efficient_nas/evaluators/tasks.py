"""A classification task: images split into train, validation and test from the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from efficient_nas.checks import number
from efficient_nas.evaluators.augmentation import Augmentation
from efficient_nas.evaluators.splits import DatasetSplit, Split, TensorSplit, image_tensor, stratified

MEMORY_LIMIT_BYTES = 8 << 30
STATISTICS_IMAGES = 10_000


class Task:
    """Three splits, and how a batch of them becomes the input of a network.

    train, validation, test: `Split`s of one image shape. A search reads train and validation only; test is
    for the one measurement of a finished network. mean, std [C, 1, 1]: of the training images, in the pixels'
    own scale (0 to 255 for uint8); `batch` normalises with them. augmentation: applied to training batches.
    """

    def __init__(
        self,
        train: Split,
        validation: Split,
        test: Split,
        input_shape: Sequence[int],
        num_classes: int,
        name: str,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.train, self.validation, self.test = train, validation, test
        self.input_shape = tuple(input_shape)
        self.num_classes = num_classes
        self.name = name
        self.augmentation = augmentation or Augmentation()
        for part, split in (("train", train), ("validation", validation), ("test", test)):
            self._check(part, split)
        self.mean, self.std = _statistics(train)

    def batch(self, split: Split, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised float32 images [b, C, H, W] and int64 labels [b]."""
        return (split.images(indices).float() - self.mean) / self.std, split.labels[indices]

    def describe(self) -> dict[str, Any]:
        """Plain values that say what the task is, among them the normalisation a deployed network needs."""
        return {
            "name": self.name,
            "input_shape": list(self.input_shape),
            "num_classes": self.num_classes,
            "images": {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)},
            "normalisation": {"mean": self.mean.flatten().tolist(), "std": self.std.flatten().tolist()},
        }

    def _check(self, part: str, split: Split) -> None:
        if len(split) == 0:
            raise ValueError(f"task {self.name}: the {part} split is empty")
        shape = tuple(split.images(torch.zeros(1, dtype=torch.int64)).shape[1:])
        if shape != self.input_shape:
            raise ValueError(f"task {self.name}: {part} images have shape {shape}, not {self.input_shape}")
        check_labels(split.labels, self.num_classes, f"task {self.name}: {part}")


def check_labels(labels: Tensor, num_classes: int, where: str) -> None:
    """ValueError for a label outside 0 to num_classes - 1, naming the first such image."""
    bad = torch.nonzero((labels < 0) | (labels >= num_classes)).flatten()
    if len(bad):
        raise ValueError(
            f"{where} label of image {int(bad[0])} must lie in 0 to {num_classes - 1}, "
            f"got {int(labels[bad[0]])}"
        )


def make_task(
    name: str,
    train: Split,
    test: Split | None,
    classes: Sequence[str],
    *,
    seed: int,
    validation_fraction: float,
    test_fraction: float | None,
    augmentation: Augmentation,
    validation: Split | None = None,
) -> Task:
    """A task of the splits that exist; the others are taken from `train`, stratified and seeded.

    The test split is taken before the validation split and does not depend on `validation_fraction`.
    """
    counts = torch.bincount(train.labels, minlength=len(classes))
    empty = torch.nonzero(counts == 0).flatten()
    if len(empty):
        raise ValueError(f"task {name}: class {classes[int(empty[0])]} has no training image")
    number("validation_fraction", validation_fraction, above=0, below=1)
    if test is None:
        fraction = 0.2 if test_fraction is None else test_fraction
        number("test_fraction", fraction, above=0, below=1)
        kept, taken = stratified(train.labels, fraction, seed, classes)
        train, test = train.subset(kept), train.subset(taken)
    elif test_fraction is not None:
        raise ValueError(f"task {name} has a test split of its own; test_fraction must not be given")
    if validation is None:
        kept, taken = stratified(train.labels, validation_fraction, seed, classes)
        train, validation = train.subset(kept), train.subset(taken)
    shape = tuple(train.images(torch.zeros(1, dtype=torch.int64)).shape[1:])
    return Task(train, validation, test, shape, len(classes), name, augmentation)


def task_from_dataset(
    dataset: Any,
    *,
    name: str = "dataset",
    seed: int = 0,
    validation_fraction: float = 0.2,
    test_fraction: float | None = None,
    num_classes: int | None = None,
    crop_padding: int = 0,
    horizontal_flip: bool = False,
    cutout: int = 0,
    in_memory: bool = True,
) -> Task:
    """A task of any map-style dataset whose items are (image, label).

    dataset: one dataset, from which validation and test are taken (stratified, seeded), or a tuple (train,
        test). Images are tensors [C, H, W] or [H, W], ndarrays [H, W] or [H, W, C], or PIL images, all of one
        shape; labels are ints from 0.
    test_fraction: 0.2 unless given; only where one dataset is given.
    num_classes: one more than the largest label unless given. Every class needs an image.
    crop_padding, horizontal_flip, cutout: augmentation of training batches.
    in_memory: read every item once and keep it; a random transform of the dataset is then drawn only once.
        False reads items whenever a batch needs them.
    """
    augmentation = Augmentation(crop_padding, horizontal_flip, cutout)
    pair = dataset if isinstance(dataset, tuple) else (dataset,)
    if len(pair) not in {1, 2}:
        raise TypeError(f"dataset must be one dataset or a tuple (train, test), got {len(pair)} of them")
    splits = [_read_dataset(part, in_memory) for part in pair]
    if num_classes is None:
        num_classes = max(int(split.labels.max()) for split in splits) + 1
    for split in splits:
        check_labels(split.labels, num_classes, f"task {name}:")
    return make_task(
        name,
        splits[0],
        splits[1] if len(splits) == 2 else None,
        [str(label) for label in range(num_classes)],
        seed=seed,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        augmentation=augmentation,
    )


def _read_dataset(dataset: Any, in_memory: bool) -> Split:
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise TypeError(
            f"dataset must be map-style (with len() and dataset[i]), got {type(dataset).__name__}"
        )
    count = len(dataset)
    if count == 0:
        raise ValueError(f"dataset {type(dataset).__name__} is empty")
    first = image_tensor(_item(dataset, 0)[0], 0)
    if in_memory:
        check_memory(count, first)
    pixels, labels = [], torch.empty(count, dtype=torch.int64)
    for i in range(count):
        image, label = _item(dataset, i)
        tensor = image_tensor(image, i)
        if tensor.shape != first.shape or tensor.dtype != first.dtype:
            raise ValueError(
                f"image {i} is {tensor.dtype} {list(tensor.shape)}, image 0 {first.dtype} "
                f"{list(first.shape)}; "
                "all must be alike (resize and convert them in the dataset)"
            )
        labels[i] = _label(label, i)
        if in_memory:
            pixels.append(tensor)
    return (
        TensorSplit(torch.stack(pixels), labels)
        if in_memory
        else DatasetSplit(dataset, torch.arange(count), labels)
    )


def check_memory(count: int, image: Tensor) -> None:
    """ValueError where `count` such images are more than 8 GiB."""
    needed = count * image.numel() * image.element_size()
    if needed > MEMORY_LIMIT_BYTES:
        raise ValueError(
            f"{count} images of {image.dtype} {list(image.shape)} need {needed / 2**30:.1f} GiB, the limit "
            f"is {MEMORY_LIMIT_BYTES >> 30} GiB; use smaller images or in_memory=False"
        )


def _item(dataset: Any, index: int) -> tuple[Any, Any]:
    item = dataset[index]
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise TypeError(
            f"item {index} of the dataset must be a pair (image, label), got {type(item).__name__}"
        )
    return item[0], item[1]


def _label(label: Any, index: int) -> int:
    if isinstance(label, Tensor) and label.numel() == 1 and not label.is_floating_point():
        label = label.item()
    if isinstance(label, bool) or not hasattr(label, "__index__"):
        raise TypeError(f"label of image {index} must be an int, got {type(label).__name__}")
    return int(label)


def _statistics(train: Split) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel [C, 1, 1] of at most 10,000 evenly spread training images."""
    count = min(len(train), STATISTICS_IMAGES)
    indices = torch.linspace(0, len(train) - 1, count, dtype=torch.float64).round().long()
    total, squares, pixels = torch.zeros(1), torch.zeros(1), 0
    for start in range(0, count, 1_000):
        images = train.images(indices[start : start + 1_000]).double()
        total = total + images.sum((0, 2, 3))
        squares = squares + (images**2).sum((0, 2, 3))
        pixels += images.shape[0] * images.shape[2] * images.shape[3]
    mean = total / pixels
    std = (squares / pixels - mean**2).clamp_min(0).sqrt()
    std = torch.where(std > 0, std, torch.ones_like(std))
    return mean.float()[:, None, None], std.float()[:, None, None]
