"""From a config to objects: the one place that names concrete classes. All is checked before a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from efficient_nas import controllers, export, objectives, spaces
from efficient_nas.errors import ConfigError, TableError
from efficient_nas.evaluators import (
    Calling,
    SharedWeights,
    Tabular,
    Task,
    Trained,
    datasets,
    load_task,
    task_from_dataset,
)
from efficient_nas.objectives import Constrained, Pareto, Weighted
from efficient_nas.progressive import ProgressiveSchedule, Stage
from efficient_nas.protocols import Controller, Evaluator
from efficient_nas.recipes.config import Config, TableTask
from efficient_nas.recipes.config_errors import shown, unknown
from efficient_nas.recipes.names import Factory, resolve
from efficient_nas.recipes.options import call, parameters, refuse
from efficient_nas.recipes.supernet_parts import SupernetParts, build_supernet
from efficient_nas.spaces import Candidate, Space
from efficient_nas.types import Genotype

EVALUATORS: dict[str, Factory] = {"tabular": Tabular, "trained": Trained, "shared_weights": SharedWeights}
DERIVED = "derived"
SHAPES_TRIED = 16


@dataclass(frozen=True)
class UserObjects:
    """What a caller of `nas.search` passed instead of naming it in the config."""

    space: Space | None = None
    evaluator: Any = None
    dataset: Any = None

    def describe(self) -> dict[str, str]:
        """Field -> class or function of the object, for those that were passed."""
        given = {"space": self.space, "evaluator": self.evaluator, "dataset": self.dataset}
        return {field: _qualified_name(value) for field, value in given.items() if value is not None}


@dataclass(frozen=True)
class Parts:
    """The objects of a search.

    evaluator: the checked one. original: what was configured or passed; it may know `train_final`.
    known_metrics: what the evaluator returns, None if only it knows. make_controller: by arm, from a seed.
    """

    space: Space
    input_shape: tuple[int, int, int]
    num_classes: int
    macro: Mapping[str, Any]
    evaluator: Evaluator
    original: Any
    known_metrics: tuple[str, ...] | None
    objective: Weighted | Pareto | Constrained
    schedule: ProgressiveSchedule | None
    supernet: SupernetParts | None
    make_controller: Mapping[str, Callable[[int], Controller]]

    def candidate(self, genotype: Genotype) -> Candidate:
        """The candidate of a genotype [num_choices] for this task."""
        return self.make_candidate(genotype)

    @property
    def make_candidate(self) -> Callable[[Genotype], Candidate]:
        """`candidate` as a function that can be pickled without the rest."""
        return partial(
            Candidate,
            self.space,
            input_shape=self.input_shape,
            num_classes=self.num_classes,
            macro=self.macro,
        )

    def take_trained_weights(self) -> None:
        """Gives evaluators by shared weights those of the supernet, trained since they were made."""
        if self.supernet is None:
            return
        judges = [self.original, self.supernet.ranks and self.supernet.ranks.shared]
        for judge in judges:
            if isinstance(judge, SharedWeights):
                judge.take_weights(self.supernet.network)

    @property
    def trainable(self) -> bool:
        """Whether finalists can be trained."""
        return hasattr(self.original, "train_final")


def build(
    config: Config, objects: UserObjects, allow_imports: Sequence[str], stage_trials: int | None
) -> Parts:
    """The objects that `config` describes. stage_trials: budget that the stages' shares refer to.

    Raises ConfigError for whatever cannot work.
    """
    space = _space(config, objects, allow_imports)
    task, shape, classes = _task(config, objects, allow_imports)
    macro = config.space.macro if config.space else {}
    supernet = build_supernet(config, space, task, allow_imports)
    original, known = _evaluator(config, objects, allow_imports, space, task, supernet)
    if supernet is not None and task is not None and config.supernet and config.supernet.rank_sample:
        supernet = supernet.with_ranks(original, task)
    parts = Parts(
        space=space,
        input_shape=shape,
        num_classes=classes,
        macro=macro,
        evaluator=original if isinstance(original, Tabular | Trained | SharedWeights) else _calling(original),
        original=original,
        known_metrics=known,
        objective=_objective(config),
        schedule=_schedule(config, space, stage_trials),
        supernet=supernet,
        make_controller=_controllers(config, space, allow_imports, supernet),
    )
    _check_shapes(parts)
    _check_final(config, parts)
    return parts


def create_objective(fields: Mapping[str, Any]) -> Weighted | Pareto | Constrained:
    """The objective of a config section. Raises ConfigError."""
    kind = fields.get("kind")
    if kind not in objectives.available():
        raise unknown("objective.kind", "objective", kind, objectives.available())
    try:
        return objectives.create(**fields)
    except (ValueError, TypeError) as error:
        raise ConfigError("objective", str(error).removeprefix("objective: ")) from error


def _objective(config: Config) -> Weighted | Pareto | Constrained:
    return create_objective({"kind": config.objective.kind, **config.objective.options})


def _space(config: Config, objects: UserObjects, allow_imports: Sequence[str]) -> Space:
    if objects.space is not None:
        if config.space is not None:
            raise ConfigError("space", "is given twice, in the config and as an object")
        made: Any = objects.space
    elif config.space is None:
        raise ConfigError("space", f"is required; available: {', '.join(spaces.available())}")
    else:
        section = config.space
        builtin: dict[str, Factory] = {name: spaces.factory(name) for name in spaces.available()}
        factory = resolve("space.name", "space", section.name, builtin, allow_imports)
        made = call("space", factory, section.options)
    if not isinstance(made, Space):
        raise ConfigError("space", f"must be a nas.spaces.Space, got {type(made).__name__}")
    return made


def _task(
    config: Config, objects: UserObjects, allow_imports: Sequence[str]
) -> tuple[Task | None, tuple[int, int, int], int]:
    """The task (None without training data), the input shape and the number of classes."""
    section = config.task
    if isinstance(section, TableTask):
        if objects.dataset is not None:
            raise ConfigError("task", "is a table of results, which takes no dataset")
        channels, height, width = section.input_shape
        return None, (channels, height, width), section.num_classes
    options = section.options if section else {}
    name = section.dataset if section else None
    if objects.dataset is not None:
        if name is not None:
            raise ConfigError("task.dataset", "is given twice, in the config and as an object")
        task = _task_of(objects.dataset, options)
    elif name in datasets():
        task = call("task", load_task, options, dataset=name)
    elif name is not None:
        builtin: dict[str, Factory] = dict.fromkeys(datasets(), load_task)
        factory = resolve("task.dataset", "dataset", name, builtin, allow_imports)
        own = parameters("task.dataset", factory)
        task = _task_of(
            call("task", factory, {k: v for k, v in options.items() if k in own}),
            {k: v for k, v in options.items() if k not in own},
        )
    elif objects.evaluator is not None or (config.evaluator and config.evaluator.kind not in EVALUATORS):
        shape, classes = call("task", _shape, options)
        return None, shape, classes
    else:
        raise ConfigError("task.dataset", f"is required; available: {', '.join(datasets())}; or task.table")
    channels, height, width = task.input_shape
    return task, (channels, height, width), task.num_classes


def _task_of(dataset: Any, options: Mapping[str, Any]) -> Task:
    if isinstance(dataset, Task):
        refuse("task", options)
        return dataset
    task: Task = call("task", task_from_dataset, options, dataset=dataset)
    return task


def _shape(
    input_shape: tuple[int, int, int] = (3, 32, 32), num_classes: int = 10
) -> tuple[tuple[int, int, int], int]:
    """What a network is built for where an evaluator of one's own brings the data."""
    if min(*input_shape, num_classes) < 1:
        raise ValueError(f"input_shape and num_classes must be positive, got {input_shape}, {num_classes}")
    channels, height, width = input_shape
    return (channels, height, width), num_classes


def _evaluator(
    config: Config,
    objects: UserObjects,
    allow_imports: Sequence[str],
    space: Space,
    task: Task | None,
    supernet: SupernetParts | None,
) -> tuple[Any, tuple[str, ...] | None]:
    """The evaluator as configured or passed, and the metrics it is known to return."""
    section, table = config.evaluator, config.task if isinstance(config.task, TableTask) else None
    if objects.evaluator is not None:
        if section is not None:
            raise ConfigError("evaluator", "is given twice, in the config and as an object")
        return objects.evaluator, None
    kind = section.kind if section else ("tabular" if table else "trained")
    options = section.options if section else {}
    if kind == "tabular":
        if table is None:
            raise ConfigError("evaluator.kind", "tabular needs a table of results: task.table")
        arguments = table.model_dump(exclude={"table", "input_shape", "num_classes"})
        try:
            made = call("task", Tabular, arguments, table_path=table.table, space=space)
        except TableError as error:
            raise ConfigError("task.table", str(error).removeprefix("table: ")) from error
        refuse("evaluator", options)
        return made, made.metrics
    if kind == "trained":
        if task is None:
            raise ConfigError("evaluator.kind", f"trained needs task.dataset: {', '.join(datasets())}")
        return call("evaluator", Trained, options, task=task), Trained.metrics
    if kind == "shared_weights":
        if supernet is None:
            raise ConfigError("evaluator.kind", "shared_weights needs a supernet section")
        return _shared_weights(options, task, supernet), SharedWeights.metrics
    factory = resolve("evaluator.kind", "evaluator", kind, EVALUATORS, allow_imports)
    wanted = parameters("evaluator.kind", factory)
    collaborators = {k: v for k, v in {"space": space, "task": task}.items() if k in wanted}
    return call("evaluator", factory, options, **collaborators), None


def _shared_weights(options: Mapping[str, Any], task: Task | None, supernet: SupernetParts) -> SharedWeights:
    """training: the options of `Trained`, by which finalists are trained from scratch."""
    training = options.get("training", {})
    if not isinstance(training, Mapping):
        raise ConfigError("evaluator.training", f"must be a mapping of options, got {shown(training)}")
    trained = call("evaluator.training", Trained, training, task=task)
    rest = {name: value for name, value in options.items() if name != "training"}
    made: SharedWeights = call(
        "evaluator", SharedWeights, rest, supernet=supernet.network, task=task, final=trained
    )
    return made


def _calling(original: Any) -> Calling:
    try:
        return Calling(original)
    except TypeError as error:
        raise ConfigError("evaluator", str(error).removeprefix("evaluator ")) from error


def _schedule(config: Config, space: Space, stage_trials: int | None) -> ProgressiveSchedule | None:
    if config.progressive is None:
        return None
    if stage_trials is None:
        raise ConfigError("progressive", "needs budget.trials: stages end at shares of it")
    stages = [Stage(**stage.model_dump()) for stage in config.progressive.stages]
    try:
        return ProgressiveSchedule(space, stages, stage_trials)
    except (ValueError, TypeError) as error:
        raise ConfigError("progressive", str(error).removeprefix("ProgressiveSchedule: ")) from error


def _controllers(
    config: Config, space: Space, allow_imports: Sequence[str], supernet: SupernetParts | None
) -> dict[str, Callable[[int], Controller]]:
    """For `main` and every control arm, what makes its controller from a seed."""
    builtin: dict[str, Factory] = {name: controllers.factory(name) for name in controllers.available()}
    section = config.controller
    main: Factory
    if section.kind == DERIVED:
        main = _derived(config, supernet)
    else:
        main = resolve("controller.kind", "controller", section.kind, builtin, allow_imports)
    makers = {"main": partial(_make_controller, "controller", main, section.options, space)}
    for i, name in enumerate(config.control_arms):
        path = f"control_arms[{i}]"
        if name in config.control_arms[:i]:
            raise ConfigError(path, f"must not repeat, got {shown(name)} again")
        factory = resolve(path, "controller", name, builtin, allow_imports)
        makers[name] = partial(_make_controller, path, factory, {}, space)
    for maker in makers.values():
        maker(0)
    return dict(makers)


def _derived(config: Config, supernet: SupernetParts | None) -> Factory:
    """What makes the controller that proposes the architectures which a supernet's alphas stand for."""
    if supernet is None or not supernet.has_alphas:
        raise ConfigError("controller.kind", "derived needs a supernet with architecture parameters")
    count = config.budget.trials
    if count is None:
        raise ConfigError("budget.trials", "is required: how many architectures are derived")

    def make(space: Space, seed: int) -> Controller:
        return controllers.Listed(space, seed, supernet.derived(count))

    return make


def _make_controller(
    path: str, factory: Factory, options: Mapping[str, Any], space: Space, seed: int
) -> Controller:
    made: Controller = call(path, factory, options, space=space, seed=seed)
    return made


def _check_shapes(parts: Parts) -> None:
    """Builds a few architectures, so that a space that does not fit the images is no surprise later."""
    if not parts.space.can_build:
        if parts.macro:
            raise ConfigError("space.macro", "is for spaces that build architectures, this one does not")
        return
    for genotype in parts.space.sample(SHAPES_TRIED, seed=0):
        candidate = parts.candidate(genotype)
        try:
            _ = candidate.architecture
        except (ValueError, TypeError) as error:
            raise ConfigError(
                "space",
                f"{parts.space.name} cannot be built for images {list(parts.input_shape)} and "
                f"{parts.num_classes} classes: {error}",
            ) from error


def _check_final(config: Config, parts: Parts) -> None:
    final = config.final
    for i, name in enumerate(final.export):
        path = f"final.export[{i}]"
        if name not in export.EXPORTERS:
            raise unknown(path, "format", name, export.EXPORTERS)
        if name not in export.available():
            raise ConfigError(path, f"{name!r} needs more packages: pip install 'efficient-nas[export]'")
        if final.export.index(name) < i:
            raise ConfigError(path, f"must not repeat, got {shown(name)} again")
        if not parts.trainable:
            raise ConfigError(path, "this evaluator trains no network to export, it has no train_final")
    if final.epochs is not None and not parts.trainable:
        raise ConfigError("final.epochs", "this evaluator trains no finalists, it has no train_final")


def _qualified_name(value: Any) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
