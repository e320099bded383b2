"""The search loop: ask, evaluate, commit, tell; a killed search repeats (docs/design/search.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from efficient_nas.errors import Interrupted, RunFolderError, SearchError, SpaceExhausted
from efficient_nas.ledger import Ledger
from efficient_nas.protocols import Controller, Executor, Objective, Schedule, SearchSpace
from efficient_nas.threads import fixed_threads
from efficient_nas.types import Job, Outcome, Proposal, Result, Trial, TrialStatus, derive_seed

HOPELESS = 10
"""A search whose first trials all failed stops after this many."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When an arm ends: whichever limit is reached first. Epochs are the sum of the metric `epochs`.

    Trials that run when the seconds or epochs are used up are finished and count.
    """

    trials: int | None = None
    seconds: float | None = None
    epochs: float | None = None

    def __post_init__(self) -> None:
        limits = (self.trials, self.seconds, self.epochs)
        if all(limit is None for limit in limits):
            raise ValueError("budget: needs trials, seconds or epochs")
        if any(limit is not None and not limit > 0 for limit in limits):
            raise ValueError(f"budget: limits must be above 0, got {self}")


Observer = Callable[[Trial, Result], None]
"""Called for every trial of an arm when it is told, in order; on resume also for those told before."""


def run_arm(
    arm: str,
    *,
    space: SearchSpace,
    controller: Controller,
    objective: Objective,
    executor: Executor,
    ledger: Ledger,
    seed: int,
    budget: Budget,
    parallelism: int = 1,
    schedule: Schedule | None = None,
    snapshot_every: int = 200,
    on_trial: Observer | None = None,
) -> str | None:
    """Runs one arm to the end of its budget; returns a note if it ended before, else None.

    Trials that the ledger holds already are told instead of computed, so that the same call resumes. The
    archive depends on every argument except `executor`, `snapshot_every` and `on_trial`.
    Raises Interrupted after Ctrl-C (all finished trials are committed then), SearchError when nothing but
    failures comes back, RunFolderError when the ledger cannot be written or belongs to another search.
    """
    if parallelism < 1 or snapshot_every < 1:
        raise ValueError(
            f"run_arm: parallelism and snapshot_every must be at least 1, got {parallelism}, {snapshot_every}"
        )
    loop = _Arm(
        arm,
        space,
        controller,
        objective,
        executor,
        ledger,
        seed,
        budget,
        parallelism,
        schedule,
        snapshot_every,
        on_trial,
    )
    with fixed_threads(1):
        try:
            loop.restore()
            return loop.run()
        except KeyboardInterrupt:
            loop.commit_finished()
            raise Interrupted(f"arm {arm}: stopped after {loop.told} trials") from None
        except BaseException:
            loop.commit_finished()
            raise


@dataclass
class _Arm:
    """The loop's arguments, and where it stands.

    in_flight: proposals asked and not told, with their stage. finished: committed trials that are not told.
    """

    arm: str
    space: SearchSpace
    controller: Controller
    objective: Objective
    executor: Executor
    ledger: Ledger
    seed: int
    budget: Budget
    parallelism: int
    schedule: Schedule | None
    snapshot_every: int
    on_trial: Observer | None
    asked: int = 0
    told: int = 0
    completed: int = 0
    epochs: float = 0.0
    exhausted: bool = False
    in_flight: dict[int, tuple[Proposal, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stage = -1 if self.schedule else 0
        self.finished = {trial.trial: trial for trial in self.ledger.trials(self.arm)}
        self.last_recorded = max(self.finished, default=-1)
        self.began = time.monotonic() - self.ledger.elapsed(self.arm)

    def run(self) -> str | None:
        while True:
            while self.asked < self.told + self.parallelism and not self.exhausted and not self.spent():
                self.ask()
            if self.told == self.asked:
                break
            if self.told in self.finished:
                self.tell(self.finished.pop(self.told))
            else:
                self.commit(self.executor.wait())
        if self.told and not self.completed:
            raise SearchError(self.hopeless())
        if not self.exhausted:
            return None
        note = f"every architecture of the space was tried after {self.told} trials"
        self.ledger.add_event_once("space_exhausted", note, self.arm, self.told)
        return note

    def spent(self) -> bool:
        budget = self.budget
        if budget.trials is not None and self.asked >= budget.trials:
            return True
        if budget.epochs is not None and self.epochs >= budget.epochs:
            return True
        over_time = budget.seconds is not None and self.elapsed() >= budget.seconds
        return over_time and self.asked > self.last_recorded

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def ask(self) -> None:
        trial = self.asked
        if self.schedule:
            # A budget raised on resume keeps the boundaries of the first one: the rest is in the last stage.
            self.open_stage(max(self.stage, self.schedule.stage_of(min(trial, self.schedule.trials - 1))))
        while True:
            try:
                proposal = self.controller.ask(1)[0]
                break
            except SpaceExhausted:
                if self.schedule is None or self.stage + 1 >= len(self.schedule.stages):
                    self.exhausted = True
                    return
                self.open_stage(self.stage + 1)
        if proposal.trial != trial:
            raise SearchError(
                f"arm {self.arm}: the controller proposed trial {proposal.trial}, expected {trial}"
            )
        self.start(proposal, self.stage)

    def open_stage(self, stage: int) -> None:
        if self.schedule is not None and stage != self.stage:
            self.controller.open_stage(self.schedule.space_of(stage))
            self.stage = stage

    def start(self, proposal: Proposal, stage: int) -> None:
        """Submits a proposal, or checks it against the ledger if its outcome is known already."""
        self.in_flight[proposal.trial] = (proposal, stage)
        self.asked += 1
        recorded = self.finished.get(proposal.trial)
        seed = derive_seed(self.seed, self.arm, "trial", proposal.trial)
        if recorded is None:
            self.executor.submit(Job(proposal.trial, proposal.genotype, seed))
            return
        if (
            not np.array_equal(recorded.genotype, proposal.genotype)
            or recorded.origin != proposal.origin
            or (recorded.seed, recorded.stage) != (seed, stage)
        ):
            raise RunFolderError(
                f"{self.ledger.path}: trial {proposal.trial} of arm {self.arm} does not repeat (recorded "
                f"{recorded.architecture}, now {self.space.to_string(proposal.genotype)}); "
                "the run was made by another version or on another kind of machine"
            )

    def commit(self, outcome: Outcome) -> None:
        proposal, stage = self.in_flight[outcome.trial]
        trial = Trial(
            arm=self.arm,
            trial=outcome.trial,
            stage=stage,
            origin=proposal.origin,
            genotype=proposal.genotype,
            architecture=self.space.to_string(proposal.genotype),
            seed=derive_seed(self.seed, self.arm, "trial", outcome.trial),
            status=TrialStatus.FAILED if outcome.metrics is None else TrialStatus.COMPLETED,
            reason=outcome.reason,
            metrics=outcome.metrics or {},
            seconds=outcome.seconds,
        )
        self.ledger.record(trial, self.elapsed())
        self.finished[outcome.trial] = trial

    def commit_finished(self) -> None:
        for outcome in self.executor.cancel():
            self.commit(outcome)

    def tell(self, trial: Trial) -> None:
        proposal, _ = self.in_flight.pop(trial.trial)
        result = self.result(trial, proposal)
        self.controller.tell([result])
        self.told += 1
        self.count(trial, result)
        if self.told == HOPELESS and not self.completed:
            raise SearchError(self.hopeless())
        # At the end of a budget slots stay empty that a higher one would fill: no state to resume from.
        if self.told % self.snapshot_every == 0 and self.asked - self.told == self.parallelism - 1:
            self.save()

    def result(self, trial: Trial, proposal: Proposal) -> Result:
        if trial.status is TrialStatus.FAILED:
            values = (float("inf"),) * len(self.objective.names)
            return Result(trial.trial, proposal.genotype, proposal.origin, values, failed=True)
        return Result(
            trial.trial,
            proposal.genotype,
            proposal.origin,
            self.objective.values(trial.metrics),
            self.objective.violation(trial.metrics),
        )

    def count(self, trial: Trial, result: Result) -> None:
        self.completed += trial.status is TrialStatus.COMPLETED
        self.epochs += trial.metrics.get("epochs", 0.0)
        if self.on_trial:
            self.on_trial(trial, result)

    def hopeless(self) -> str:
        reasons = {trial.reason for trial in self.ledger.trials(self.arm) if trial.reason}
        return f"arm {self.arm}: all of the first {self.told} trials failed: {'; '.join(sorted(reasons)[:3])}"

    def save(self) -> None:
        flying = [
            {"genotype": proposal.genotype, "origin": proposal.origin, "stage": stage}
            for _, (proposal, stage) in sorted(self.in_flight.items())
        ]
        state = {"controller": self.controller.state_dict(), "in_flight": flying, "stage": self.stage}
        self.ledger.save_snapshot(self.arm, self.told, state)

    def restore(self) -> None:
        snapshot = self.ledger.snapshot(self.arm)
        if snapshot is None:
            return
        self.open_stage(snapshot.state["stage"])
        self.controller.load_state_dict(snapshot.state["controller"])
        for number in range(snapshot.told):
            trial = self.finished.pop(number)
            self.count(trial, self.result(trial, Proposal(number, trial.genotype, trial.origin)))
        self.told = self.asked = snapshot.told
        for flying in snapshot.state["in_flight"]:
            self.start(Proposal(self.asked, flying["genotype"], flying["origin"]), flying["stage"])
