"""Division into splits, and what counts as an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas.evaluators.splits import image_tensor, stratified


@given(
    labels=st.lists(st.integers(0, 3), min_size=0, max_size=60),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**40),
)
def test_stratified_takes_the_share_of_every_class(labels: list[int], fraction: float, seed: int) -> None:
    tensor = torch.tensor([*labels, 0, 0, 1, 1, 2, 2, 3, 3])
    kept, taken = stratified(tensor, fraction, seed, "abcd")
    assert sorted([*kept.tolist(), *taken.tolist()]) == list(range(len(tensor)))
    for label in range(4):
        members = int((tensor == label).sum())
        got = int((tensor[taken] == label).sum())
        assert 1 <= got <= members - 1
        assert abs(got - fraction * members) <= 1
    again = stratified(tensor, fraction, seed, "abcd")
    assert torch.equal(again[1], taken)
    larger = stratified(tensor, min(0.99, fraction * 1.5), seed, "abcd")[1]
    assert set(taken.tolist()) <= set(larger.tolist())


def test_another_seed_divides_otherwise() -> None:
    labels = torch.arange(4).repeat(50)
    assert not torch.equal(stratified(labels, 0.5, 0, "abcd")[1], stratified(labels, 0.5, 1, "abcd")[1])


def test_a_class_of_one_image_cannot_be_divided() -> None:
    with pytest.raises(ValueError, match="class b has 1 image"):
        stratified(torch.tensor([0, 0, 1]), 0.5, 0, "ab")


def test_images_of_every_kind_agree() -> None:
    image = pytest.importorskip("PIL.Image")
    array = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    tensor = torch.from_numpy(array.transpose(2, 0, 1).copy())
    assert torch.equal(image_tensor(array, 0), tensor)
    assert torch.equal(image_tensor(tensor, 0), tensor)
    assert torch.equal(image_tensor(image.fromarray(array), 0), tensor)
    assert image_tensor(array[:, :, 0], 0).shape == (1, 4, 5)
    assert image_tensor(array.astype(np.float64) / 255, 0).dtype == torch.float32
    assert image_tensor(image.fromarray(array[:, :, 0]), 0).shape == (1, 4, 5)
    assert image_tensor(image.fromarray(array).quantize(), 0).shape == (
        3,
        4,
        5,
    )  # colours, not indices


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (torch.tensor([[1.0, float("nan")]]), "NaN"),
        (torch.zeros(2, 3, 4, 5), "shape"),
        (torch.zeros(3, 0, 4), "shape"),
        (np.zeros((3, 8, 8)), r"pass \[C, H, W\] as a tensor"),
        (np.array([["a", "b"]]), "numbers"),
        (torch.zeros(2, 2, dtype=torch.complex64), "real"),
        ("image.png", "got str"),
    ],
)
def test_what_is_no_image_is_named(image: object, reason: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"image 7.*{reason}"):
        image_tensor(image, 7)
