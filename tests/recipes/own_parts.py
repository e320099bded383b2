"""What a user brings: a space, evaluators, a dataset; importable by worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import Dataset

from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.spaces import Choice, Space


def build(
    values: Mapping[str, Any], input_shape: tuple[int, int, int], num_classes: int, width: int = 8
) -> Architecture:
    """A chain of equal layers."""
    nodes = [ArchNode("input", input_shape[0], input_shape[0])]
    nodes.append(ArchNode("conv_bn_relu", input_shape[0], width, kernel_size=3))
    nodes += [ArchNode(values["operation"], width, width)] * values["depth"]
    nodes += [
        ArchNode("global_avg_pool", width, width),
        ArchNode("linear", width, num_classes),
        ArchNode("output", num_classes, num_classes),
    ]
    return Architecture(nodes, [(i, i + 1) for i in range(len(nodes) - 1)], input_shape)


def own_space() -> Space:
    choices = [
        Choice(
            "operation", ["nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "sep_conv_3x3"], role="operation"
        ),
        Choice("depth", [1, 2, 3, 4], role="depth"),
    ]
    return Space(choices, build, name="chain")


def plain_space() -> Space:
    """Without architectures: hyperparameters of whatever the evaluator does."""
    return Space([Choice(f"x{i}", [0, 1, 2, 3]) for i in range(5)], name="plain")


def score(candidate: Any, seed: int) -> float:
    """An accuracy: the larger the options, the better."""
    return float(candidate.genotype.sum()) / 16 - (seed % 7) / 1000


class Scores:
    """Returns several metrics."""

    def __init__(self, bonus: float = 0.0) -> None:
        self.bonus = bonus

    def evaluate(self, candidate: Any, seed: int) -> dict[str, float]:
        return {"accuracy": score(candidate, seed) + self.bonus, "robustness": float(candidate.genotype[0])}


class Stripes(Dataset[tuple[torch.Tensor, int]]):
    """Images whose stripes tell their class."""

    def __init__(self, count: int = 120, classes: int = 3) -> None:
        self.count, self.classes = count, classes

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        label = index % self.classes
        noise = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(index))
        noise[:, :: label + 1] += 1
        return noise, label
