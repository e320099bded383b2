"""The loop repeats: after any interruption, with any snapshots, and whatever the executor."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from execution_parts import SPACE, Interrupting, Noisy, evaluation, search
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas import controllers, spaces
from efficient_nas.errors import Interrupted, RunFolderError, SearchError
from efficient_nas.execution import Budget, InProcess
from efficient_nas.ledger import Ledger
from efficient_nas.progressive import ProgressiveSchedule, Stage
from efficient_nas.types import Job, Outcome, Result, Trial, TrialStatus, derive_seed


class NewestFirst(InProcess):
    """Returns the newest job first: another order of arrival than of trials."""

    def wait(self) -> Outcome:
        self._jobs.rotate(1)
        return super().wait()


def trials_of(path: Path) -> list[Trial]:
    with Ledger.open(path, read_only=True) as ledger:
        return ledger.trials("main")


def test_trials_are_numbered_seeded_and_complete(tmp_path: Path) -> None:
    search(tmp_path / "l", trials=25)
    trials = trials_of(tmp_path / "l")
    assert [t.trial for t in trials] == list(range(25))
    assert [t.seed for t in trials] == [derive_seed(5, "main", "trial", i) for i in range(25)]
    assert all(t.status is TrialStatus.COMPLETED and t.reason is None for t in trials)
    assert all(t.architecture == SPACE.to_string(t.genotype) for t in trials)
    assert all(t.metrics["threads"] == 1 for t in trials)


@settings(max_examples=15)
@given(
    controller=st.sampled_from(controllers.available()),
    parallelism=st.integers(1, 6),
    snapshots=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    interruptions=st.lists(st.integers(0, 9), max_size=3),
    progressive=st.booleans(),
)
def test_interrupted_and_resumed_is_unbroken(
    controller: str,
    parallelism: int,
    snapshots: tuple[int, int],
    interruptions: list[int],
    progressive: bool,
) -> None:
    setting: dict[str, Any] = {
        "controller": controller,
        "parallelism": parallelism,
        "progressive": progressive,
        "trials": 18,
    }
    evaluate = evaluation(Noisy({"010": "nan", "120": "raise"}))
    with tempfile.TemporaryDirectory() as name:
        unbroken = search(Path(name) / "a", InProcess(evaluate), **setting)
        assert unbroken.count(b"\n") == 18
        path = Path(name) / "b"
        for calls in interruptions:
            try:
                executor = InProcess(Interrupting(evaluate, calls))
                search(path, executor, snapshot_every=snapshots[0], **setting)
            except Interrupted:
                pass
        assert search(path, InProcess(evaluate), snapshot_every=snapshots[1], **setting) == unbroken


@pytest.mark.parametrize("snapshot_every", [1, 5, 100])
@pytest.mark.parametrize("first", [{"trials": 10}, {"epochs": 18}, {"trials": 3}])
def test_a_raised_budget_goes_on_as_if_it_had_been_so(
    tmp_path: Path, first: dict[str, Any], snapshot_every: int
) -> None:
    setting: dict[str, Any] = {
        "controller": "local_search",
        "parallelism": 4,
        "snapshot_every": snapshot_every,
    }
    unbroken = search(tmp_path / "a", trials=24, **setting)
    assert unbroken.startswith(search(tmp_path / "b", budget=Budget(**first), **setting))
    assert search(tmp_path / "b", trials=24, **setting) == unbroken


def test_resume_computes_only_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "l"
    evaluate = evaluation(Noisy())
    with pytest.raises(Interrupted, match="arm main: stopped after 10 trials"):
        search(path, InProcess(Interrupting(evaluate, 10)))
    assert len(trials_of(path)) == 10
    # Exactly the 20 missing evaluations: one call more would be interrupted.
    search(path, InProcess(Interrupting(evaluate, 20)))
    assert len(trials_of(path)) == 30
    search(path, InProcess(Interrupting(evaluate, 0)))


def test_snapshots_spare_the_replay(tmp_path: Path) -> None:
    """What was told before the snapshot is not told again, and the observer still sees every trial once."""
    path = tmp_path / "l"
    told: list[int] = []
    seen: list[int] = []

    class Watched(controllers.Random):
        def tell(self, results: Any) -> None:
            told.extend(result.trial for result in results)
            super().tell(results)

    def observe(trial: Trial, result: Result) -> None:
        assert np.array_equal(trial.genotype, result.genotype)
        seen.append(trial.trial)

    for resumed in ([*range(20)], [16, 17, 18, 19]):
        told.clear()
        seen.clear()
        make = Watched(SPACE, 3)
        search(path, trials=20, snapshot_every=8, make=make, on_trial=observe)
        assert told == resumed and seen == [*range(20)]


def test_the_order_of_asks_follows_the_slots(tmp_path: Path) -> None:
    """Trial t is asked when exactly the trials 0 to t - parallelism were told, whatever finishes first."""
    log: list[str] = []

    class Logged(controllers.Random):
        def ask(self, n: int) -> Any:
            proposals = super().ask(n)
            log.extend(f"ask {p.trial}" for p in proposals)
            return proposals

        def tell(self, results: Any) -> None:
            log.extend(f"tell {r.trial}" for r in results)
            super().tell(results)

    make = Logged(SPACE, 3)
    search(tmp_path / "l", NewestFirst(evaluation(Noisy())), make=make, trials=6, parallelism=3)
    first = ["ask 0", "ask 1", "ask 2", "tell 0", "ask 3", "tell 1", "ask 4", "tell 2", "ask 5"]
    assert log == [*first, "tell 3", "tell 4", "tell 5"]


def test_failures_are_recorded_with_their_reason(tmp_path: Path) -> None:
    trouble = {
        "000": "raise",
        "001": "failed",
        "010": "nan",
        "011": "incomplete",
        "100": "text",
        "110": "exit",
    }
    search(tmp_path / "l", InProcess(evaluation(Noisy(trouble))), controller="random", trials=200)
    reasons = {t.architecture[:22]: t.reason for t in trials_of(tmp_path / "l") if t.reason}
    assert sorted(set(reasons.values())) == [
        "RuntimeError: out of memory at <object object at 0x…>",
        "SystemExit: 3",
        "does not fit",
        "metric 'accuracy' is nan",
        "metric 'accuracy' must be a number, got 'high'",
        "metric 'latency_ms' is missing; there are accuracy",
    ]
    failed = [t for t in trials_of(tmp_path / "l") if t.status is TrialStatus.FAILED]
    assert all(t.metrics == {} for t in failed)


def test_a_hopeless_search_stops_and_says_why(tmp_path: Path) -> None:
    def fail(job: Job) -> dict[str, float]:
        raise FileNotFoundError("no such folder: weights")

    message = "all of the first 10 trials failed: FileNotFoundError: no such folder: weights"
    with pytest.raises(SearchError, match=message):
        search(tmp_path / "l", InProcess(fail))
    assert 10 <= len(trials_of(tmp_path / "l")) <= 12
    with pytest.raises(SearchError, match="all of the first 4 trials failed"):
        search(tmp_path / "short", InProcess(fail), trials=4)


def test_an_exhausted_space_ends_the_arm(tmp_path: Path) -> None:
    path = tmp_path / "l"
    small = SPACE.restrict(max_depth=1, max_width=8)
    make = controllers.create("random", small, 1)
    search(path, space=small, make=make, trials=500)
    with Ledger.open(path) as ledger:
        assert len(ledger.trials()) == 81 == small.size
        (event,) = ledger.events("space_exhausted")
        assert event["detail"] == "every architecture of the space was tried after 81 trials"


@pytest.mark.parametrize("snapshot_every", [1, 100])
def test_an_exhausted_stage_opens_the_next(tmp_path: Path, snapshot_every: int) -> None:
    """The architectures of a stage may be fewer than its genotypes, and than the trials it was given."""
    space = spaces.create("nasbench201")
    stages = [Stage(until=0.8, operations=("none", "skip_connect")), Stage(until=1.0)]
    small = space.restrict(operations=("none", "skip_connect"))
    distinct = len(set(small.canonical_bytes(small.enumerate())))
    assert 3 < distinct < 16

    def resume(path: Path, calls: int, make: controllers.Controller) -> bytes:
        evaluate = Interrupting(evaluation(Noisy(), space), calls)
        schedule = ProgressiveSchedule(space, stages, 20)
        setting: dict[str, Any] = {"trials": 26, "snapshot_every": snapshot_every, "schedule": schedule}
        return search(path, InProcess(evaluate), make=make, space=space, **setting)

    unbroken = resume(tmp_path / "a", 26, controllers.create("local_search", space, 3))
    # The second stage also serves the trials beyond the budget that the stages were made for.
    expected = [0] * distinct + [1] * (26 - distinct)
    assert [t.stage for t in trials_of(tmp_path / "a")] == expected
    for calls in (distinct + 3, 4):
        with pytest.raises(Interrupted):
            resume(tmp_path / "b", calls, controllers.create("local_search", space, 3))
    assert resume(tmp_path / "b", 26, controllers.create("local_search", space, 3)) == unbroken


def test_budgets_in_epochs_and_seconds(tmp_path: Path) -> None:
    search(tmp_path / "epochs", budget=Budget(epochs=21), parallelism=1)
    assert len(trials_of(tmp_path / "epochs")) == 11  # 2 epochs each; the last one passes the limit
    path = tmp_path / "seconds"
    slow = InProcess(evaluation(Noisy(sleep=0.02)))
    search(path, slow, budget=Budget(seconds=0.3), parallelism=2)
    count = len(trials_of(path))
    assert 1 <= count <= 17
    search(path, slow, budget=Budget(seconds=0.3), parallelism=2)  # the clock goes on where it stopped
    assert len(trials_of(path)) == count


def test_a_gap_in_the_ledger_is_filled_whatever_the_clock_says(tmp_path: Path) -> None:
    """Killed after a later trial was committed: those before it were asked, too, so they count."""
    evaluate = evaluation(Noisy())
    with pytest.raises(Interrupted):
        search(tmp_path / "l", NewestFirst(Interrupting(evaluate, 2)), parallelism=4)
    assert [t.trial for t in trials_of(tmp_path / "l")] == [2, 3]
    search(tmp_path / "l", budget=Budget(seconds=1e-9), parallelism=4)
    assert [t.trial for t in trials_of(tmp_path / "l")] == [0, 1, 2, 3]


@pytest.mark.parametrize("budget", [{}, {"trials": 0}, {"seconds": float("nan")}, {"epochs": -1}])
def test_impossible_budgets_are_refused(budget: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="budget"):
        Budget(**budget)  # type: ignore[arg-type]


def test_a_ledger_of_another_search_is_refused(tmp_path: Path) -> None:
    search(tmp_path / "l", trials=5)
    before = trials_of(tmp_path / "l")
    with pytest.raises(RunFolderError, match="trial 0 of arm main does not repeat"):
        search(tmp_path / "l", trials=5, seed=6)
    assert [t.trial for t in trials_of(tmp_path / "l")] == [t.trial for t in before]
