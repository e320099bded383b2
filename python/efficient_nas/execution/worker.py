"""The child's side of `ProcessPool`."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection

import torch

from efficient_nas.errors import SearchError
from efficient_nas.execution.evaluation import run_job
from efficient_nas.types import Job

HELLO, READY = "hello", "ready"


def serve(connection: Connection) -> None:
    """Runs jobs from `connection` until it closes. First comes the pickled evaluation of our parent."""
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    connection.send(HELLO)
    try:
        evaluate = pickle.loads(connection.recv_bytes())
    except EOFError:
        return
    except Exception as error:
        connection.send(SearchError(f"a worker process cannot load the evaluation: {error!r}"))
        return
    connection.send(READY)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            job: Job | None = connection.recv()
            if job is None:
                return
            connection.send(run_job(evaluate, job))


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
