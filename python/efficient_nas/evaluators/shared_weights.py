"""The accuracy of architectures with the weights of a trained supernet."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from efficient_nas.checks import integer
from efficient_nas.devices.device import resolve
from efficient_nas.evaluators.isolation import isolated
from efficient_nas.evaluators.tasks import Task
from efficient_nas.evaluators.trained import Trained
from efficient_nas.evaluators.training import EVALUATION_BATCH, accuracy_and_loss, place
from efficient_nas.protocols import Candidate
from efficient_nas.supernet.networks.supernet import Supernet
from efficient_nas.supernet.recalibration import recalibrate
from efficient_nas.supernet.registry import describe
from efficient_nas.threads import check_threads
from efficient_nas.types import Metrics, derive_seed


class SharedWeights:
    """An evaluator that runs each architecture as a path of a trained supernet, on validation images.

    Before each, the batch-norm statistics of its path are computed anew from training images. So the metrics
    depend on the architecture, the supernet's weights and the task alone: the same in any order and process
    of one type of machine; seeds change nothing. The supernet is copied and stays as it is.

    supernet: of the candidates' space. final: trains finalists from scratch; without it there is no
        `train_final`. recalibration_images: how many training images, drawn once, not
        augmented. device: cpu or cuda[:N]; fused supernets need the CPU. threads: torch's threads.
    """

    metrics = ("accuracy", "loss")

    def __init__(
        self,
        supernet: Supernet,
        task: Task,
        final: Trained | None = None,
        recalibration_images: int = 1024,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        if not isinstance(supernet, Supernet):
            raise TypeError(f"supernet must be a nas.supernet.Supernet, got {type(supernet).__name__}")
        if not isinstance(task, Task):
            raise TypeError(f"task must be a Task, got {type(task).__name__}")
        for name in ("input_shape", "num_classes"):
            if getattr(supernet, name) != getattr(task, name):
                raise ValueError(
                    f"the supernet has {name} {getattr(supernet, name)}, "
                    f"task {task.name} has {getattr(task, name)}"
                )
        self.task = task
        self.recalibration_images = integer("recalibration_images", recalibration_images, low=2)
        self.device = str(resolve(device))
        self.threads = check_threads(threads)
        self._supernet = copy.deepcopy(supernet).requires_grad_(False)
        place(self._supernet, resolve(device), torch.channels_last)
        self.final = final
        if final is not None:
            self.train_final = final.train_final
            self.epochs = final.epochs

    def evaluate(self, candidate: Candidate, seed: int) -> Metrics:
        """accuracy and loss on the validation images. Raises TrialFailed for a loss that is not finite."""
        device = resolve(self.device)
        with isolated(0, device, self.threads):
            self._supernet.set_path(candidate.genotype)
            recalibrate(self._supernet, self._images(device))
            accuracy, loss = accuracy_and_loss(self._supernet, self.task, self.task.validation, device)
        return {"accuracy": accuracy, "loss": loss}

    def take_weights(self, supernet: Supernet) -> None:
        """Goes on with the weights of `supernet`, which was trained since this evaluator was made of it."""
        self._supernet.load_state_dict(supernet.state_dict())

    def describe(self) -> dict[str, Any]:
        """Every option and the task as plain values."""
        return {
            "supernet": describe(self._supernet),
            "recalibration_images": self.recalibration_images,
            "device": self.device,
            "threads": self.threads,
            "task": self.task.describe(),
        }

    def _images(self, device: torch.device) -> Iterator[Tensor]:
        """The images for statistics, in batches of about equal size; the same ones every time."""
        count = min(self.recalibration_images, len(self.task.train))
        generator = torch.Generator().manual_seed(derive_seed(0, "recalibration"))
        chosen = torch.randperm(len(self.task.train), generator=generator)[:count]
        for indices in chosen.tensor_split(-(-count // EVALUATION_BATCH)):
            yield self.task.batch(self.task.train, indices)[0].to(device)


class SharedAndAlone:
    """An evaluator for the rank correlation of a supernet: each architecture by both accuracies.

    accuracy: of `alone`, which trains it from scratch; shared_accuracy: of `shared`.
    """

    metrics = ("accuracy", "shared_accuracy", "epochs")

    def __init__(self, shared: SharedWeights, alone: Trained) -> None:
        self.shared, self.alone = shared, alone

    def evaluate(self, candidate: Candidate, seed: int) -> Metrics:
        """Both accuracies, and the epochs that were trained. Raises TrialFailed as the two do."""
        shared = self.shared.evaluate(candidate, seed)["accuracy"]
        alone = self.alone.evaluate(candidate, seed)
        return {
            "accuracy": alone["accuracy"],
            "shared_accuracy": shared,
            "epochs": alone["epochs"],
        }
