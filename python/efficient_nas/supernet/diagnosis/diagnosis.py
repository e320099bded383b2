"""What is measured of a gradient supernet after each epoch, and when that stops the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from efficient_nas.checks import integer, number
from efficient_nas.errors import nearest
from efficient_nas.supernet.data import Images, SearchData
from efficient_nas.supernet.diagnosis.entropy import alpha_entropy, entropy_share
from efficient_nas.supernet.diagnosis.gradients import Batch
from efficient_nas.supernet.diagnosis.hessian import hessian_eigenvalues
from efficient_nas.supernet.diagnosis.reach import gradient_reach
from efficient_nas.supernet.diagnosis.skips import collapse, last_before_collapse, skip_connections
from efficient_nas.supernet.diagnosis.stopping import Stop, rising_curvature
from efficient_nas.supernet.networks.gradient import GradientSupernet
from efficient_nas.supernet.options import EpochRecord
from efficient_nas.types import derive_seed

RULES = ("skips", "eigenvalue")


@dataclass(frozen=True, slots=True)
class DiagnosisOptions:
    """What a `Diagnosis` measures and what stops the search. A wrong value is a ValueError that names it.

    reach_every, eigenvalue_every: epochs between measurements of gradient reach and of the dominant Hessian
        eigenvalue; 0 leaves them out. Skip connections and entropy are measured after every epoch.
    batches, batch_size: validation images for the eigenvalue, the same ones each time; the reach takes the
        first batch. iterations: largest number of Hessian products, of two gradients in float64 each.
    stop_on: which of `skips` (`collapse`) and `eigenvalue` (`rising_curvature`) stop the search.
    stop_from_epoch: the first epoch that may stop it; before, alpha is close to its random start. Nor is
        an earlier one returned to, unless `skips` has nothing later that had not collapsed.
    ratio, window, distance: of `rising_curvature`, in measurements.
    """

    reach_every: int = 1
    eigenvalue_every: int = 5
    batches: int = 1
    batch_size: int = 64
    iterations: int = 10
    stop_on: tuple[str, ...] = ()
    stop_from_epoch: int = 10
    ratio: float = 1.3
    window: int = 5
    distance: int = 5

    def __post_init__(self) -> None:
        for name in ("reach_every", "eigenvalue_every"):
            integer(name, getattr(self, name), low=0)
        for name in ("batches", "batch_size", "iterations", "stop_from_epoch", "window", "distance"):
            integer(name, getattr(self, name), low=2 if name == "batch_size" else 1)
        number("ratio", self.ratio, low=1)
        if isinstance(self.stop_on, str) or not isinstance(self.stop_on, Sequence):
            raise ValueError(f"stop_on must be a list of {', '.join(RULES)}, got {self.stop_on!r}")
        object.__setattr__(self, "stop_on", tuple(self.stop_on))
        for rule in self.stop_on:
            if rule not in RULES:
                raise ValueError(
                    f"stop_on must hold {', '.join(RULES)}, got {rule!r}{nearest(str(rule), RULES)}"
                )
        if "eigenvalue" in self.stop_on and not self.eigenvalue_every:
            raise ValueError("stop_on holds eigenvalue, so eigenvalue_every must be at least 1, got 0")


@dataclass(frozen=True)
class Finding:
    """What was measured after an epoch.

    values: skips_<cell>, entropy_<cell> in nats, entropy_share_<cell> of the largest; when they are due,
    unreached_alphas and unreached_candidates (how many), and eigenvalue. unreached: their names. stop: why
    to stop, and where to return to.
    """

    values: dict[str, float]
    unreached: tuple[str, ...] = ()
    stop: Stop | None = None


class Diagnosis:
    """Measures a gradient supernet after each epoch of its training and says when to stop it.

    Usual: `trainer.fit(on_epoch)` with an on_epoch that calls it, puts `values` into the record's
    `diagnosis` and returns whether there is a `stop`. It draws from the given seed alone and leaves the
    supernet as it is.
    """

    def __init__(self, options: DiagnosisOptions | None = None) -> None:
        self.options = options or DiagnosisOptions()
        self._history: list[tuple[int, dict[str, float]]] = []

    def restore(self, records: Sequence[EpochRecord]) -> None:
        """Takes up the epochs that a resumed training has done, so that the rules go on as if unbroken."""
        self._history = [(record.epoch, dict(record.diagnosis)) for record in records]

    def __call__(self, supernet: GradientSupernet, data: SearchData, epoch: int, seed: int) -> Finding:
        """What can be said after `epoch` (1 for the first), measured on images of `data.validation`.

        The same seed each epoch gives the same images, so that epochs compare. ValueError without
        architecture parameters, without validation images, or for a rule that the space does not have.
        """
        options, genotype = self.options, supernet.genotype()
        values = {f"skips_{k}": float(v) for k, v in skip_connections(genotype, supernet.space).items()}
        for name, table in supernet.alpha_tables().items():
            values[f"entropy_{name}"] = alpha_entropy(table.probabilities)
            values[f"entropy_share_{name}"] = entropy_share(table.probabilities)
        unreached: tuple[str, ...] = ()
        batches = self._batches(data.validation, derive_seed(seed, "diagnosis", "images"))
        if options.reach_every and epoch % options.reach_every == 0:
            reach = gradient_reach(supernet, batches[0], derive_seed(seed, "diagnosis", "reach"))
            unreached = (*reach.unreached_alphas, *reach.unreached_candidates)
            values["unreached_alphas"] = float(len(reach.unreached_alphas))
            values["unreached_candidates"] = float(len(reach.unreached_candidates))
        if options.eigenvalue_every and epoch % options.eigenvalue_every == 0:
            noise = derive_seed(seed, "diagnosis", "hessian")
            values["eigenvalue"] = hessian_eigenvalues(supernet, batches, noise, options.iterations).dominant
        self._history.append((epoch, values))
        return Finding(values, unreached, self.stop(supernet))

    def stop(self, supernet: GradientSupernet) -> Stop | None:
        """Why the search should stop after the latest epoch, in which `supernet` is; None if it need not."""
        options, genotype = self.options, supernet.genotype()
        found: list[Stop | None] = []
        if "skips" in options.stop_on:
            reason = collapse(genotype, supernet.space)
            if reason is not None and self._history and self._history[-1][0] >= options.stop_from_epoch:
                found.append(Stop(reason, last_before_collapse(self._history, supernet.space)))
        if "eigenvalue" in options.stop_on:
            eigenvalues = [(e, v["eigenvalue"]) for e, v in self._history if "eigenvalue" in v]
            found.append(
                rising_curvature(
                    eigenvalues, options.ratio, options.window, options.distance, options.stop_from_epoch
                )
            )
        return next((stop for stop in found if stop is not None), None)

    def _batches(self, images: Images, seed: int) -> list[Batch]:
        count, size = len(images), self.options.batch_size
        if count == 0:
            raise ValueError("diagnosis: data.validation must hold images, got none")
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        parts = torch.split(order[: self.options.batches * size], size)
        # A small last batch would have other statistics of its own, unless there is no other.
        whole = [part for part in parts if len(part) == size] or parts[:1]
        return [images.batch(part, None) for part in whole]
