"""Executors of one machine: in this process, or in worker processes that may crash or hang."""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import wait

from efficient_nas.errors import SearchError
from efficient_nas.execution.evaluation import run_job
from efficient_nas.execution.interrupts import shielded
from efficient_nas.execution.worker import HELLO, READY, serve
from efficient_nas.types import Job, Metrics, Outcome

_POLL_SECONDS = 1.0
_UNGUARDED = "A script that starts workers must keep its own work under `if __name__ == '__main__':`"


class InProcess:
    """Runs each job in this process when it is waited for. A crash of the job is a crash of the search."""

    def __init__(self, evaluate: Callable[[Job], Metrics]) -> None:
        self._evaluate = evaluate
        self._jobs: collections.deque[Job] = collections.deque()

    def submit(self, job: Job) -> None:
        """Queues a job."""
        self._jobs.append(job)

    def wait(self) -> Outcome:
        """The outcome of the oldest job."""
        outcome = run_job(self._evaluate, self._jobs[0])
        self._jobs.popleft()
        return outcome

    def cancel(self) -> list[Outcome]:
        """Drops all queued jobs; nothing finishes unseen here."""
        self._jobs.clear()
        return []

    def close(self) -> None:
        """Drops all queued jobs."""
        self._jobs.clear()


class _Worker:
    """One child process, its pipe, and the job it runs."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,))
        # The first start of the tracker unblocks signals, so it comes before they are blocked for the child.
        resource_tracker.ensure_running()
        with _signals_blocked():
            self.process.start()
        theirs.close()
        self.ready = False
        self.job: Job | None = None
        self.started = 0.0

    def run(self, job: Job) -> None:
        self.job, self.started = job, time.monotonic()
        with contextlib.suppress(OSError):  # its death is noticed when it is read from
            self.connection.send(job)

    def seconds(self) -> float:
        """Since its job began."""
        return time.monotonic() - self.started

    def stop(self) -> None:
        """Lets an idle worker leave, kills any other."""
        if self.ready and self.job is None:
            with contextlib.suppress(OSError):
                self.connection.send(None)
            self.process.join(5)
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()

    def death(self) -> str:
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"the worker process was killed by signal {signal.Signals(-code).name}"
        return f"the worker process ended with exit code {code}"


class ProcessPool:
    """Runs jobs in `workers` processes, one job each at a time; a crash or time-out costs one trial.

    evaluate: called as evaluate(job) in the workers; pickled once, so its parts must be importable there.
    timeout_seconds: a job that runs longer is killed and fails; None means never.
    torch runs on one thread in every worker. The processes end with this one, even after kill -9.
    Raises ValueError when `evaluate` cannot be pickled; `wait` raises SearchError when workers do not start.
    """

    def __init__(
        self, evaluate: Callable[[Job], Metrics], workers: int, timeout_seconds: float | None = None
    ) -> None:
        if workers < 1:
            raise ValueError(f"ProcessPool: workers must be at least 1, got {workers}")
        if timeout_seconds is not None and not timeout_seconds > 0:
            raise ValueError(f"ProcessPool: timeout_seconds must be above 0, got {timeout_seconds}")
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise SearchError(_UNGUARDED)  # here, before the script does anything else a second time
        try:
            self._payload = pickle.dumps(evaluate)
        except Exception as error:  # pickle raises whatever a __reduce__ raises
            raise ValueError(
                f"the evaluation cannot be sent to worker processes ({error}); "
                "define its functions and classes in a module, or run with 0 workers"
            ) from error
        self._size = workers
        self._timeout = timeout_seconds
        self._workers: list[_Worker] = []
        self._jobs: collections.deque[Job] = collections.deque()
        self._finished: collections.deque[Outcome] = collections.deque()

    def submit(self, job: Job) -> None:
        """Queues a job and starts it if a worker is free."""
        with shielded():
            self._jobs.append(job)
            self._dispatch()

    def wait(self) -> Outcome:
        """The outcome that arrives next, of any job."""
        while not self._finished:
            if not self._jobs and all(worker.job is None for worker in self._workers):
                raise ValueError("ProcessPool.wait: no job was submitted")
            self._receive(self._patience())
            with shielded():
                self._dispatch()
        return self._finished.popleft()

    def cancel(self) -> list[Outcome]:
        """Drops all unfinished jobs; returns the outcomes that arrived and were not waited for."""
        self._jobs.clear()
        self._receive(0)
        for worker in [worker for worker in self._workers if worker.job is not None]:
            self._discard(worker)
        outcomes = list(self._finished)
        self._finished.clear()
        return outcomes

    def close(self) -> None:
        """Ends all workers."""
        with shielded():
            for worker in self._workers:
                worker.stop()
            self._workers.clear()

    def _dispatch(self) -> None:
        """Gives jobs to idle workers, and starts workers for jobs that wait."""
        for worker in list(self._workers):
            if worker.ready and worker.job is None and worker.process.exitcode is not None:
                self._discard(worker)  # it died without a job, so no trial is to blame
            elif self._jobs and worker.ready and worker.job is None:
                worker.run(self._jobs.popleft())
        starting = sum(not worker.ready for worker in self._workers)
        while len(self._jobs) > starting and len(self._workers) < self._size:
            self._workers.append(_Worker())
            starting += 1

    def _patience(self) -> float:
        if self._timeout is None:
            return _POLL_SECONDS
        now = time.monotonic()
        left = [worker.started + self._timeout - now for worker in self._workers if worker.job is not None]
        return max(0.0, min([_POLL_SECONDS, *left]))

    def _receive(self, patience: float) -> None:
        """Handles all messages, deaths and time-outs; waits up to `patience` seconds for one of them."""
        wait(
            [item for worker in self._workers for item in (worker.connection, worker.process.sentinel)],
            patience,
        )
        with shielded():
            for worker in list(self._workers):
                dead = worker.process.exitcode is not None
                if not self._drain(worker) or dead:
                    self._bury(worker)
                elif worker.job and self._timeout and worker.seconds() > self._timeout:
                    self._fail(worker.job, f"timed out after {self._timeout:g} s", self._timeout)
                    self._discard(worker)

    def _drain(self, worker: _Worker) -> bool:
        """Reads all messages of a worker; False when its pipe is closed."""
        try:
            while worker.connection.poll():
                message = worker.connection.recv()
                if isinstance(message, SearchError):
                    raise message
                if message == HELLO:
                    worker.connection.send_bytes(self._payload)
                elif message == READY:
                    worker.ready = True
                else:
                    worker.job = None
                    self._finished.append(message)
        except (EOFError, OSError):
            return False
        return True

    def _bury(self, worker: _Worker) -> None:
        worker.process.join(5)
        if not worker.ready:
            raise SearchError(
                f"a worker process could not start: {worker.death()}; what it printed says why. {_UNGUARDED}"
            )
        if worker.job is not None:
            self._fail(worker.job, worker.death(), worker.seconds())
        self._discard(worker)

    def _discard(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.kill()

    def _fail(self, job: Job, reason: str, seconds: float) -> None:
        self._finished.append(Outcome(job.trial, None, reason, seconds))


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Blocks SIGINT and SIGTERM for this thread and for children started in the block (not on Windows)."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
