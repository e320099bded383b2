"""Real training: it learns, it repeats, it leaves nothing behind."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from efficient_nas.errors import TrialFailed
from efficient_nas.evaluators import Task, Trained, load_task, task_from_dataset
from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.spaces import Candidate
from networks import build, space

VALUES = {"depth": 2, "width": 8, "expansion": 1, "operation": "nor_conv_3x3"}


@pytest.fixture(scope="module")
def digits() -> Task:
    pytest.importorskip("sklearn")
    return load_task("digits")


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    return Candidate(space(), space().genotype(VALUES), (1, 8, 8), 10)


def test_a_small_network_learns_the_digits(digits: Task, candidate: Candidate) -> None:
    """About 0.96 after 4 epochs is seen; chance is 0.1."""
    metrics = Trained(digits, epochs=4).evaluate(candidate, 0)
    assert metrics["accuracy"] > 0.85
    assert 0 < metrics["loss"] < 1
    assert metrics["epochs"] == 4


def test_metrics_depend_on_the_seed_alone(digits: Task, candidate: Candidate) -> None:
    options: dict[str, Any] = {"epochs": 2, "data_fraction": 0.3}
    first = Trained(digits, **options).evaluate(candidate, 7)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        torch.manual_seed(99)
        torch.set_default_dtype(torch.float64)
        with torch.no_grad():
            evaluator = Trained(load_task("digits"), **options)
            evaluator.evaluate(candidate, 8)
            assert evaluator.evaluate(candidate, 7) == first
        assert torch.get_num_threads() == 3
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(torch.float32)
    assert Trained(digits, **options).evaluate(candidate, 8) != first


def test_images_read_when_needed_train_the_same(digits: Task, candidate: Candidate) -> None:
    images = digits.validation.images(torch.arange(200))
    dataset = list(zip(images, digits.validation.labels.tolist(), strict=False))
    kept, read = (task_from_dataset(dataset, crop_padding=1, in_memory=m) for m in (True, False))
    metrics = [Trained(task, epochs=2, batch_size=32).evaluate(candidate, 0) for task in (kept, read)]
    assert metrics[0] == metrics[1]


def test_random_states_are_left_alone(digits: Task, candidate: Candidate) -> None:
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    Trained(digits, epochs=1, data_fraction=0.1).evaluate(candidate, 0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_a_worker_process_gets_the_same_metrics(digits: Task, candidate: Candidate, tmp_path: Path) -> None:
    evaluator = Trained(digits, epochs=1, data_fraction=0.2)
    (tmp_path / "evaluator.pickle").write_bytes(pickle.dumps(evaluator))
    script = (
        "import pickle, sys, pathlib\n"
        "from networks import build\n"
        "evaluator = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "class Given:\n"
        f"    architecture = build({VALUES!r}, (1, 8, 8))\n"
        "print(evaluator.evaluate(Given(), 5))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "evaluator.pickle"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == str(evaluator.evaluate(candidate, 5))


def test_training_stops_when_patience_ends(digits: Task, candidate: Candidate) -> None:
    still = Trained(digits, epochs=6, learning_rate=1e-12, patience=2, data_fraction=0.1)
    assert still.evaluate(candidate, 0)["epochs"] < 6
    small_first = Trained(
        digits,
        epochs=6,
        learning_rate=1e-12,
        patience=1,
        data_fraction=0.1,
        image_sizes=[[0.0, 4], [0.7, 8]],
    )
    assert small_first.evaluate(candidate, 0)["epochs"] > 4  # waiting counts from the first full-size epoch


def test_progressive_resizing_trains_on_small_images_first(
    digits: Task, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    network = type(candidate.architecture.to_pytorch())
    forward = network.forward

    def watched(self: nn.Module, images: torch.Tensor) -> Any:
        seen.append((images.shape[-1], self.training))
        return forward(self, images)

    monkeypatch.setattr(network, "forward", watched)
    Trained(digits, epochs=4, data_fraction=0.1, image_sizes=[[0.0, 4], [0.5, 8]]).evaluate(candidate, 0)
    trained = [size for size, training in seen if training]
    assert trained == [4] * (len(trained) // 2) + [8] * (len(trained) // 2)
    assert {size for size, training in seen if not training} == {8}


def test_every_search_trial_sees_the_same_fraction_and_never_the_test_images(
    digits: Task, candidate: Candidate
) -> None:
    class Forbidden:
        labels = digits.test.labels

        def __len__(self) -> int:
            return len(digits.test)

        def images(self, indices: torch.Tensor) -> torch.Tensor:
            if forbidden:
                raise AssertionError("the search read the test split")
            return digits.test.images(indices)

        def subset(self, indices: torch.Tensor) -> Any:
            return digits.test.subset(indices)

    forbidden = False
    task = Task(digits.train, digits.validation, Forbidden(), (1, 8, 8), 10, "guarded")
    forbidden = True
    evaluator = Trained(task, epochs=1, data_fraction=0.25)
    assert len(evaluator._train) == pytest.approx(0.25 * len(task.train), abs=5)
    metrics = evaluator.evaluate(candidate, 0)
    assert "test_accuracy" not in metrics
    with pytest.raises(AssertionError, match="test split"):
        evaluator.train_final(candidate.architecture, 0, 1)


def test_the_final_network_has_the_weights_of_its_best_epoch(digits: Task, candidate: Candidate) -> None:
    accuracies: list[float] = []

    def progress(done: int, total: int, accuracy: float) -> None:
        assert (done, total) == (len(accuracies) + 1, 5)
        accuracies.append(accuracy)

    trained = Trained(digits, data_fraction=0.1, learning_rate=0.4)
    module, metrics = trained.train_final(candidate.architecture, 3, 5, progress)
    assert metrics["accuracy"] == max(accuracies)
    assert accuracies[int(metrics["best_epoch"]) - 1] == max(accuracies)
    assert not module.training
    for part, name in ((digits.validation, "accuracy"), (digits.test, "test_accuracy")):
        images, labels = digits.batch(part, torch.arange(len(part)))
        with torch.no_grad():
            accuracy = (module(images).argmax(1) == labels).double().mean()
        assert float(accuracy) == pytest.approx(metrics[name], abs=2 / len(part))  # layouts round differently
    assert all(value.is_contiguous() for value in module.state_dict().values())
    again, same = trained.train_final(candidate.architecture, 3, 5)
    assert same == metrics
    state = module.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())


def test_real_cifar10_images_train(cifar10_images: Any, tmp_path: Path) -> None:
    images, labels = cifar10_images
    for name, part in (("data_batch_1", slice(0, 300)), ("test_batch", slice(300, 400))):
        records = [labels[part, None].astype(np.uint8), images[part].reshape(-1, 3072)]
        (tmp_path / f"{name}.bin").write_bytes(np.concatenate(records, axis=1).tobytes())
    task = load_task("cifar10", tmp_path)
    arch = build({"depth": 2, "width": 8, "expansion": 1, "operation": "nor_conv_1x1"})
    before = Trained(task, learning_rate=1e-12).train_final(arch, 0, 1)[1]
    module, after = Trained(task, batch_size=32).train_final(arch, 0, 4)
    assert after["loss"] < before["loss"]  # crops and mirror images included
    assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_loss_that_is_no_number_fails_the_trial(candidate: Candidate) -> None:
    huge = [(torch.full((1, 8, 8), 1e30 * (i % 7)), i % 10) for i in range(200)]
    task = task_from_dataset(huge)
    task.std = task.std * 0 + 1e-30
    with pytest.raises(TrialFailed, match=r"loss became (nan|inf) in epoch 1"):
        Trained(task, epochs=1).evaluate(candidate, 0)


def test_lack_of_memory_fails_the_trial(digits: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [
        ArchNode("input", 1, 1),
        ArchNode("conv", 1, 1 << 30, kernel_size=101),
        ArchNode("global_avg_pool", 1 << 30, 1 << 30),
        ArchNode("linear", 1 << 30, 10),
        ArchNode("output", 10, 10),
    ]

    class Given:
        architecture = Architecture(nodes, [(0, 1), (1, 2), (2, 3), (3, 4)], (1, 8, 8))

    with pytest.raises(TrialFailed, match="out of memory"):
        Trained(digits, epochs=1).evaluate(Given(), 0)  # type: ignore[arg-type]


def test_a_network_of_constant_logits_is_at_chance(digits: Task) -> None:
    nodes = [
        ArchNode("input", 1, 1),
        ArchNode("none", 1, 1),
        ArchNode("global_avg_pool", 1, 1),
        ArchNode("linear", 1, 10),
        ArchNode("output", 10, 10),
    ]

    class Given:
        architecture = Architecture(nodes, [(0, 1), (1, 2), (2, 3), (3, 4)], (1, 8, 8))

    metrics = Trained(digits, epochs=2).evaluate(Given(), 0)  # type: ignore[arg-type]
    assert metrics["accuracy"] == pytest.approx(0.1, abs=0.05)
    assert metrics["loss"] == pytest.approx(np.log(10), rel=1e-6)
    module, final = Trained(digits).train_final(Given.architecture, 0, 1)
    assert final["test_accuracy"] == pytest.approx(0.1, abs=0.05)
    assert not list(module.parameters())


def test_an_architecture_for_other_images_is_refused(digits: Task) -> None:
    other = Candidate(space(), space().genotype(VALUES), (3, 8, 8), 10)
    with pytest.raises(ValueError, match=r"takes images of shape \(3, 8, 8\), task digits has \(1, 8, 8\)"):
        Trained(digits).evaluate(other, 0)
    classes = Candidate(space(), space().genotype(VALUES), (1, 8, 8), 7)
    with pytest.raises(ValueError, match=r"must return logits of shape \[64, 10\]"):
        Trained(digits).evaluate(classes, 0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"epochs": 0}, "epochs must be an int >= 1, got 0"),
        ({"epochs": 2.5}, "epochs"),
        ({"batch_size": 1}, "batch_size must be an int >= 2"),
        ({"learning_rate": 0}, "learning_rate must be a number > 0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"momentum": 1.0}, "momentum must be a number >= 0 and < 1"),
        ({"weight_decay": -1e-4}, "weight_decay"),
        ({"warm_up_epochs": float("inf")}, "warm_up_epochs"),
        ({"label_smoothing": 1.5}, "label_smoothing"),
        ({"gradient_clip": 0}, "gradient_clip"),
        ({"patience": 0}, "patience"),
        ({"data_fraction": 0}, "data_fraction must be a number > 0 and <= 1"),
        ({"data_fraction": True}, "data_fraction"),
        ({"image_sizes": [[0.0, 4], [0.5, 16]]}, "own height 8"),
        ({"device": "gpu"}, "device"),
        ({"threads": 0}, "threads"),
    ],
)
def test_wrong_options_are_refused(digits: Task, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Trained(digits, **options)


def test_options_are_described(digits: Task) -> None:
    described = Trained(digits, epochs=3, patience=2).describe()
    assert (described["epochs"], described["patience"], described["batch_size"]) == (3, 2, 64)
    assert described["task"]["images"] == {"train": 1151, "validation": 287, "test": 359}
    with pytest.raises(TypeError, match="must be a Task"):
        Trained([])  # type: ignore[arg-type]
