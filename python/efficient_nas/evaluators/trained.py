"""Real training as an evaluator."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from efficient_nas.checks import integer, number
from efficient_nas.devices.device import resolve
from efficient_nas.errors import TrialFailed
from efficient_nas.evaluators.isolation import isolated
from efficient_nas.evaluators.schedules import ImageSizes
from efficient_nas.evaluators.splits import Split, stratified
from efficient_nas.evaluators.tasks import Task
from efficient_nas.evaluators.training import EpochCallback, Training, accuracy_and_loss, place
from efficient_nas.graph import Architecture
from efficient_nas.protocols import Candidate
from efficient_nas.threads import check_threads
from efficient_nas.types import Metrics, derive_seed


class Trained:
    """An evaluator that trains each architecture from scratch and returns its best validation accuracy.

    SGD with Nesterov momentum, linear warm-up and cosine decay of the learning rate. On the CPU the metrics
    depend on the architecture, the seed and the options alone, to the bit, on one type of machine; nothing of
    the process (random state, threads) is left changed.

    epochs: passes over the training images of a search trial. patience: stop after so many epochs without a
        better validation accuracy.
    batch_size, learning_rate (peak), momentum, weight_decay, warm_up_epochs, label_smoothing, gradient_clip
        (global norm): of the optimiser.
    image_sizes: progressive resizing as pairs [share of the epochs done, height], e.g. [[0, 4], [0.5, 8]];
        the last height is the task's. Validation always sees full-size images.
    data_fraction: share of the training images that search trials use, stratified, the same for all of them.
    device: cpu or cuda[:N]. threads: torch's threads during a trial.
    """

    metrics = ("accuracy", "loss", "epochs")

    def __init__(
        self,
        task: Task,
        epochs: int = 8,
        batch_size: int = 64,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        warm_up_epochs: float = 1.0,
        label_smoothing: float = 0.0,
        gradient_clip: float | None = 5.0,
        patience: int | None = None,
        image_sizes: Sequence[Sequence[float]] | None = None,
        data_fraction: float = 1.0,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        if not isinstance(task, Task):
            raise TypeError(
                f"task must be a Task (see load_task, task_from_dataset), got {type(task).__name__}"
            )
        self.task = task
        self.epochs = integer("epochs", epochs)
        self.batch_size = integer("batch_size", batch_size, low=2)  # batch norm needs two images
        self.learning_rate = number("learning_rate", learning_rate, above=0)
        self.momentum = number("momentum", momentum, low=0, below=1)
        self.weight_decay = number("weight_decay", weight_decay, low=0)
        self.warm_up_epochs = number("warm_up_epochs", warm_up_epochs, low=0)
        self.label_smoothing = number("label_smoothing", label_smoothing, low=0, below=1)
        self.gradient_clip = (
            None if gradient_clip is None else number("gradient_clip", gradient_clip, above=0)
        )
        self.patience = None if patience is None else integer("patience", patience)
        self.image_sizes = None if image_sizes is None else [list(pair) for pair in image_sizes]
        self._sizes = ImageSizes(image_sizes, (task.input_shape[1], task.input_shape[2]))
        self.data_fraction = number("data_fraction", data_fraction, above=0, high=1)
        self.device = str(resolve(device))
        self.threads = check_threads(threads)
        self._train = self._subset()
        if len(self._train) < 2:
            raise ValueError(f"task {task.name} has too few training images: {len(self._train)}")

    def evaluate(self, candidate: Candidate, seed: int) -> Metrics:
        """accuracy and loss of the best epoch on the validation images, epochs that were trained.

        Raises TrialFailed for a loss that is not finite and for a lack of memory.
        """
        with self._running(seed) as device:
            module = self._network(candidate.architecture)
            run = Training(module, self.task, self._train, self, self._sizes, self.epochs, seed, device)
            result = run.fit(keep_weights=False)
        return {"accuracy": result.accuracy, "loss": result.loss, "epochs": float(result.epochs)}

    def train_final(
        self, architecture: Architecture, seed: int, epochs: int, progress: EpochCallback | None = None
    ) -> tuple[nn.Module, Metrics]:
        """The network with the weights of its best validation epoch, in evaluation mode; metrics.

        Trains on all training images. Metrics: accuracy and loss (validation), epochs, best_epoch and
        test_accuracy, measured here once. After each epoch: progress(epochs done, epochs, accuracy).
        """
        epochs = integer("epochs", epochs)
        with self._running(seed) as device:
            module = self._network(architecture)
            run = Training(module, self.task, self.task.train, self, self._sizes, epochs, seed, device)
            result = run.fit(keep_weights=True, progress=progress)
            if result.weights is not None:
                module.load_state_dict(result.weights)
            test_accuracy, _ = accuracy_and_loss(module, self.task, self.task.test, device)
        metrics = {
            "accuracy": result.accuracy,
            "loss": result.loss,
            "epochs": float(result.epochs),
            "best_epoch": float(result.best_epoch),
            "test_accuracy": test_accuracy,
        }
        return place(module, torch.device("cpu"), torch.contiguous_format).eval(), metrics

    def describe(self) -> dict[str, Any]:
        """Every option and the task as plain values."""
        names = list(inspect.signature(type(self)).parameters)[1:]
        return {**{name: getattr(self, name) for name in names}, "task": self.task.describe()}

    def _subset(self) -> Split:
        train = self.task.train
        if self.data_fraction == 1:
            return train
        classes = [str(label) for label in range(self.task.num_classes)]
        return train.subset(stratified(train.labels, self.data_fraction, 0, classes)[1])

    def _network(self, architecture: Architecture) -> nn.Module:
        if tuple(architecture.input_shape) != self.task.input_shape:
            raise ValueError(
                f"the architecture takes images of shape {tuple(architecture.input_shape)}, "
                f"task {self.task.name} has {self.task.input_shape}"
            )
        module: nn.Module = architecture.to_pytorch()
        return module

    @contextmanager
    def _running(self, seed: int) -> Iterator[torch.device]:
        device = resolve(self.device)
        try:
            with isolated(derive_seed(seed, "torch"), device, self.threads):
                yield device
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise TrialFailed(f"out of memory: {error}") from error
        except RuntimeError as error:
            if "allocate" in str(error) and "memory" in str(
                error
            ):  # torch's CPU allocator has no class of its own
                raise TrialFailed(f"out of memory: {str(error).splitlines()[0]}") from error
            raise
