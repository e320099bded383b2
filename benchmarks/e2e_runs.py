"""Searches and single trainings in one folder, two at a time, each in a process with one thread of its own.

Two such processes get more out of two cores than one after the other with two threads each.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import efficient_nas as nas
from efficient_nas.recipes import load_config
from efficient_nas.recipes.build import UserObjects, build

PROCESSES = 2
SERIAL = {"execution": {"kind": "local", "parallelism": 1, "workers": 0}}


class Job(Protocol):
    """Something that is done once in a folder; what was stopped goes on, what is there is left alone."""

    name: str

    def run(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Search:
    """A search of a config, with other sections in place of its own."""

    name: str
    config: Mapping[str, Any]
    sections: Mapping[str, Any] = field(default_factory=dict)

    def run(self, folder: Path) -> None:
        path = folder / self.name
        resume = (path / "ledger.sqlite").is_file()
        nas.search(dict(self.config), path, resume=resume, **{**SERIAL, **self.sections})


@dataclass(frozen=True)
class Training:
    """One more training of an architecture, by the evaluator of a config and with a seed of its own."""

    name: str
    config: Mapping[str, Any]
    architecture: str
    seed: int

    def run(self, folder: Path) -> None:
        path = folder / f"{self.name}.json"
        if not path.is_file():
            parts = _parts(json.dumps(dict(self.config)))
            candidate = parts.candidate(parts.space.from_string(self.architecture))
            path.write_text(json.dumps(parts.evaluator.evaluate(candidate, self.seed)))


@cache
def _parts(config: str) -> Any:
    """The objects of a config; its images are read once in each process."""
    return build(load_config(json.loads(config), {}), UserObjects(), (), None)


class Runs:
    """What is in the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, jobs: Sequence[Job]) -> None:
        """Does what is not done yet; begins in the given order, so the longest should come first."""
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(PROCESSES, context, _one_thread) as pool:
            futures = {pool.submit(job.run, self.folder): job.name for job in jobs}
            for count, future in enumerate(as_completed(futures), 1):
                future.result()
                print(f"{count}/{len(futures)} {futures[future]}", file=sys.stderr, flush=True)

    def search(self, name: str) -> Any:
        """The search of that name."""
        return nas.load_run(self.folder / name)

    def accuracy(self, name: str) -> float:
        """Of the training of that name."""
        return float(json.loads((self.folder / f"{name}.json").read_text())["accuracy"])


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
