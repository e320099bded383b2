"""Images in sheets: grids of equally large images, one class a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from efficient_nas.evaluators import load_task

pytest.importorskip("PIL")


def write_sheet(path: Path, rows: int, columns: int, tile: int, seed: int) -> np.ndarray:
    """A sheet of random pixels; returns its images uint8 [rows * columns, 3, tile, tile]."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(seed).integers(0, 256, (rows, columns, tile, tile, 3), dtype=np.uint8)
    Image.fromarray(images.transpose(0, 2, 1, 3, 4).reshape(rows * tile, columns * tile, 3)).save(path)
    return images.reshape(-1, tile, tile, 3).transpose(0, 3, 1, 2)


def test_images_come_back_row_by_row_in_the_order_of_the_sheets(tmp_path: Path) -> None:
    for number in (10, 9):  # by number, not by name: 9 comes first
        write_sheet(tmp_path / "train" / f"big_cat_{number}.png", 2, 3, 5, seed=number)
    write_sheet(tmp_path / "train" / "dog_0.png", 3, 4, 5, seed=1)
    cats = [write_sheet(tmp_path / "test" / f"big_cat_{n}.png", 2, 3, 5, seed=20 + n) for n in (9, 10)]
    write_sheet(tmp_path / "test" / "dog_0.png", 1, 1, 5, seed=3)
    task = load_task("image_sheets", tmp_path, image_size=5, validation_fraction=0.5)
    assert (len(task.train), len(task.validation), len(task.test)) == (12, 12, 13)
    assert (task.input_shape, task.num_classes) == ((3, 5, 5), 2)
    assert task.test.labels.tolist() == [0] * 12 + [1]
    assert np.array_equal(task.test.images(torch.arange(12)).numpy(), np.concatenate(cats))


def test_without_test_sheets_a_share_of_the_images_is_held_out(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_sheet(tmp_path / "train" / f"{name}_0.png", 5, 4, 3, seed=0)
    task = load_task("image_sheets", tmp_path, image_size=3, validation_fraction=0.25)
    assert (len(task.train), len(task.validation), len(task.test)) == (24, 8, 8)


def test_real_cifar10_sheets(data_dir: Path, cifar10_images: tuple[np.ndarray, np.ndarray]) -> None:
    task = load_task(
        "image_sheets", data_dir / "cifar10", image_size=32, crop_padding=4, horizontal_flip=True
    )
    assert (len(task.train), len(task.validation), len(task.test)) == (40_000, 10_000, 2_000)
    assert task.input_shape == (3, 32, 32) and task.num_classes == 10
    everything = {image.numpy().tobytes() for image in task.train.images(torch.arange(40_000))}
    everything |= {image.numpy().tobytes() for image in task.validation.images(torch.arange(10_000))}
    assert len(everything) == 50_000
    assert all(image.tobytes() in everything for image in cifar10_images[0])
    assert task.mean.flatten().tolist() == pytest.approx([125.3, 123.0, 113.9], abs=1)


def test_what_is_no_grid_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs image_size"):
        load_task("image_sheets", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*train"):
        load_task("image_sheets", tmp_path, image_size=4)
    write_sheet(tmp_path / "train" / "a_0.png", 2, 2, 4, seed=0)
    with pytest.raises(ValueError, match="2 or more classes"):
        load_task("image_sheets", tmp_path, image_size=4)
    write_sheet(tmp_path / "train" / "b_0.png", 2, 2, 4, seed=0)
    with pytest.raises(ValueError, match=r"a_0.png has 8 x 8 pixels, no grid of images of 3 x 3"):
        load_task("image_sheets", tmp_path, image_size=3)
    write_sheet(tmp_path / "test" / "a_0.png", 1, 1, 4, seed=0)
    with pytest.raises(ValueError, match="class 'b' is in one of train and test only"):
        load_task("image_sheets", tmp_path, image_size=4)
    (tmp_path / "train" / "b_0.png").rename(tmp_path / "train" / "b.png")
    with pytest.raises(ValueError, match=r"b\.png must be named <class>_<number>\.png"):
        load_task("image_sheets", tmp_path, image_size=4)


def test_shrunk_images_are_means_of_squares(tmp_path: Path) -> None:
    whole = write_sheet(tmp_path / "test" / "a_0.png", 2, 3, 6, seed=0)
    for name, part in (("a", "train"), ("b", "train"), ("b", "test")):
        write_sheet(tmp_path / part / f"{name}_0.png", 2, 3, 6, seed=1)
    task = load_task("image_sheets", tmp_path, image_size=6, shrink=3, crop_padding=1)
    assert task.input_shape == (3, 2, 2)
    shrunk = task.test.images(torch.arange(6))
    means = whole.reshape(6, 3, 2, 3, 2, 3).mean((3, 5))
    assert shrunk.dtype is torch.uint8 and np.array_equal(shrunk.numpy(), np.round(means))
    assert load_task("digits", shrink=2).input_shape == (1, 4, 4)
    with pytest.raises(ValueError, match="image_sheets: shrink must divide the images' 6 x 6 pixels, got 4"):
        load_task("image_sheets", tmp_path, image_size=6, shrink=4)
    with pytest.raises(ValueError, match="shrink must be an int >= 1, got 0"):
        load_task("digits", shrink=0)
