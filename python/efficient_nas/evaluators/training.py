"""One training run of one network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas.errors import TrialFailed
from efficient_nas.evaluators.schedules import ImageSizes, learning_rate
from efficient_nas.evaluators.splits import Split
from efficient_nas.evaluators.tasks import Task
from efficient_nas.types import derive_seed

EVALUATION_BATCH = 256

EpochCallback = Callable[[int, int, float], None]
"""Called after each epoch with (epochs done, epochs in all, validation accuracy)."""


class TrainingOptions(Protocol):
    """The options of `Trained` that a run reads."""

    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    warm_up_epochs: float
    label_smoothing: float
    gradient_clip: float | None
    patience: int | None


@dataclass(slots=True)
class Fit:
    """The best epoch of a run by validation accuracy (ties: by loss), epochs trained, the weights if kept."""

    accuracy: float = -1.0
    loss: float = math.inf
    best_epoch: int = 0
    epochs: int = 0
    weights: dict[str, Tensor] | None = None


class Training:
    """SGD with Nesterov momentum on a module, which it changes in place.

    train: the images of this run (of `task.train`). Everything random follows from `seed`.
    """

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        train: Split,
        options: TrainingOptions,
        sizes: ImageSizes,
        epochs: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.module = place(module, device, torch.channels_last)
        self.task, self.train, self.options, self.sizes = task, train, options, sizes
        self.epochs, self.seed, self.device = epochs, seed, device
        self.batches = max(1, len(train) // options.batch_size)
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(
            self.parameters or [torch.zeros(0)],  # a network without weights is only evaluated
            lr=options.learning_rate,
            momentum=options.momentum,
            nesterov=options.momentum > 0,
            weight_decay=options.weight_decay,
        )

    def fit(self, *, keep_weights: bool, progress: EpochCallback | None = None) -> Fit:
        """The result of all epochs; validates on full-size images after each of them.

        Stops after `patience` epochs without a better validation accuracy, counted on full-size epochs
        only. Raises TrialFailed where a loss is no longer a finite number.
        """
        best, waited = Fit(), 0
        for epoch in range(self.epochs):
            if self.parameters:
                self.train_epoch(epoch)
            accuracy, loss = accuracy_and_loss(self.module, self.task, self.task.validation, self.device)
            better = accuracy > best.accuracy
            if better or (accuracy == best.accuracy and loss < best.loss):
                best.accuracy, best.loss, best.best_epoch = accuracy, loss, epoch + 1
                if keep_weights:
                    state = self.module.state_dict()
                    best.weights = {name: value.detach().clone() for name, value in state.items()}
            best.epochs = epoch + 1
            if progress is not None:
                progress(epoch + 1, self.epochs, accuracy)
            waited = 0 if better or not self.sizes.is_full(epoch, self.epochs) else waited + 1
            if self.options.patience is not None and waited >= self.options.patience:
                break
        return best

    def train_epoch(self, epoch: int) -> None:
        """One pass over the training images."""
        self.module.train()
        size = self.sizes.at(epoch, self.epochs)
        augmenting = torch.Generator().manual_seed(derive_seed(self.seed, "augment", epoch))
        ordering = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        for i, indices in enumerate(_batches(len(self.train), self.options.batch_size, ordering)):
            images, labels = self.task.batch(self.train, indices)
            images = _resized(self.task.augmentation(images, augmenting), size)
            loss = self._loss(_placed(images, self.device), labels.to(self.device))
            value = float(loss.detach())
            if not math.isfinite(value):
                raise TrialFailed(f"the training loss became {value} in epoch {epoch + 1}")
            if loss.requires_grad:  # not so where every path from the input is cut: constant logits
                self._step(loss, epoch * self.batches + i)

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        logits = self.module(images)
        if tuple(logits.shape) != (len(labels), self.task.num_classes):
            raise ValueError(
                f"the network must return logits of shape [{len(labels)}, {self.task.num_classes}] "
                f"for task {self.task.name}, got {list(logits.shape)}"
            )
        return functional.cross_entropy(logits, labels, label_smoothing=self.options.label_smoothing)

    def _step(self, loss: Tensor, step: int) -> None:
        options = self.options
        warm_up = round(min(options.warm_up_epochs, self.epochs / 2) * self.batches)
        rate = learning_rate(step, self.epochs * self.batches, warm_up, options.learning_rate)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if options.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, options.gradient_clip)
        self.optimizer.step()


def place(module: nn.Module, device: torch.device, memory_format: torch.memory_format) -> nn.Module:
    """The module itself, moved to the device and with its weights in that memory format."""
    moved: nn.Module = module.to(device=device, memory_format=memory_format)  # type: ignore[call-overload]
    return moved


@torch.inference_mode()
def accuracy_and_loss(
    module: nn.Module, task: Task, split: Split, device: torch.device
) -> tuple[float, float]:
    """Share of right answers and mean cross entropy on a split; leaves the module in evaluation mode."""
    module.eval()
    right, loss = 0, 0.0
    for start in range(0, len(split), EVALUATION_BATCH):
        indices = torch.arange(start, min(start + EVALUATION_BATCH, len(split)))
        images, labels = task.batch(split, indices)
        logits, labels = module(_placed(images, device)), labels.to(device)
        right += int((logits.argmax(1) == labels).sum())
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
    if not math.isfinite(loss):
        raise TrialFailed(f"the loss on the {len(split)} images it was evaluated on is {loss}")
    return right / len(split), loss / len(split)


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled indices in batches of `size`; an incomplete last one is dropped unless it is the only one."""
    order = torch.randperm(count, generator=generator)
    if count < size:
        yield order
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


def _placed(images: Tensor, device: torch.device) -> Tensor:
    """On the device, channels last: a training step of the tested networks takes 0.6 to 1.1 times as long."""
    return images.to(device=device, memory_format=torch.channels_last)


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(images.shape[-2:]) == size:
        return images
    return functional.interpolate(images, size, mode="bilinear", antialias=True)
