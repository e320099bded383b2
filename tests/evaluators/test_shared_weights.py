"""Accuracy with shared weights: it repeats anywhere, and is that of the path's own network."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import efficient_nas as nas
from efficient_nas.errors import TrialFailed
from efficient_nas.evaluators import SharedWeights, Task, Trained, load_task
from efficient_nas.evaluators.training import accuracy_and_loss
from efficient_nas.spaces import Candidate
from efficient_nas.supernet import Supernet, Uniform

MBCONV = nas.spaces.create(
    "mbconv",
    stem_channels=4,
    head_channels=16,
    stages=[{"widths": [4, 8], "depths": [1, 2]}, {"widths": [8, 12], "depths": [1, 2], "stride": 2}],
)
SHAPE: dict[str, Any] = {"input_shape": (1, 8, 8), "num_classes": 10}


def supernets() -> dict[str, Supernet]:
    create = nas.supernet.create
    return {
        "elastic": create("elastic", MBCONV, **SHAPE),
        "single_path": create(
            "single_path",
            nas.spaces.create("nasbench_macro"),
            macro={"channels": 4, "head_channels": 8},
            **SHAPE,
        ),
        "darts": create("darts", channels=4, layers=3, **SHAPE),
        "nasbench201": create("nasbench201", channels=4, cells_per_stage=1, **SHAPE),
    }


KINDS = ("elastic", "single_path", "darts", "nasbench201")


@pytest.fixture(scope="module")
def digits() -> Task:
    pytest.importorskip("sklearn")
    return load_task("digits")


def trained(supernet: Supernet, task: Task, steps: int = 30) -> Supernet:
    """After a few steps on uniform paths."""
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.05, momentum=0.9)
    sampler = Uniform(supernet.space)
    for step in range(steps):
        supernet.set_path(sampler.paths(step)[0])
        generator = torch.Generator().manual_seed(step)
        images, labels = task.batch(task.train, torch.randperm(len(task.train), generator=generator)[:32])
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(supernet.train()(images), labels).backward()
        optimizer.step()
    return supernet


def candidates(supernet: Supernet, count: int) -> list[Candidate]:
    rows = supernet.space.sample(count, 3)
    return [Candidate(supernet.space, row, macro=supernet.macro, **SHAPE) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_depend_on_the_candidate_alone(kind: str, digits: Task) -> None:
    """Not on the order, the seed, the path set before, the global state; also in a copy that was pickled."""
    supernet = trained(supernets()[kind], digits, steps=3)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    evaluator = SharedWeights(supernet, digits, recalibration_images=64)
    some = candidates(supernet, 3)
    expected = [evaluator.evaluate(candidate, 0) for candidate in some]
    assert len({tuple(metrics.values()) for metrics in expected}) == 3
    torch.manual_seed(77)
    state = torch.get_rng_state()
    supernet.set_path(some[0].genotype)
    other = pickle.loads(pickle.dumps(evaluator))
    assert [other.evaluate(candidate, 5) for candidate in some[::-1]] == expected[::-1]
    assert [evaluator.evaluate(candidate, 9) for candidate in some[::-1]] == expected[::-1]
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_another_process_gets_the_same_numbers(digits: Task, tmp_path: Path) -> None:
    evaluator = SharedWeights(trained(supernets()["elastic"], digits, steps=3), digits, None, 64)
    (candidate,) = candidates(supernets()["elastic"], 1)
    (tmp_path / "evaluation.pickle").write_bytes(pickle.dumps((evaluator, candidate)))
    code = (
        "import pickle, sys, torch; torch.set_num_threads(2)\n"
        "evaluator, candidate = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(repr(evaluator.evaluate(candidate, 1)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "evaluation.pickle")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.strip() == repr(evaluator.evaluate(candidate, 0))


@pytest.mark.parametrize("kind", ["elastic", "single_path", "nasbench201"])
def test_it_is_the_accuracy_of_the_network_of_its_own(kind: str, digits: Task) -> None:
    """All weights of the path in its own network, with statistics of the same images."""
    supernet = trained(supernets()[kind], digits, steps=3)
    evaluator = SharedWeights(supernet, digits, recalibration_images=64)
    for candidate in candidates(supernet, 2):
        alone = candidate.architecture.to_pytorch()
        alone.load_state_dict(supernet.subnet_state(candidate.genotype))
        nas.supernet.recalibrate(alone, evaluator._images(torch.device("cpu")))
        accuracy, loss = accuracy_and_loss(alone, digits, digits.validation, torch.device("cpu"))
        metrics = evaluator.evaluate(candidate, 0)
        assert metrics["loss"] == pytest.approx(loss, rel=1e-3)
        assert metrics["accuracy"] == pytest.approx(accuracy, abs=0.01)


def test_a_trained_supernet_does_better_than_chance(digits: Task) -> None:
    """About 0.75 is seen; chance is 0.1, and shared statistics give less than recalibrated ones."""
    supernet = trained(supernets()["elastic"], digits, steps=150)
    evaluator = SharedWeights(supernet, digits)
    recalibrated, shared = [], []
    for candidate in candidates(supernet, 4):
        recalibrated.append(evaluator.evaluate(candidate, 0)["accuracy"])
        supernet.set_path(candidate.genotype)
        shared.append(accuracy_and_loss(supernet, digits, digits.validation, torch.device("cpu"))[0])
    assert np.mean(recalibrated) > 0.5
    assert np.mean(recalibrated) > np.mean(shared)


def test_finalists_are_trained_by_the_evaluator_given_for_that(digits: Task) -> None:
    supernet = supernets()["elastic"]
    assert not hasattr(SharedWeights(supernet, digits), "train_final")
    final = Trained(digits, data_fraction=0.1)
    evaluator = pickle.loads(pickle.dumps(SharedWeights(supernet, digits, final)))
    architecture = candidates(supernet, 1)[0].architecture
    _, metrics = evaluator.train_final(architecture, 3, 1)
    assert metrics == final.train_final(architecture, 3, 1)[1]


def test_what_does_not_fit_is_named(digits: Task) -> None:
    supernet = supernets()["elastic"]
    with pytest.raises(ValueError, match=r"the supernet has num_classes 4, task digits has 10"):
        SharedWeights(nas.supernet.Elastic(MBCONV, (1, 8, 8), 4), digits)
    with pytest.raises(ValueError, match=r"input_shape \(3, 8, 8\), task digits has \(1, 8, 8\)"):
        SharedWeights(nas.supernet.Elastic(MBCONV, (3, 8, 8)), digits)
    with pytest.raises(TypeError, match=r"must be a nas\.supernet\.Supernet, got Linear"):
        SharedWeights(torch.nn.Linear(1, 1), digits)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="recalibration_images must be an int >= 2, got 1"):
        SharedWeights(supernet, digits, None, 1)
    broken = copy.deepcopy(supernet)
    next(broken.parameters()).data.fill_(torch.nan)
    with pytest.raises(TrialFailed, match="is nan"):
        SharedWeights(broken, digits).evaluate(candidates(supernet, 1)[0], 0)


def test_describe_is_plain(digits: Task) -> None:
    described = SharedWeights(supernets()["darts"], digits, recalibration_images=100).describe()
    assert described["supernet"]["kind"] == "darts"
    assert described["recalibration_images"] == 100
    assert described["task"]["name"] == "digits"
