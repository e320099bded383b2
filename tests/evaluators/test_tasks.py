"""Tasks made of any dataset."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from efficient_nas.evaluators import Augmentation, Split, Task, TensorSplit, task_from_dataset


def pixels(split: Split) -> torch.Tensor:
    return split.images(torch.arange(len(split)))


class Numbered(Dataset[Any]):
    """Image i holds the number i everywhere; label i % classes."""

    def __init__(self, count: int = 60, classes: int = 3) -> None:
        self.count, self.classes, self.reads = count, classes, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        return torch.full((1, 4, 6), float(index)), index % self.classes


def test_one_dataset_is_split_into_three_disjoint_parts() -> None:
    task = task_from_dataset(Numbered(), validation_fraction=0.25, test_fraction=0.2, seed=3)
    parts = [set(pixels(s)[:, 0, 0, 0].tolist()) for s in (task.train, task.validation, task.test)]
    assert [len(p) for p in parts] == [36, 12, 12]
    assert set.union(*parts) == set(range(60))
    assert (task.input_shape, task.num_classes) == ((1, 4, 6), 3)
    for split in (task.train, task.validation, task.test):
        assert torch.equal(split.labels, pixels(split)[:, 0, 0, 0].long() % 3)


def test_the_test_split_does_not_depend_on_the_validation_fraction() -> None:
    a, b = (task_from_dataset(Numbered(), validation_fraction=v) for v in (0.1, 0.5))
    assert torch.equal(pixels(a.test), pixels(b.test))


def test_a_pair_keeps_its_test_set() -> None:
    task = task_from_dataset((Numbered(), Numbered(9)))
    assert sorted(pixels(task.test)[:, 0, 0, 0].tolist()) == list(range(9))
    assert len(task.train) + len(task.validation) == 60
    with pytest.raises(ValueError, match="test_fraction"):
        task_from_dataset((Numbered(), Numbered(9)), test_fraction=0.2)


def test_reading_when_needed_gives_the_same_task() -> None:
    dataset = Numbered()
    kept, read = task_from_dataset(dataset), task_from_dataset(dataset, in_memory=False)
    before = dataset.reads
    for a, b in ((kept.train, read.train), (kept.validation, read.validation), (kept.test, read.test)):
        assert torch.equal(pixels(a), pixels(b))
        assert torch.equal(a.labels, b.labels)
    assert dataset.reads == before + 60
    assert torch.equal(kept.mean, read.mean)


def test_batches_are_normalised_by_the_training_images() -> None:
    task = task_from_dataset(TensorDataset(torch.randn(200, 3, 5, 5) * 7 + 3, torch.arange(200) % 2))
    images, _ = task.batch(task.train, torch.arange(len(task.train)))
    assert torch.allclose(images.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(images.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4)
    flat = task_from_dataset(TensorDataset(torch.ones(20, 1, 2, 2), torch.arange(20) % 2))
    assert torch.isfinite(flat.batch(flat.train, torch.tensor([0]))[0]).all()


def test_a_task_survives_pickling() -> None:
    task = task_from_dataset(Numbered(), crop_padding=1)
    other = pickle.loads(pickle.dumps(task))
    assert torch.equal(pixels(other.train), pixels(task.train))
    assert other.describe() == task.describe()
    assert other.augmentation == Augmentation(1)


def labelled(*labels: Any) -> list[tuple[torch.Tensor, Any]]:
    return [(torch.zeros(1, 2, 2), label) for label in labels]


@pytest.mark.parametrize(
    ("dataset", "options", "reason"),
    [
        (labelled(0, 0, 0, 2, 2, 2), {}, "class 1 has no training image"),
        (labelled(0, 0, 1, 1, 5, 5), {"num_classes": 3}, "label of image 4 must lie in 0 to 2, got 5"),
        (labelled(0, 0, -1, 1), {}, "got -1"),
        (labelled(0, 0, 1), {}, "class 1 has 1 image"),
        (labelled(0, 0.5), {}, "label of image 1 must be an int, got float"),
        (labelled(0, True), {}, "got bool"),
        ([*labelled(0, 0), (torch.zeros(1, 3, 3), 1)], {}, "image 2 is"),
        ([torch.zeros(1, 2, 2)], {}, r"pair \(image, label\)"),
        ([], {}, "empty"),
        (labelled(0, 1) * 8, {"validation_fraction": 1.0}, "validation_fraction must"),
        (labelled(0, 1) * 8, {"test_fraction": float("nan")}, "test_fraction must be a number > 0 and < 1"),
        (labelled(0, 1) * 8, {"crop_padding": -1}, "crop_padding"),
        (([], [], []), {}, "tuple"),
        (object(), {}, "map-style"),
    ],
)
def test_wrong_datasets_are_refused(dataset: Any, options: dict[str, Any], reason: str) -> None:
    with pytest.raises((ValueError, TypeError), match=reason):
        task_from_dataset(dataset, **options)


def test_an_iterable_dataset_is_refused() -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter([])

    with pytest.raises(TypeError, match="map-style"):
        task_from_dataset(Stream())


def test_too_many_images_for_memory_are_refused_before_they_are_read() -> None:
    dataset = Numbered(10**9)
    with pytest.raises(ValueError, match="GiB"):
        task_from_dataset(dataset)
    assert dataset.reads == 1


def test_splits_of_another_shape_are_refused() -> None:
    split = TensorSplit(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 0, 1]))
    other = TensorSplit(torch.zeros(4, 3, 8, 8), torch.tensor([0, 1, 0, 1]))
    with pytest.raises(ValueError, match="test images have shape"):
        Task(split, split, other, (1, 8, 8), 2, "mixed")
    with pytest.raises(ValueError, match="validation split is empty"):
        Task(split, split.subset(torch.arange(0)), split, (1, 8, 8), 2, "mixed")


def test_augmentation_shifts_and_mirrors_whole_images() -> None:
    images = torch.arange(1.0, 26.0).reshape(1, 1, 5, 5).repeat(400, 1, 1, 1)
    out = Augmentation(crop_padding=1, horizontal_flip=True)(images, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images[:1], (1, 1, 1, 1))
    crops = [padded[0, 0, i : i + 5, j : j + 5] for i in range(3) for j in range(3)]
    expected = {tuple(c.flatten().tolist()) for crop in crops for c in (crop, crop.flip(1))}
    assert {tuple(image.flatten().tolist()) for image in out} == expected
    again = Augmentation(crop_padding=1, horizontal_flip=True)(images, torch.Generator().manual_seed(0))
    assert torch.equal(out, again)
    assert torch.equal(Augmentation()(images, torch.Generator()), images)


def test_cutout_blanks_one_square_of_each_image() -> None:
    images = torch.ones(300, 2, 6, 8)
    out = Augmentation(cutout=3)(images, torch.Generator().manual_seed(0))
    assert torch.equal(out[:, 0], out[:, 1]) and torch.equal(images, torch.ones_like(images))
    blank = out[:, 0] == 0
    heights, widths = blank.any(2).sum(1), blank.any(1).sum(1)
    assert torch.equal(blank.sum((1, 2)), heights * widths)  # a rectangle
    assert heights.unique().tolist() == widths.unique().tolist() == [2, 3]  # cut off at the borders
    assert torch.equal(blank[:, 1:-1].any(0), torch.ones(4, 8, dtype=torch.bool))
    centred = (heights == 3) & (widths == 3)
    assert 0.3 < centred.float().mean() < 0.7  # 4/6 * 6/8 of the centres
    assert torch.equal(out, Augmentation(cutout=3)(images, torch.Generator().manual_seed(0)))
