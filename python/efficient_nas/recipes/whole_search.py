"""`nas.search`: from a config to a run folder with ledger, finalists and report."""

from __future__ import annotations

import contextlib
import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from efficient_nas import _core
from efficient_nas.controllers import Random
from efficient_nas.devices import describe
from efficient_nas.errors import ConfigError, Interrupted
from efficient_nas.execution import Budget, Evaluation, InProcess, ProcessPool, run_arm
from efficient_nas.ledger import Ledger, RunFolder, storage_errors
from efficient_nas.objectives import Pareto
from efficient_nas.protocols import CostModel, Executor
from efficient_nas.recipes.build import Parts, UserObjects, build
from efficient_nas.recipes.choosing import feasible
from efficient_nas.recipes.config import Config, parse
from efficient_nas.recipes.config_loading import Fields, load_config
from efficient_nas.recipes.costs import check_costs, cost_models, required_metrics
from efficient_nas.recipes.finals import run_finals
from efficient_nas.recipes.progress import Observer, Progress, Silent
from efficient_nas.recipes.reporting import write_report
from efficient_nas.recipes.resuming import check_unchanged
from efficient_nas.recipes.run import Run, load_run
from efficient_nas.recipes.supernet_training import RANKS, train_supernet
from efficient_nas.types import Result, Trial, TrialStatus, derive_seed


def search(
    config_or_path: Fields | str | Path | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    space: Any = None,
    evaluator: Any = None,
    dataset: Any = None,
    allow_imports: Sequence[str] = (),
    *,
    seed: int | None = None,
    task: Fields | None = None,
    objective: Fields | None = None,
    controller: Fields | None = None,
    progressive: Fields | None = None,
    supernet: Fields | None = None,
    devices: Sequence[str | Fields] | None = None,
    budget: Fields | None = None,
    execution: Fields | None = None,
    control_arms: Sequence[str] | None = None,
    final: Fields | None = None,
    overrides: Sequence[str] = (),
    observer: Observer | None = None,
) -> Run:
    """The result of a whole search: trials, front, trained finalists, report (also `nas.load_run(output)`).

    config_or_path: a mapping, a YAML file, or nothing; the keyword arguments of the same names replace its
        sections. space, evaluator: a section, or an object of one's own (`nas.spaces.Space`; an object with
        `evaluate(candidate, seed)` or a function that returns the accuracy or a dict of metrics). dataset: a
        map-style dataset, a tuple (train, test) of them, or a `Task`.
    output: the run folder, by default the next free `runs/<config name>-<n>`.
    resume: go on in the run folder `output`. Its config is kept; one that is given must agree with it, but
        may raise the budget. Objects that were passed must be passed again.
    allow_imports: packages from which dotted names in the config may be imported.
    overrides: `KEY=VALUE` as on the command line.

    Raises ConfigError, TableError or RunFolderError before the first trial for whatever is wrong in what was
    given; SearchError when every trial fails; Interrupted on Ctrl-C. A stopped search can always be resumed.
    """
    objects = UserObjects(
        space=None if isinstance(space, Mapping) else space,
        evaluator=None if isinstance(evaluator, Mapping) else evaluator,
        dataset=dataset,
    )
    sections = {
        "seed": seed,
        "space": space if isinstance(space, Mapping) else None,
        "task": task,
        "evaluator": evaluator if isinstance(evaluator, Mapping) else None,
        "objective": objective,
        "controller": controller,
        "progressive": progressive,
        "supernet": supernet,
        "devices": devices,
        "budget": budget,
        "execution": execution,
        "control_arms": control_arms,
        "final": final,
    }
    given = {name: section for name, section in sections.items() if section is not None}
    observer = observer or Silent()
    if resume:
        return _resume(config_or_path, output, given, overrides, objects, allow_imports, observer)
    config = load_config(config_or_path, given, overrides)
    name = Path(config_or_path).stem if isinstance(config_or_path, (str, Path)) else "search"
    target = Path(output) if output is not None else _next_free(Path("runs"), name)
    folder = RunFolder.check_creatable(target)
    parts = _checked_parts(config, objects, allow_imports, folder, config.budget.trials)
    with RunFolder.create(target).lock():
        facts = {
            "config": config.resolved(),
            "name": name,
            "objects": objects.describe(),
            "stage_trials": config.budget.trials,
            "versions": _versions(),
            "device": describe(),
        }
        with Ledger.create(folder.ledger, facts) as ledger:
            return _run(config, parts, folder, ledger, observer)


def _resume(
    config_or_path: Fields | str | Path | None,
    output: str | Path | None,
    given: Fields,
    overrides: Sequence[str],
    objects: UserObjects,
    allow_imports: Sequence[str],
    observer: Observer,
) -> Run:
    if output is None:
        raise ConfigError("output", "is required to resume: the run folder")
    folder = RunFolder.existing(output)
    with folder.lock(), Ledger.open(folder.ledger) as ledger:
        stored = ledger.meta("config")
        config = load_config(stored if config_or_path is None else config_or_path, given, overrides)
        check_unchanged(parse(stored).resolved(), config.resolved())
        for field, was in ledger.meta("objects").items():
            if field not in objects.describe():
                raise ConfigError(field, f"this run was made with an object ({was}); pass it again")
        parts = _checked_parts(config, objects, allow_imports, folder, ledger.meta("stage_trials"))
        ledger.set_meta("config", config.resolved())
        _note_versions(ledger)
        return _run(config, parts, folder, ledger, observer)


def _checked_parts(
    config: Config,
    objects: UserObjects,
    allow_imports: Sequence[str],
    folder: RunFolder,
    stage_trials: int | None,
) -> Parts:
    parts = build(config, objects, allow_imports, stage_trials)
    check_costs(config, parts, folder)
    _executor(config, Evaluation(parts.make_candidate, parts.evaluator)).close()
    return parts


def _run(config: Config, parts: Parts, folder: RunFolder, ledger: Ledger, observer: Observer) -> Run:
    try:
        with storage_errors(folder.config):
            folder.config.write_text(yaml.safe_dump(config.resolved(), sort_keys=False), encoding="utf-8")
        models = _cost_models(config, parts, folder, observer)
        if parts.supernet is not None:
            train_supernet(config, parts.supernet, folder, ledger, observer)
            parts.take_trained_weights()
        evaluation = Evaluation(
            parts.make_candidate, parts.evaluator, models, required_metrics(config, parts)
        )
        with contextlib.closing(_executor(config, evaluation)) as executor:
            for arm in parts.make_controller:
                _run_arm(arm, config, parts, executor, ledger, observer)
        if parts.supernet is not None and parts.supernet.ranks is not None:
            _run_ranks(config, parts, models, ledger, observer)
        _note_limits(parts, ledger)
        run_finals(config, parts, folder, ledger, observer)
        run = load_run(folder.path)
        write_report(run)
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted(f"{folder.path}: stopped; everything finished is kept", folder.path) from None
    return run


def _cost_models(
    config: Config, parts: Parts, folder: RunFolder, observer: Observer
) -> tuple[CostModel, ...]:
    progress = Progress("costs")

    def measured(done: int, total: int) -> None:
        if progress.total is None:
            progress.total = total
            observer.begin(progress)
        progress.step(done, total)
        observer.update(progress)

    return cost_models(config, parts, folder, measured)


def _run_arm(
    arm: str, config: Config, parts: Parts, executor: Executor, ledger: Ledger, observer: Observer
) -> None:
    budget = Budget(**config.budget.model_dump())
    already = len(ledger.trials(arm))
    progress = Progress(arm, budget.trials, budget, parts.objective.metrics, already, ledger.elapsed(arm))
    observer.begin(progress)

    def told(trial: Trial, result: Result) -> None:
        progress.add(trial, result)
        observer.update(progress)

    note = run_arm(
        arm,
        space=parts.space,
        controller=parts.make_controller[arm](derive_seed(config.seed, arm, "controller")),
        objective=parts.objective,
        executor=executor,
        ledger=ledger,
        seed=config.seed,
        budget=budget,
        parallelism=config.execution.parallelism,
        schedule=parts.schedule if arm == "main" else None,
        on_trial=told,
    )
    if note:
        observer.note(f"arm {arm}: {note}")


def _run_ranks(
    config: Config,
    parts: Parts,
    models: Sequence[CostModel],
    ledger: Ledger,
    observer: Observer,
) -> None:
    """The arm of random architectures that are judged by the supernet's weights and trained alone."""
    assert parts.supernet is not None and parts.supernet.ranks is not None and config.supernet is not None
    evaluation = Evaluation(parts.make_candidate, parts.supernet.ranks, models)
    count = config.supernet.rank_sample
    progress = Progress(RANKS, count, metrics=["accuracy"], already=len(ledger.trials(RANKS)))
    observer.begin(progress)

    def told(trial: Trial, result: Result) -> None:
        progress.add(trial, result)
        observer.update(progress)

    with contextlib.closing(_executor(config, evaluation)) as executor:
        run_arm(
            RANKS,
            space=parts.space,
            controller=Random(parts.space, derive_seed(config.seed, RANKS, "controller")),
            objective=Pareto(maximize=["accuracy"]),
            executor=executor,
            ledger=ledger,
            seed=config.seed,
            budget=Budget(trials=count),
            parallelism=config.execution.parallelism,
            on_trial=told,
        )


def _executor(config: Config, evaluation: Evaluation) -> Executor:
    execution = config.execution
    if execution.workers == 0:
        return InProcess(evaluation)
    workers = min(execution.workers, execution.parallelism)
    try:
        return ProcessPool(evaluation, workers, execution.timeout_seconds)
    except ValueError as error:
        raise ConfigError("execution.workers", f"{error}, got {execution.workers}") from error


def _next_free(parent: Path, name: str) -> Path:
    pattern = re.compile(rf"{re.escape(name)}-(\d+)")
    taken = [int(m[1]) for m in map(pattern.fullmatch, _names(parent)) if m]
    return parent / f"{name}-{max(taken, default=0) + 1}"


def _names(folder: Path) -> list[str]:
    with storage_errors(folder):
        return [item.name for item in folder.iterdir()] if folder.is_dir() else []


def _note_limits(parts: Parts, ledger: Ledger) -> None:
    """Says so if the search is over and nothing it found keeps the limits."""
    trials = ledger.trials("main")
    if feasible(trials, parts.objective):
        return
    completed = [trial for trial in trials if trial.status is TrialStatus.COMPLETED]
    closest = min(completed, key=lambda trial: parts.objective.violation(trial.metrics))
    found = ", ".join(f"{name} {closest.metrics[name]:.6g}" for name in parts.objective.limits)
    asked = ", ".join(f"{name} {limit:.6g}" for name, limit in parts.objective.limits.items())
    note = f"no trial keeps the limits ({asked}); closest is trial {closest.trial} with {found}"
    ledger.add_event_once("limits", note)


def _note_versions(ledger: Ledger) -> None:
    """Notes, once, that a run goes on with other versions: its floats need not repeat."""
    began, now = ledger.meta("versions"), _versions()
    changed = [f"{name} {began.get(name)} to {now[name]}" for name in now if began.get(name) != now[name]]
    note = f"resumed with other versions: {', '.join(changed)}"
    if changed:
        ledger.add_event_once("versions", note)


def _versions() -> dict[str, str]:
    packages = {name: metadata.version(name) for name in ("torch", "numpy")}
    return {"efficient_nas": _core.__version__, "python": platform.python_version(), **packages}
