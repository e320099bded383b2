"""The images of a supernet's training, taken from a task."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from efficient_nas.checks import number
from efficient_nas.evaluators.splits import Split, stratified
from efficient_nas.evaluators.tasks import Task
from efficient_nas.supernet.data import SearchData
from efficient_nas.types import derive_seed


@dataclass(frozen=True, slots=True, eq=False)
class TaskImages:
    """Normalised images of one split of a task; batches with a generator get the task's augmentation.

    Without its cutout, which is for the training of single networks, as published for DARTS.
    """

    task: Task
    split: Split

    def __len__(self) -> int:
        return len(self.split)

    def batch(self, indices: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        images, labels = self.task.batch(self.split, indices)
        if generator is not None:
            images = replace(self.task.augmentation, cutout=0)(images, generator)
        return images, labels


def search_data(
    task: Task, alpha_fraction: float = 0.5, seed: int = 0, data_fraction: float = 1.0
) -> SearchData:
    """The training images in two parts, stratified and seeded, and the validation images.

    alpha_fraction: the share of the training images on which architecture parameters learn; one half as
        published for DARTS (arXiv:1806.09055, section 3.1). With 0 all of them are for the weights, as
        supernets without architecture parameters want it. data_fraction: the share of the training images
        that is used at all. Test images are left alone.
    """
    number("alpha_fraction", alpha_fraction, low=0, below=1)
    number("data_fraction", data_fraction, above=0, high=1)
    train, classes = task.train, [str(label) for label in range(task.num_classes)]
    if data_fraction < 1:
        train = train.subset(stratified(train.labels, data_fraction, derive_seed(seed, "used"), classes)[1])
    if alpha_fraction == 0:
        weights, alphas = train, train.subset(torch.empty(0, dtype=torch.int64))
    else:
        kept, taken = stratified(train.labels, alpha_fraction, seed, classes)
        weights, alphas = train.subset(kept), train.subset(taken)
    return SearchData(TaskImages(task, weights), TaskImages(task, alphas), TaskImages(task, task.validation))
