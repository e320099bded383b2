"""Batches of a supernet's training: their order, their images, and that no two parts share one."""

from __future__ import annotations

import pytest
import torch

from efficient_nas import evaluators
from efficient_nas.supernet.data import BatchOrder


def task(images: int = 120, **options: object) -> evaluators.Task:
    """Every image holds its own number in all pixels, so that it can be recognised."""
    pixels = torch.arange(images, dtype=torch.float32)[:, None, None, None].expand(images, 1, 4, 4)
    items = [(pixels[i], i % 4) for i in range(images)]
    return evaluators.task_from_dataset(items, validation_fraction=0.25, **options)


def numbers(images: evaluators.Task, part: object) -> set[int]:
    pixels, _ = part.batch(torch.arange(len(part)), None)
    return {round(value) for value in (pixels * images.std + images.mean)[:, 0, 0, 0].tolist()}


def test_parts_share_no_image_and_leave_the_test_split_alone() -> None:
    made = task()
    data = evaluators.search_data(made)
    parts = [numbers(made, part) for part in (data.weights, data.alphas, data.validation)]
    assert [len(part) for part in parts] == [36, 36, 24]
    test = set(made.test.images(torch.arange(len(made.test)))[:, 0, 0, 0].long().tolist())
    assert len(set.union(*parts, test)) == 120


def test_parts_are_stratified_and_follow_the_seed() -> None:
    made = task()
    one, again, other = (evaluators.search_data(made, seed=seed) for seed in (3, 3, 4))
    _, labels = one.alphas.batch(torch.arange(36), None)
    assert torch.bincount(labels).tolist() == [9, 9, 9, 9]
    assert numbers(made, one.alphas) == numbers(made, again.alphas) != numbers(made, other.alphas)


def test_without_alphas_the_weights_have_every_training_image() -> None:
    data = evaluators.search_data(task(), alpha_fraction=0.0)
    assert (len(data.weights), len(data.alphas)) == (72, 0)


def test_only_batches_with_a_generator_are_augmented() -> None:
    data = evaluators.search_data(task(crop_padding=2))
    indices = torch.arange(8)
    plain, _ = data.weights.batch(indices, None)
    cropped, _ = data.weights.batch(indices, torch.Generator().manual_seed(1))
    again, _ = data.weights.batch(indices, torch.Generator().manual_seed(1))
    assert torch.equal(cropped, again)
    assert not torch.equal(cropped, plain)


@pytest.mark.parametrize("fraction", [1.0, -0.1, "half", True])
def test_a_wrong_fraction_is_named(fraction: object) -> None:
    with pytest.raises(ValueError, match="alpha_fraction must be a number"):
        evaluators.search_data(task(), alpha_fraction=fraction)


def test_a_pass_holds_each_image_once_and_drops_the_incomplete_batch() -> None:
    order = BatchOrder(23, 5, seed=0)
    assert order.batches == 4
    first, second = (torch.cat([order.indices(4 * p + i) for i in range(4)]) for p in (0, 1))
    for drawn in (first, second):
        assert len(set(drawn.tolist())) == 20
        assert set(drawn.tolist()) <= set(range(23))
    assert not torch.equal(first, second)


def test_a_batch_follows_from_seed_and_number_alone() -> None:
    forwards, backwards = BatchOrder(23, 5, seed=7), BatchOrder(23, 5, seed=7)
    expected = [forwards.indices(number) for number in range(12)]
    for number in reversed(range(12)):
        assert torch.equal(backwards.indices(number), expected[number])
    assert not torch.equal(BatchOrder(23, 5, seed=8).indices(0), expected[0])


def test_fewer_images_than_a_batch_make_one_batch_of_all() -> None:
    order = BatchOrder(3, 64, seed=0)
    assert order.batches == 1
    assert sorted(order.indices(5).tolist()) == [0, 1, 2]
    assert BatchOrder(0, 64, seed=0).batches == 0
