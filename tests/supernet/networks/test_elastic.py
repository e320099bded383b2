"""Elastic supernets: which parts smaller architectures have, and the stages in which they open."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from path_networks import MBCONV, elastic, images
from torch.nn import functional

from efficient_nas.supernet import Elastic, Sandwich, progressive_shrinking


def test_smaller_kernels_are_transformed_centres() -> None:
    """By hand: 7x7 -> centre 5x5 times a matrix -> centre 3x3 of that times another."""
    network = elastic()
    layer = network.layers[0]
    largest, _ = Sandwich(MBCONV, 0).paths(0)
    genotype = largest.copy()
    genotype[MBCONV.index("stage1/layer1/kernel")] = 0
    seven = network.subnet_state(largest)["operations.2.body.3.weight"]
    three = network.subnet_state(genotype)["operations.2.body.3.weight"]
    five = (seven[:, 0, 1:6, 1:6].flatten(1) @ layer.transforms["5"].T).view(-1, 5, 5)
    expected = (five[:, 1:4, 1:4].flatten(1) @ layer.transforms["3"].T).view(-1, 1, 3, 3)
    torch.testing.assert_close(three, expected.detach())


def test_untrained_transformations_are_the_identity() -> None:
    network = Elastic(MBCONV, (3, 16, 16), 5)
    largest, smallest = (network.subnet_state(path) for path in Sandwich(MBCONV, 0).paths(0))
    # Without expansion the depthwise convolution comes first: the first 4 of 12 channels, 3x3 of 7x7 pixels.
    assert torch.equal(
        smallest["operations.2.body.0.weight"], largest["operations.2.body.3.weight"][:4, :, 2:5, 2:5]
    )


def test_narrower_layers_have_the_first_channels() -> None:
    network = elastic()
    largest, smallest = (network.subnet_state(path) for path in Sandwich(MBCONV, 0).paths(0))
    # Stage 1: 4 and 6 channels out, 12 and 4 hidden ones.
    assert torch.equal(smallest["operations.2.body.3.weight"], largest["operations.2.body.6.weight"][:4, :4])
    assert torch.equal(
        smallest["operations.2.body.4.running_var"], largest["operations.2.body.7.running_var"][:4]
    )
    # The head takes 6 of 10 channels.
    head, whole = smallest["operations.4.0.weight"], largest["operations.7.0.weight"]
    assert head.shape[1] == 6
    assert torch.equal(head, whole[:, :6])


def test_gradients_reach_the_transformations_of_the_kernels_in_use() -> None:
    network = elastic()
    largest, smallest = Sandwich(MBCONV, 0).paths(0)
    network.set_path(smallest)
    functional.cross_entropy(network(images(4)), torch.arange(4)).backward()
    transforms = network.layers[0].transforms
    assert all(transforms[size].grad.abs().sum() > 0 for size in ("3", "5"))
    network.zero_grad()
    network.set_path(largest)
    functional.cross_entropy(network(images(4)), torch.arange(4)).backward()
    assert all(transforms[size].grad is None for size in ("3", "5"))


def test_progressive_shrinking_opens_from_the_largest_to_all() -> None:
    untils, stages = zip(*progressive_shrinking(MBCONV), strict=True)
    assert untils == pytest.approx([i / 7 for i in range(1, 8)])
    assert untils[-1] == 1
    largest, smallest = Sandwich(MBCONV, 0).paths(0)
    assert stages[0].size == 1
    np.testing.assert_array_equal(stages[0].sample(1, 0)[0], largest)
    for before, after in pairwise(stages):
        assert before.size < after.size
        assert after.validate(before.sample(50, 1)).all()
        assert after.base is MBCONV
    assert stages[-1].allowed == MBCONV.allowed
    assert stages[-1].validate(smallest[None]).all()

    def opened(role: str) -> list[int]:
        columns = [i for i, choice in enumerate(MBCONV.choices) if choice.role == role]
        return [max(len(stage.allowed[column]) for column in columns) for stage in stages]

    assert opened("kernel") == [1, 3, 3, 3, 3, 3, 3]
    assert opened("depth") == [1, 1, 2, 3, 3, 3, 3]
    assert opened("expansion") == [1, 1, 1, 1, 2, 2, 2]
    assert opened("width") == [1, 1, 1, 1, 1, 2, 3]


@pytest.mark.parametrize("count", [1, 2])
def test_stages_of_a_restricted_space_stay_inside(count: int) -> None:
    space = MBCONV.keep({"stage1/width": [4, 6][:count], "stage2/depth": [1, 2]})
    stages = [stage for _, stage in progressive_shrinking(space)]
    assert stages[-1].allowed == space.allowed
    assert all(space.validate(stage.sample(20, 0)).all() for stage in stages)
