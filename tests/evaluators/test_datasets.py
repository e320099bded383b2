"""The built-in datasets, on real images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from efficient_nas.evaluators import load_task


def test_digits_are_the_real_ones_in_three_parts() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    task = load_task("digits", seed=1, validation_fraction=0.25)
    sizes = [len(task.train), len(task.validation), len(task.test)]
    assert sum(sizes) == 1797
    assert sizes[2] == pytest.approx(0.2 * 1797, abs=5)
    assert sizes[1] == pytest.approx(0.25 * 0.8 * 1797, abs=5)
    assert (task.input_shape, task.num_classes) == ((1, 8, 8), 10)
    data = datasets.load_digits()
    labels = {
        image.tobytes(): label for image, label in zip(data.images.astype(np.uint8), data.target, strict=True)
    }
    seen = 0
    for split in (task.train, task.validation, task.test):
        for image, label in zip(split.images(torch.arange(len(split))), split.labels, strict=True):
            assert labels[image.numpy().tobytes()] == label
            seen += 1
    assert seen == len(labels) == 1797


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"dataset": "digit"}, "did you mean digits"),
        ({"dataset": "digits", "path": "x"}, "takes no path"),
        ({"dataset": "cifar10"}, "needs a path"),
        ({"dataset": "digits", "image_size": 16}, "image_size is for image_folder"),
        ({"dataset": "digits", "validation_fraction": 0}, "fraction"),
        ({"dataset": "digits", "horizontal_flip": "yes"}, "horizontal_flip"),
        ({"dataset": "image_folder", "path": ".", "image_size": 0}, "image_size"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load_task(**arguments)


# ---- CIFAR-10's binary layout


def write_cifar10(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """images uint8 [n, 3, 32, 32]."""
    records = np.concatenate([labels.astype(np.uint8)[:, None], images.reshape(len(images), -1)], axis=1)
    path.write_bytes(records.tobytes())


def random_cifar10(folder: Path, files: int = 2, images: int = 20) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for name in [f"data_batch_{n + 1}.bin" for n in range(files)] + ["test_batch.bin"]:
        pixels = random.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
        write_cifar10(folder / name, pixels, np.arange(images) % 10)


def test_real_cifar10_images_come_back_pixel_by_pixel(cifar10_images: Any, tmp_path: Path) -> None:
    images, labels = cifar10_images
    half = len(images) // 2
    write_cifar10(tmp_path / "data_batch_1.bin", images[:half], labels[:half])
    write_cifar10(tmp_path / "data_batch_2.bin", images[half:], labels[half:])
    write_cifar10(tmp_path / "test_batch.bin", images[::3], labels[::3])
    task = load_task("cifar10", tmp_path, validation_fraction=0.1)
    assert (task.input_shape, task.num_classes) == ((3, 32, 32), 10)
    expected = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    loaded = {}
    for split in (task.train, task.validation):
        for image, label in zip(split.images(torch.arange(len(split))), split.labels, strict=True):
            loaded[image.numpy().tobytes()] = int(label)
    assert loaded == expected
    assert np.array_equal(task.test.images(torch.arange(len(task.test))).numpy(), images[::3])
    assert np.array_equal(task.test.labels.numpy(), labels[::3])
    assert task.augmentation.crop_padding == 4
    assert task.augmentation.horizontal_flip


def test_cifar10_is_found_in_the_archive_s_own_folder(tmp_path: Path) -> None:
    random_cifar10(tmp_path / "cifar-10-batches-bin")
    assert len(load_task("cifar10", tmp_path).test) == 20


def test_damaged_cifar10_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_task("cifar10", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"lacks data_batch_1.bin, test_batch.bin"):
        load_task("cifar10", tmp_path)
    random_cifar10(tmp_path, files=3)
    whole = (tmp_path / "data_batch_2.bin").read_bytes()
    (tmp_path / "data_batch_2.bin").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"data_batch_2.bin has .* bytes"):
        load_task("cifar10", tmp_path)
    (tmp_path / "data_batch_2.bin").write_bytes(b"\x0b" + whole[1:])
    with pytest.raises(ValueError, match=r"label of image 0 must lie in 0 to 9, got 11"):
        load_task("cifar10", tmp_path)
    (tmp_path / "data_batch_2.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks data_batch_2\.bin"):
        load_task("cifar10", tmp_path)


def test_the_original_cifar10_needs_all_five_files(tmp_path: Path) -> None:
    random_cifar10(tmp_path, files=1, images=10_000)
    with pytest.raises(FileNotFoundError, match=r"lacks data_batch_2\.bin, data_batch_3\.bin"):
        load_task("cifar10", tmp_path)


# ---- image folders


def write_images(
    root: Path, classes: dict[str, int], size: tuple[int, int] = (6, 5), mode: str = "RGB"
) -> None:
    image = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(len(str(root)))
    for name, count in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = random.integers(0, 256, (size[1], size[0], len(mode)), dtype=np.uint8)
            image.fromarray(pixels.squeeze(), mode=None).save(root / name / f"{i:02d}.png")


def test_image_folder_with_train_and_test(tmp_path: Path) -> None:
    from PIL import Image

    write_images(tmp_path / "train", {"cat": 10, "dog": 6})
    write_images(tmp_path / "test", {"cat": 3, "dog": 4})
    (tmp_path / "train" / "cat" / "notes.txt").write_text("not an image")
    task = load_task("image_folder", tmp_path, validation_fraction=0.5)
    assert (len(task.train), len(task.validation), len(task.test)) == (8, 8, 7)
    assert task.input_shape == (3, 5, 6)
    assert task.test.labels.tolist() == [0] * 3 + [1] * 4
    first = np.asarray(Image.open(tmp_path / "test" / "cat" / "00.png")).transpose(2, 0, 1)
    assert np.array_equal(task.test.images(torch.tensor([0]))[0].numpy(), first)


def test_image_folder_with_classes_only_and_resizing(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 10}, mode="L")
    write_images(tmp_path, {"b": 10}, size=(9, 4), mode="L")
    with pytest.raises(ValueError, match="set image_size"):
        load_task("image_folder", tmp_path)
    task = load_task("image_folder", tmp_path, image_size=8)
    assert task.input_shape == (1, 8, 8)
    assert (len(task.train), len(task.validation), len(task.test)) == (12, 4, 4)


def test_image_folder_with_its_own_validation(tmp_path: Path) -> None:
    write_images(tmp_path / "train", {"a": 10, "b": 10})
    write_images(tmp_path / "val", {"a": 2, "b": 1})
    task = load_task("image_folder", tmp_path)
    assert (len(task.train), len(task.validation), len(task.test)) == (16, 3, 4)


def test_damaged_image_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_task("image_folder", tmp_path / "none")
    with pytest.raises(ValueError, match="folder per class"):
        load_task("image_folder", tmp_path)
    write_images(tmp_path / "train", {"a": 4, "b": 4})
    write_images(tmp_path / "test", {"c": 1})
    with pytest.raises(ValueError, match="class 'c', which train does not have"):
        load_task("image_folder", tmp_path)
    (tmp_path / "test" / "c").rename(tmp_path / "test" / "a")
    with pytest.raises(ValueError, match="class 'b' has no image"):
        load_task("image_folder", tmp_path)
    write_images(tmp_path / "test", {"b": 1})
    broken = tmp_path / "train" / "a" / "01.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"01\.png is (damaged|no readable image)"):
        load_task("image_folder", tmp_path)
    broken.write_bytes(b"no image at all")
    with pytest.raises(ValueError, match=r"01\.png is no readable image"):
        load_task("image_folder", tmp_path)
