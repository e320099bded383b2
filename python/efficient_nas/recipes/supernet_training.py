"""The phase before the trials: a supernet is trained, diagnosed and stored in the run folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from efficient_nas.errors import RunFolderError
from efficient_nas.files import replacing
from efficient_nas.ledger import Ledger, RunFolder, storage_errors
from efficient_nas.recipes.alpha_costs import alpha_costs
from efficient_nas.recipes.config import Config
from efficient_nas.recipes.progress import Observer, Progress
from efficient_nas.recipes.supernet_parts import SupernetParts
from efficient_nas.reports import Alphas, SupernetData
from efficient_nas.supernet import EpochRecord, Supernet, TensorBoard, Trainer
from efficient_nas.supernet.checkpoints import FILE
from efficient_nas.supernet.diagnosis import Stop, derived_network, parity, rank_correlation
from efficient_nas.supernet.networks.gradient import GradientSupernet
from efficient_nas.threads import fixed_threads
from efficient_nas.types import Parity, Trial, TrialStatus, derive_seed

PARITY_IMAGES = 8
RANKS = "rank_sample"
"""The arm of the architectures that are trained alone to see how well shared weights rank them."""


def train_supernet(
    config: Config, parts: SupernetParts, folder: RunFolder, ledger: Ledger, observer: Observer
) -> None:
    """Trains the network of `parts` in place, or takes its weights from the run folder if that is done.

    Every epoch is stored when it is finished, so that a stopped training goes on behind it.
    """
    section = config.supernet
    assert section is not None
    costs = alpha_costs(config, parts.network, folder) if section.expected_cost else None
    with storage_errors(folder.supernet), fixed_threads(section.threads):
        folder.supernet.mkdir(exist_ok=True)
        trainer = Trainer(
            parts.network,
            parts.data,
            parts.options,
            parts.seed,
            sampler=parts.sampler,
            stages=parts.stages,
            expected_cost=_expected(costs) if costs else None,
        )
        if (folder.supernet / FILE).is_file():
            trainer.load(folder.supernet)
        data = read_supernet(folder)
        if data is None:
            phase = _Phase(section.kind, trainer, parts, folder, observer)
            data = phase.run(section.tensorboard)
            if data.stopped:
                at = f"; taken is epoch {data.returned_to}" if data.returned_to else ""
                ledger.add_event_once("supernet", f"supernet: {data.stopped}{at}")
        if parts.has_alphas:
            _use_alphas(parts.network, folder, data.returned_to or len(data.records))


def read_supernet(folder: RunFolder, trials: Sequence[Trial] = ()) -> SupernetData | None:
    """What the run folder holds of a finished training; None before it is finished.

    trials: of all arms; those of the arm `RANKS` give the correlation of ranks.
    """
    path = folder.supernet / "summary.json"
    if not path.is_file():
        return None
    try:
        data = SupernetData.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RunFolderError(f"{path}: damaged: {error}") from error
    ranked = [t.metrics for t in trials if t.arm == RANKS and t.status is TrialStatus.COMPLETED]
    if len(ranked) < 2:
        return data
    shared, alone = ([metrics[name] for metrics in ranked] for name in ("shared_accuracy", "accuracy"))
    return replace(data, ranks=rank_correlation(shared, alone, seed=0))


def _expected(costs: dict[str, Tensor]) -> Callable[[Any], Tensor]:
    return lambda network: network.expected_cost(costs)


class _Phase:
    """One training to its end, with diagnosis, progress and storage after every epoch."""

    def __init__(
        self, kind: str, trainer: Trainer, parts: SupernetParts, folder: RunFolder, observer: Observer
    ) -> None:
        self.kind, self.trainer, self.parts = kind, trainer, parts
        self.folder, self.observer = folder, observer
        self.progress = Progress("supernet", parts.options.epochs)
        self.stopped: str | None = None
        self.returned_to: int | None = None
        self.board: TensorBoard | None = None

    def run(self, tensorboard: bool) -> SupernetData:
        """The whole training as the report shows it, stored as `summary.json`."""
        self.observer.begin(self.progress)
        with contextlib.ExitStack() as stack:
            if tensorboard:
                self.board = stack.enter_context(TensorBoard(self.folder.supernet / "tensorboard"))
            if not self._stopped_before():
                self.trainer.fit(self._after_epoch)
        records = self.trainer.records
        if self.parts.has_alphas:
            _use_alphas(self.parts.network, self.folder, self.returned_to or len(records))
        tables = self.parts.network.alpha_tables()
        alphas = {
            name: Alphas(table.operations, table.edges, table.probabilities.tolist())
            for name, table in tables.items()
        }
        data = SupernetData(self.kind, records, alphas, self.stopped, self.returned_to, parity=self._parity())
        with replacing(self.folder.supernet / "summary.json") as draft:
            draft.write_text(json.dumps(data.to_json(), indent=1), encoding="utf-8")
        return data

    def _parity(self) -> list[Parity]:
        """Searched = derived = exported, on a few validation images."""
        network, seed = self.parts.network, derive_seed(self.parts.seed, "parity")
        if not network.has_subnet_weights:
            return []
        genotype = network.genotype() if self.parts.has_alphas else network.space.sample(1, seed)[0]
        images, _ = self.parts.data.validation.batch(torch.arange(PARITY_IMAGES), None)
        network.eval()
        program = torch.export.export(derived_network(network, genotype), (images,)).module()
        return parity(network, genotype, images, {"exported": program})

    def _stopped_before(self) -> bool:
        """Whether the last epoch of a training that was resumed stopped it; diagnosis goes on from there."""
        diagnosis, network = self.parts.diagnosis, self.parts.network
        if diagnosis is None or not self.trainer.records or not isinstance(network, GradientSupernet):
            return False
        diagnosis.restore(self.trainer.records)
        return self._take(diagnosis.stop(network))

    def _take(self, stop: Stop | None) -> bool:
        if stop is not None:
            self.stopped, self.returned_to = stop.reason, stop.return_to
        return stop is not None

    def _after_epoch(self, record: EpochRecord) -> bool:
        parts, stop = self.parts, None
        if parts.diagnosis is not None and isinstance(parts.network, GradientSupernet):
            found = parts.diagnosis(parts.network, parts.data, record.epoch, parts.seed)
            record.diagnosis.update(found.values)
            stop = found.stop
        _keep_alphas(parts.network, self.folder, record.epoch)
        self.trainer.save(self.folder.supernet)
        if self.board is not None:
            self.board.add(record)
        self.progress.step(record.epoch, parts.options.epochs)
        self.progress.epoch = record
        self.observer.update(self.progress)
        return self._take(stop)


def _keep_alphas(network: Supernet, folder: RunFolder, epoch: int) -> None:
    """Adds the architecture parameters of an epoch to those of the epochs before."""
    path = folder.supernet / "alphas.safetensors"
    kept = load_file(path) if path.is_file() else {}
    for number, alpha in enumerate(network.arch_parameters()):
        kept[f"{epoch}.{number}"] = alpha.detach().cpu().clone()
    if kept:
        with replacing(path) as draft:
            save_file(kept, draft)


def _use_alphas(network: Supernet, folder: RunFolder, epoch: int) -> None:
    """Gives the network the architecture parameters that it had after an epoch; its weights stay."""
    kept = load_file(folder.supernet / "alphas.safetensors")
    with torch.no_grad():
        for number, alpha in enumerate(network.arch_parameters()):
            alpha.copy_(kept[f"{epoch}.{number}"])
