"""Training of a supernet: its weights, and architecture parameters or the sampler of its paths."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from efficient_nas.errors import TrialFailed
from efficient_nas.spaces.space import Space
from efficient_nas.supernet import checkpoints
from efficient_nas.supernet.data import SearchData
from efficient_nas.supernet.networks import Supernet
from efficient_nas.supernet.options import EpochRecord, TrainingOptions
from efficient_nas.supernet.ranks import Ranks
from efficient_nas.supernet.sampling import Sampler
from efficient_nas.supernet.schedules import Stages, between, cosine
from efficient_nas.supernet.steps import Steps
from efficient_nas.threads import check_threads, fixed_threads

OnEpoch = Callable[[EpochRecord], "bool | None"]


class Trainer:
    """Trains a supernet in place; the same seed gives the same training.

    Without a sampler, steps of the architecture parameters on `data.alphas` alternate with steps of the
    weights on `data.weights` (DARTS, arXiv:1806.09055, algorithm 1). With a sampler, each step trains the
    weights along the sampler's paths, with gradients added up; a sampler that learns (`Policy`) then gets the
    accuracy of its paths on a batch of `data.alphas` as reward. Departures from the published code: batches
    of `data.alphas` come pass by pass instead of from a new shuffle each step, and running statistics of
    batch norms come from weight steps alone.

    expected_cost: of the architecture parameters, e.g. `supernet.expected_cost` of a table, differentiable;
        added to their loss with `options.cost_weight`.
    stages: pairs (share of the epochs until which it lasts, restriction of the space that is open); weights
        of operations that stay open are kept.
    device: where the supernet is moved to. threads: torch's threads while training, None for the caller's.
    group: processes of torch.distributed that train together, each on its part of every batch; batch norms
        use the statistics of the part. Data and seeds must be the same in all of them.
    records: of the epochs done so far.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: SearchData,
        options: TrainingOptions | None = None,
        seed: int = 0,
        *,
        sampler: Sampler | None = None,
        expected_cost: Callable[[Supernet], Tensor] | None = None,
        stages: Sequence[tuple[float, Space]] = (),
        device: str | torch.device = "cpu",
        threads: int | None = None,
        group: dist.ProcessGroup | None = None,
    ) -> None:
        self.supernet, self.data, self.seed = supernet.to(device), data, seed
        self.options = options or TrainingOptions()
        self.sampler, self.expected_cost = sampler, expected_cost
        self.records: list[EpochRecord] = []
        self._threads = None if threads is None else check_threads(threads)
        self._stages, self._stage = Stages(stages, self.options.epochs), -1
        self._ranks = Ranks(group)
        self._policy: Any = sampler if hasattr(sampler, "tell") else None
        self._check_parts()
        self._ranks.follow_first([*supernet.parameters(), *supernet.buffers()])
        self._steps = Steps(supernet, data, self.options, seed, sampler, expected_cost, self._ranks)

    def fit(self, on_epoch: OnEpoch | None = None) -> list[EpochRecord]:
        """Trains the epochs that are not done yet; records of all of them.

        on_epoch gets the record of each epoch after it; it may add to its `diagnosis`, `save`, and return
        True to stop. Raises TrialFailed where a loss or a gradient is not finite; `load` the last save then.
        """
        for epoch in range(len(self.records), self.options.epochs):
            with self._running():
                record = self._epoch(epoch)
            self.records.append(record)
            if on_epoch is not None and on_epoch(record):
                break
        return list(self.records)

    def save(self, folder: str | Path) -> Path:
        """Writes everything that the next epochs depend on to one file in `folder`; the file's path."""
        tensors = {f"supernet.{name}": value for name, value in self.supernet.state_dict().items()}
        for prefix, optimizer in (("sgd", self._steps.sgd), ("adam", self._steps.adam)):
            for name, value in checkpoints.optimizer_tensors(optimizer, self._named()).items():
                tensors[f"{prefix}.{name}"] = value
        plain = self.sampler.state_dict() if self.sampler is not None else {}
        for name in [name for name, value in plain.items() if isinstance(value, Tensor)]:
            tensors[f"sampler.{name}"] = plain.pop(name)
        records = [record.to_json() for record in self.records]
        values = {"setup": self._setup(), "records": records, "sampler": plain}
        if self._ranks.rank == 0:
            checkpoints.write(folder, tensors, values)
        self._ranks.wait()
        return Path(folder) / checkpoints.FILE

    def load(self, folder: str | Path) -> None:
        """Goes on where `save` was called: the next `fit` gives the same bits as one that never stopped.

        Raises RunFolderError for a file that is missing, damaged or of another training; nothing is changed
        then.
        """
        tensors, values = checkpoints.read(folder)
        checkpoints.check_setup(folder, values.get("setup"), self._setup())
        shapes = {name: value.shape for name, value in self.supernet.state_dict().items()}
        state = checkpoints.parts_of(folder, tensors, shapes)
        records = checkpoints.records_of(folder, values.get("records"))
        self.supernet.load_state_dict(state["supernet"])
        checkpoints.restore_optimizer(self._steps.sgd, self._named(), state["sgd"])
        checkpoints.restore_optimizer(self._steps.adam, self._named(), state["adam"])
        if self.sampler is not None:
            self.sampler.load_state_dict({**values["sampler"], **state["sampler"]})
        self.records, self._stage = records, -1
        if records:
            self._open(len(records) - 1)

    # ---- epochs and steps

    def _epoch(self, epoch: int) -> EpochRecord:
        options, started = self.options, time.perf_counter()
        self._open(epoch)
        rate = cosine(epoch, options.epochs, options.learning_rate, options.learning_rate_min)
        self._steps.sgd.param_groups[0]["lr"] = rate
        temperature = None
        if self.sampler is None:
            self.supernet.clear_path()  # diagnosis may have set one
            if self.supernet.is_stochastic:
                temperature = between(
                    options.temperature_schedule, epoch, options.epochs, *options.temperature
                )
                self.supernet.set_temperature(temperature)
        self.supernet.train()
        learns = epoch >= options.alpha_from_epoch and (self.sampler is None or self._policy is not None)
        weight_sums, alpha_sums, count = [0.0, 0.0], [0.0, 0.0], self._steps.weight_batches.order.batches
        for position in range(count):
            number = epoch * count + position
            try:
                if learns and self.sampler is None:
                    _add(alpha_sums, self._steps.of_alphas(number))
                _add(weight_sums, self._steps.of_weights(number))
                if learns and self._policy is not None:
                    _add(alpha_sums, self._steps.of_policy(number, self._policy))
            except TrialFailed as error:
                raise TrialFailed(f"{error} in epoch {epoch + 1}, step {position + 1}") from error
        self._ranks.average([buffer for buffer in self._steps.statistics if buffer.is_floating_point()])
        weight_loss, weight_accuracy = (value / count for value in weight_sums)
        return EpochRecord(
            epoch=epoch + 1,
            seconds=time.perf_counter() - started,
            weight_loss=weight_loss,
            weight_accuracy=weight_accuracy,
            alpha_loss=alpha_sums[0] / count if learns else None,
            alpha_accuracy=alpha_sums[1] / count if learns else None,
            learning_rate=rate,
            temperature=temperature,
            genotype=[int(v) for v in self.supernet.genotype()] if self.sampler is None else None,
        )

    def _open(self, epoch: int) -> None:
        """Opens the part of the space that is due; the same again after a load."""
        stage = self._stages.at(epoch)
        if stage is not None and stage[0] != self._stage:
            self._stage, space = stage
            for part in (self.supernet, self.sampler):
                if part is not None:
                    part.open(space)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.enable_grad())
            if self._threads is not None:
                stack.enter_context(fixed_threads(self._threads))
            yield

    # ---- what belongs together

    def _check_parts(self) -> None:
        """ValueError where supernet, data, options and sampler do not fit, before any of them is changed."""
        gradient = self.sampler is None
        if gradient and not list(self.supernet.arch_parameters()):
            raise ValueError(f"{type(self.supernet).__name__} has no architecture parameters: give a sampler")
        if not gradient and self.options.order != 1:
            raise ValueError(f"order {self.options.order} is of architecture parameters: give no sampler")
        if not gradient and self.expected_cost is not None:
            raise ValueError("expected_cost is of architecture parameters: give no sampler")
        needed = ["weights"] + (["alphas"] if gradient or self._policy is not None else [])
        for name in ("weights", "alphas", "validation"):
            images = getattr(self.data, name)
            count = min(len(images), self.options.batch_size)
            if count == 0:
                if name in needed:
                    raise ValueError(f"data.{name} must hold images, got none")
                continue
            shape = tuple(images.batch(torch.zeros(1, dtype=torch.int64), None)[0].shape[1:])
            if shape != tuple(self.supernet.input_shape):
                raise ValueError(
                    f"data.{name} must hold images of shape {tuple(self.supernet.input_shape)}, got {shape}"
                )
            if name in needed and count % self._ranks.size:
                raise ValueError(
                    f"batches of data.{name} must divide by {self._ranks.size} processes, got {count}"
                )

    def _named(self) -> dict[str, nn.Parameter]:
        return dict(self.supernet.named_parameters())

    def _setup(self) -> dict[str, Any]:
        """What must be the same when a training goes on, by name."""
        images = {name: len(getattr(self.data, name)) for name in ("weights", "alphas", "validation")}
        return {
            "supernet": type(self.supernet).__name__,
            "space": self.supernet.space.name,
            "seed": self.seed,
            "images": images,
            "sampler": type(self.sampler).__name__ if self.sampler is not None else None,
            "stages": self._stages.untils,
            "expected cost": self.expected_cost is not None,
            "processes": self._ranks.size,
            **self.options.to_json(),
        }


def _add(sums: list[float], values: Sequence[float]) -> None:
    for index, value in enumerate(values):
        sums[index] += value
