"""Searches on a dataset of one's own: any map-style `torch.utils.data.Dataset` of (image, label).

Here: is a handwritten digit even or odd? The dataset is split into train, validation and test by the library;
the search never sees the test images.

    python examples/custom_dataset.py [OUTPUT FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch.utils.data import Dataset

import efficient_nas as nas


class EvenDigits(Dataset[tuple[torch.Tensor, int]]):
    """scikit-learn's digits as uint8 [1, 8, 8] with label 1 where the digit is even."""

    def __init__(self, count: int = 600) -> None:
        data = load_digits()
        self.images = torch.from_numpy(data.images[:count]).to(torch.uint8)[:, None]
        self.even = [int(digit % 2 == 0) for digit in data.target[:count]]

    def __len__(self) -> int:
        return len(self.even)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.images[index], self.even[index]


def main(output: Path) -> None:
    result = nas.search(
        {
            "space": {"name": "nasbench201", "macro": {"channels": 4, "cells_per_stage": 1}},
            "evaluator": {"kind": "trained", "epochs": 2, "batch_size": 32},
            "objective": {"kind": "pareto", "maximize": ["accuracy"], "minimize": ["macs"]},
            "controller": {"kind": "random"},
            "budget": {"trials": 6},
            "final": {"top": 1, "epochs": 4},
        },
        output=output,
        dataset=EvenDigits(),
    )
    network = result.best.load()
    print(f"best cell {result.best.text}")
    print(f"test accuracy {result.best.measured['test_accuracy']:.3f}")
    print(f"logits of one blank image {network(torch.zeros(1, 1, 8, 8)).tolist()}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "run")
