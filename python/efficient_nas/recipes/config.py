"""The configuration of a search: strict models of every section (names as in the YAML file)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, Discriminator, Field, Tag

from efficient_nas.recipes.config_errors import first_error

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


class Section(pydantic.BaseModel):
    """A part of the config: unknown fields are errors and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Named(Section):
    """A part whose further fields are the options of what it names; they are checked when it is made."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @property
    def options(self) -> dict[str, Any]:
        """Every field that the section itself does not know."""
        return dict(self.model_extra or {})


class SpaceSection(Named):
    """name: one of `nas.spaces.available()` or `package.module:factory`. macro: options of `space.build`."""

    name: Name
    macro: dict[str, Any] = {}


class DatasetTask(Named):
    """dataset: one of `nas.evaluators.DATASETS` or `package.module:factory`; none for an object."""

    dataset: Name | None = None


class TableTask(Section):
    """A table of results instead of training (`nas.evaluators.Tabular`)."""

    table: Name
    metric: Name | dict[str, Name] = "accuracy"
    columns: dict[str, Name | list[Name]] = {}
    report: list[Name] = []
    scale: Finite | dict[str, Finite] = 1.0
    input_shape: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=3, max_length=3)] = [3, 32, 32]
    num_classes: Annotated[int, Field(gt=0)] = 10


class EvaluatorSection(Named):
    """kind: tabular, trained, shared_weights or `package.module:factory`; else what fits the task."""

    kind: Name


class ObjectiveSection(Named):
    """kind: weighted, pareto or constrained."""

    kind: Name


class ControllerSection(Named):
    """kind: one of `nas.controllers.available()`, `package.module:factory`, or `derived` from a supernet."""

    kind: Name


class StageSection(Section):
    """One stage of a progressive search (`nas.progressive.Stage`)."""

    until: Annotated[float, Field(gt=0, le=1)]
    max_depth: Finite | None = None
    max_width: Finite | None = None
    operations: list[Name] | None = None


class ProgressiveSection(Section):
    """stages: by increasing `until`, the last one until 1.0."""

    stages: Annotated[list[StageSection], Field(min_length=1)]


class SamplerSection(Named):
    """kind: uniform, fairnas, sandwich or policy; which paths a step of training takes."""

    kind: Name


class SupernetSection(Named):
    """A supernet that is trained before the trials; further fields are options of its network.

    kind: one of `nas.supernet.available()`. training: `nas.supernet.TrainingOptions`. sampler: of paths, for
    networks without architecture parameters. stages: which operations are open up to which share of the
    epochs. diagnosis: `nas.supernet.diagnosis.DiagnosisOptions`. expected_cost: a metric whose expectation
    under alpha is added to the loss of alpha, `training.cost_weight` times. data_fraction: share of the
    training images that is used; alpha_fraction: share of those that alpha learns from (0 where there is no
    alpha). threads: torch's threads while it is trained. tensorboard: also writes curves for TensorBoard.
    rank_sample: so many random architectures are also trained alone, for the correlation of ranks; 0: none.
    """

    kind: Name
    training: dict[str, Any] = {}
    sampler: SamplerSection | None = None
    stages: list[StageSection] = []
    diagnosis: dict[str, Any] = {}
    expected_cost: Literal["latency_ms", "macs", "params"] | None = None
    data_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    alpha_fraction: Annotated[float, Field(ge=0, lt=1)] | None = None
    threads: Annotated[int, Field(gt=0)] = 1
    tensorboard: bool = False
    rank_sample: Annotated[int, Field(ge=0)] = 0

    @pydantic.field_validator("rank_sample")
    @classmethod
    def _ranks_need_two(cls, value: int) -> int:
        if value == 1:
            raise ValueError("must be 0 or at least 2: one architecture has no rank")
        return value


class DeviceTable(Section):
    """A stored operator table instead of a measurement."""

    table: Name


class BudgetSection(Section):
    """When an arm ends: whichever limit is reached first. Every arm has the same budget."""

    trials: Annotated[int, Field(gt=0)] | None = None
    seconds: Positive | None = None
    epochs: Positive | None = None

    @pydantic.model_validator(mode="after")
    def _has_a_limit(self) -> BudgetSection:
        if self.trials is None and self.seconds is None and self.epochs is None:
            raise ValueError("needs at least one of trials, seconds, epochs")
        return self


class ExecutionSection(Section):
    """parallelism: logical slots, part of the search. workers: processes that serve them, 0 for this one."""

    kind: Literal["local"] = "local"
    parallelism: Annotated[int, Field(gt=0, le=4096)] = 4
    workers: Annotated[int, Field(ge=0, le=4096)] = 0
    timeout_seconds: Positive | None = None

    @pydantic.model_validator(mode="after")
    def _timeout_needs_a_process(self) -> ExecutionSection:
        if self.timeout_seconds is not None and self.workers == 0:
            raise ValueError(
                "timeout_seconds needs workers: 1 or more; a job in this process cannot be ended"
            )
        return self


class FinalSection(Section):
    """What is done with the `top` members of the front: longer training, measurement, export."""

    top: Annotated[int, Field(ge=0, le=100)] = 1
    epochs: Annotated[int, Field(gt=0)] | None = None
    export: list[Name] = []


def _task_kind(value: Any) -> str:
    table = "table" in value if isinstance(value, Mapping) else isinstance(value, TableTask)
    return "<table>" if table else "<dataset>"


class Config(Section):
    """A whole configuration. Names of classes are not checked here but where they are made."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    space: SpaceSection | None = None
    task: (
        Annotated[
            Annotated[TableTask, Tag("<table>")] | Annotated[DatasetTask, Tag("<dataset>")],
            Discriminator(_task_kind),
        ]
        | None
    ) = None
    evaluator: EvaluatorSection | None = None
    objective: ObjectiveSection = ObjectiveSection.model_validate(
        {"kind": "pareto", "maximize": ["accuracy"]}
    )
    controller: ControllerSection = ControllerSection(kind="hybrid")
    progressive: ProgressiveSection | None = None
    supernet: SupernetSection | None = None
    devices: Annotated[list[Name | DeviceTable], Field(max_length=1)] = []
    budget: BudgetSection
    execution: ExecutionSection = ExecutionSection()
    control_arms: list[Name] = []
    final: FinalSection = FinalSection()

    def resolved(self) -> dict[str, Any]:
        """Every field as plain JSON values, defaults filled in."""
        return self.model_dump(mode="json", exclude_none=True)


def parse(fields: Mapping[str, Any]) -> Config:
    """The checked config of `fields` (nested mappings and lists). Raises ConfigError for a wrong field."""
    try:
        return Config.model_validate(dict(fields))
    except pydantic.ValidationError as error:
        raise first_error(error, Config, fields) from None
