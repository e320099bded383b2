"""From the `supernet` section of a config to its objects; all is checked before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas import supernet
from efficient_nas.errors import ConfigError
from efficient_nas.evaluators import SharedAndAlone, SharedWeights, Task, Trained, search_data
from efficient_nas.progressive import ProgressiveSchedule, Stage
from efficient_nas.recipes.config import Config, SupernetSection
from efficient_nas.recipes.names import Factory, resolve
from efficient_nas.recipes.options import call, parameters, refuse
from efficient_nas.spaces import Space
from efficient_nas.supernet import Sampler, SearchData, Supernet, TrainingOptions
from efficient_nas.supernet.diagnosis import Diagnosis, DiagnosisOptions
from efficient_nas.types import derive_seed

SAMPLERS: dict[str, Factory] = {
    "uniform": supernet.Uniform,
    "fairnas": supernet.FairNAS,
    "sandwich": supernet.Sandwich,
    "policy": supernet.Policy,
}


@dataclass(frozen=True)
class SupernetParts:
    """What trains a supernet.

    stages: (share of the epochs, open space), by increasing share. diagnosis: None without alphas. ranks:
    evaluates what is sampled for the correlation of ranks; None where nothing is.
    """

    network: Supernet
    data: SearchData
    options: TrainingOptions
    sampler: Sampler | None
    stages: tuple[tuple[float, Space], ...]
    diagnosis: Diagnosis | None
    seed: int
    ranks: SharedAndAlone | None = None

    @property
    def has_alphas(self) -> bool:
        """Whether architectures are derived from architecture parameters."""
        return bool(self.network.arch_parameters())

    def derived(self, count: int) -> npt.NDArray[np.uint8]:
        """uint8 [count, num_choices]: the architecture of the alphas, then others drawn from them."""
        return self.network.sample(count, derive_seed(self.seed, "derived"))

    def with_ranks(self, evaluator: Any, task: Task) -> SupernetParts:
        """The same, with what evaluates the sample by the weights of the network and by training alone."""
        shared = evaluator if isinstance(evaluator, SharedWeights) else SharedWeights(self.network, task)
        alone = evaluator.final if isinstance(evaluator, SharedWeights) else evaluator
        if not isinstance(alone, Trained):
            raise ConfigError("supernet.rank_sample", "needs an evaluator that trains architectures alone")
        return replace(self, ranks=SharedAndAlone(shared, alone))


def build_supernet(
    config: Config, space: Space, task: Task | None, allow_imports: Sequence[str]
) -> SupernetParts | None:
    """The objects of the section; None without one. Raises ConfigError for whatever cannot work."""
    section = config.supernet
    if section is None:
        return None
    if task is None:
        raise ConfigError("supernet", "needs images to train on: task.dataset")
    seed = derive_seed(config.seed, "supernet")
    network = _network(section, space, task, derive_seed(seed, "weights"), allow_imports)
    alphas = bool(network.arch_parameters())
    options = call("supernet.training", TrainingOptions, section.training)
    sampler = _sampler(section, space, alphas)
    fraction = section.alpha_fraction
    if fraction is None:
        fraction = 0.5 if alphas or isinstance(sampler, supernet.Policy) else 0.0
    if fraction == 0 and (alphas or isinstance(sampler, supernet.Policy)):
        raise ConfigError("supernet.alpha_fraction", "must be above 0: alpha learns from these images, got 0")
    if section.expected_cost is not None and not alphas:
        raise ConfigError("supernet.expected_cost", f"{section.kind} has no architecture parameters")
    if section.expected_cost == "latency_ms" and not config.devices:
        raise ConfigError("supernet.expected_cost", "latency_ms comes with devices: [cpu]")
    try:
        data = search_data(task, fraction, derive_seed(seed, "split"), section.data_fraction)
    except ValueError as error:
        raise ConfigError("supernet.data_fraction", str(error)) from error
    stages = _stages(section, space, options.epochs)
    return SupernetParts(network, data, options, sampler, stages, _diagnosis(section, alphas), seed)


def _network(
    section: SupernetSection, space: Space, task: Task, seed: int, allow_imports: Sequence[str]
) -> Supernet:
    builtin: dict[str, Factory] = {name: supernet.factory(name) for name in supernet.available()}
    factory = resolve("supernet.kind", "supernet", section.kind, builtin, allow_imports)
    collaborators: dict[str, Any] = {
        "space": space,
        "input_shape": task.input_shape,
        "num_classes": task.num_classes,
        "seed": seed,
    }
    wanted = parameters("supernet.kind", factory)
    network = call(
        "supernet", factory, section.options, **{k: v for k, v in collaborators.items() if k in wanted}
    )
    if not isinstance(network, Supernet):
        raise ConfigError("supernet.kind", f"must make a nas.supernet.Supernet, got {type(network).__name__}")
    if network.space.name != space.name:
        raise ConfigError(
            "supernet.kind", f"{section.kind} is for space {network.space.name}, this is {space.name}"
        )
    return network


def _sampler(section: SupernetSection, space: Space, alphas: bool) -> Sampler | None:
    if alphas:
        if section.sampler is not None:
            raise ConfigError("supernet.sampler", f"{section.kind} learns alphas, it samples no paths")
        return None
    chosen = section.sampler
    factory = resolve("supernet.sampler.kind", "sampler", chosen.kind if chosen else "uniform", SAMPLERS, ())
    made: Sampler = call("supernet.sampler", factory, chosen.options if chosen else {}, space=space)
    return made


def _diagnosis(section: SupernetSection, alphas: bool) -> Diagnosis | None:
    if not alphas:
        refuse("supernet.diagnosis", section.diagnosis)
        return None
    options = call("supernet.diagnosis", DiagnosisOptions, section.diagnosis)
    return Diagnosis(options)


def _stages(section: SupernetSection, space: Space, epochs: int) -> tuple[tuple[float, Space], ...]:
    if not section.stages:
        return ()
    stages = [Stage(**stage.model_dump()) for stage in section.stages]
    try:
        schedule = ProgressiveSchedule(space, stages, epochs)
    except (ValueError, TypeError) as error:
        message = str(error).removeprefix("ProgressiveSchedule: ").replace("trial", "epoch")
        raise ConfigError("supernet", message) from error
    return tuple((stage.until, schedule.space_of(i)) for i, stage in enumerate(stages))
