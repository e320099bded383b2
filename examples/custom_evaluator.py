"""Searches NAS-Bench-201 cells with an evaluator of one's own: random features and a linear readout.

No network is trained. The evaluator sees how well a ridge regression on the outputs of the *untrained*
network tells scikit-learn's handwritten digits apart, which takes a fraction of a second.

    python examples/custom_evaluator.py [OUTPUT FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits

import efficient_nas as nas

FEATURES = 64
RIDGE = 1.0


class LinearReadout:
    """Anything with `evaluate(candidate, seed)` is an evaluator; a plain function is one, too."""

    def __init__(self, train: int = 400, validation: int = 400) -> None:
        data = load_digits()
        images = torch.from_numpy(data.images[: train + validation]).float()[:, None]
        self.images = (images - images.mean()) / images.std()
        self.labels = torch.from_numpy(data.target[: train + validation]).long()
        self.train = train

    def evaluate(self, candidate: Any, seed: int) -> dict[str, float]:
        """The readout's accuracy on images that it was not fitted to."""
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)  # a seed decides the weights, so that the search can be repeated
            network = candidate.architecture.to_pytorch().train()
            features = network(self.images)
        features = (features - features.mean(0)) / (features.std(0) + 1e-5)
        fitted, rest = features[: self.train], features[self.train :]
        targets = torch.nn.functional.one_hot(self.labels[: self.train], 10).float()
        gram = fitted.T @ fitted + RIDGE * torch.eye(FEATURES)
        readout = torch.linalg.solve(gram, fitted.T @ targets)
        right = (rest @ readout).argmax(1) == self.labels[self.train :]
        return {"accuracy": float(right.float().mean())}


def main(output: Path) -> None:
    result = nas.search(
        {
            "space": {"name": "nasbench201", "macro": {"channels": 4, "cells_per_stage": 1}},
            "task": {"input_shape": [1, 8, 8], "num_classes": FEATURES},
            "objective": {"kind": "pareto", "maximize": ["accuracy"], "minimize": ["params"]},
            "controller": {"kind": "regularized_evolution"},
            "budget": {"trials": 40},
        },
        output=output,
        evaluator=LinearReadout(),
    )
    print(f"{'accuracy':>8}  {'params':>6}  cell")
    for found in result.front:
        print(f"{found.predicted['accuracy']:8.3f}  {found.predicted['params']:6.0f}  {found.text}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "run")
