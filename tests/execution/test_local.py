"""Worker processes: same results however many, and a crash or time-out costs one trial."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from execution_parts import SPACE, Noisy, evaluation, search

from efficient_nas import controllers
from efficient_nas.errors import SearchError
from efficient_nas.execution import ProcessPool
from efficient_nas.ledger import Ledger
from efficient_nas.types import Job

SMALL = SPACE.restrict(max_depth=2, max_width=8, operations=["skip", "conv"])


@pytest.fixture
def pools() -> Iterator[list[ProcessPool]]:
    """Closes the pools that a test puts in, and checks that no process is left."""
    opened: list[ProcessPool] = []
    yield opened
    for pool in opened:
        pool.close()
    assert multiprocessing.active_children() == []


def job(number: int, first_three: str) -> Job:
    genotype = np.array([*map(int, first_three), 1, 1, 1], np.uint8)
    return Job(number, genotype, seed=number)


def test_the_archive_does_not_depend_on_workers(tmp_path: Path, pools: list[ProcessPool]) -> None:
    evaluate = evaluation(Noisy({"012": "raise", "100": "nan"}))
    pools += [ProcessPool(evaluate, 1), ProcessPool(evaluate, 3)]
    archives = {search(tmp_path / str(i), pool, trials=40, parallelism=4) for i, pool in enumerate(pools)}
    archives.add(search(tmp_path / "unpooled", trials=40, parallelism=4, evaluate=evaluate))
    assert len(archives) == 1


def test_crashes_and_time_outs_cost_one_trial_each(tmp_path: Path, pools: list[ProcessPool]) -> None:
    trouble = {"000": "kill", "010": "hang", "100": "raise", "110": "failed"}
    pool = ProcessPool(evaluation(Noisy(trouble)), 2, timeout_seconds=1.0)
    pools.append(pool)
    make = controllers.create("random", SMALL, 4)
    search(tmp_path / "l", pool, space=SMALL, make=make, trials=32, parallelism=4)
    with Ledger.open(tmp_path / "l", read_only=True) as ledger:
        trials = ledger.trials("main")
    assert [t.trial for t in trials] == list(range(32))
    reasons = {"".join(map(str, t.genotype[:3])): t.reason for t in trials}
    assert reasons == {
        "000": "the worker process was killed by signal SIGKILL",
        "001": None,
        "010": "timed out after 1 s",
        "011": None,
        "100": "RuntimeError: out of memory at <object object at 0x…>",
        "101": None,
        "110": "does not fit",
        "111": None,
    }


def test_a_worker_that_dies_between_jobs_is_replaced(pools: list[ProcessPool]) -> None:
    """No trial is to blame. One that ends its process in a job is."""
    pools.append(ProcessPool(evaluation(Noisy({"000": "die"})), 1))
    for number in range(2):
        pools[0].submit(job(number, "111"))
        assert pools[0].wait().metrics is not None
        (worker,) = multiprocessing.active_children()
        assert worker.pid is not None
        if number == 0:
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
    pools[0].submit(job(2, "000"))
    assert pools[0].wait().reason == "the worker process ended with exit code 3"


def test_cancel_returns_what_has_arrived(pools: list[ProcessPool]) -> None:
    pool = ProcessPool(evaluation(Noisy({"000": "hang"})), 2)
    pools.append(pool)
    for number, first_three in enumerate(["000", "111", "112", "121"]):
        pool.submit(job(number, first_three))
    assert pool.wait().trial == 1
    time.sleep(0.3)  # by now job 2 has arrived, and nobody has sent job 3
    assert {outcome.trial for outcome in pool.cancel()} <= {2}
    pool.submit(job(9, "111"))
    assert pool.wait().trial == 9
    with pytest.raises(ValueError, match="no job was submitted"):
        pool.wait()


class FailsToLoad:
    def __reduce__(self) -> tuple[object, ...]:
        return os.stat, ("/no/such/file",)


class EndsItsWorker:
    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (7,)


@pytest.mark.parametrize(
    ("evaluator", "message"),
    [
        (FailsToLoad(), "a worker process cannot load the evaluation: FileNotFoundError"),
        (EndsItsWorker(), "a worker process could not start: .* exit code 7"),
    ],
)
def test_workers_that_do_not_start_are_an_error(
    pools: list[ProcessPool], evaluator: object, message: str
) -> None:
    pools.append(ProcessPool(evaluation(evaluator), 1))
    pools[0].submit(job(0, "111"))
    with pytest.raises(SearchError, match=message):
        pools[0].wait()


UNGUARDED = """
from pathlib import Path
from execution_parts import Noisy, SPACE, evaluation
from efficient_nas.execution import ProcessPool
from efficient_nas.types import Job
pool = ProcessPool(evaluation(Noisy()), 1)
with Path("log").open("a") as log:
    log.write("went on")
pool.submit(Job(0, SPACE.sample(1, 0)[0], 0))
pool.wait()
"""


def test_a_script_without_main_guard_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    ended = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith("keep its own work under `if __name__ == '__main__':`")
    assert (tmp_path / "log").read_text() == "went on"  # only once: the worker stopped before


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be sent to worker processes"):
        ProcessPool(evaluation(lambda candidate, seed: 1.0), 1)
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        ProcessPool(evaluation(Noisy()), 0)
    with pytest.raises(ValueError, match="timeout_seconds must be above 0, got 0"):
        ProcessPool(evaluation(Noisy()), 1, timeout_seconds=0)
