"""Training of supernets step by step: what changes, what stays, and that it is the published loop."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import small_training as small
import torch
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas import spaces, supernet
from efficient_nas.supernet import Trainer, bilevel
from efficient_nas.types import derive_seed


@pytest.mark.parametrize("order", [1, 2])
def test_an_epoch_is_the_published_loop(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, with the second order by exact differentiation through the step of the weights.

    The differences are taken in smaller steps than published: on a network this small, 0.01 goes across so
    many kinks of ReLUs and maxima that their jumps are larger than the derivative. (test_bilevel.py has the
    published step, on a smooth network.)
    """
    monkeypatch.setattr(bilevel, "EPSILON", 1e-7)
    network = small.darts(implementation="reference").double()
    plain, data = copy.deepcopy(network), small.data(dtype=torch.float64)
    changes = {"epochs": 1, "order": order, "learning_rate": 0.1, "gradient_clip": 0.5}
    Trainer(network, data, small.options(**changes), 3).fit()

    weights, alphas = plain.weight_parameters(), plain.arch_parameters()
    sgd = torch.optim.SGD(weights, lr=0.1, momentum=0.9, weight_decay=3e-4)
    adam = torch.optim.Adam(alphas, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    names = {id(p): name for name, p in plain.named_parameters()}
    for number in range(2):
        images, labels = small.batch_of(data.weights, "weights", 3, number)
        alpha_images, alpha_labels = small.batch_of(data.alphas, "alphas", 3, number)
        if order == 1:
            loss = functional.cross_entropy(plain(alpha_images), alpha_labels)
        else:
            loss = functional.cross_entropy(plain(images), labels)
            gradients = torch.autograd.grad(loss, weights, create_graph=True)
            moved = {
                names[id(w)]: w - 0.1 * (0.9 * sgd.state[w].get("momentum_buffer", 0) + g + 3e-4 * w)
                for w, g in zip(weights, gradients, strict=True)
            }
            logits = torch.func.functional_call(plain, moved, (alpha_images,))
            loss = functional.cross_entropy(logits, alpha_labels)
        for alpha, gradient in zip(alphas, torch.autograd.grad(loss, alphas), strict=True):
            alpha.grad = gradient
        adam.step()
        sgd.zero_grad()
        functional.cross_entropy(plain(images), labels).backward()
        nn.utils.clip_grad_norm_(weights, 0.5)
        sgd.step()
    tolerance = 1e-9 if order == 1 else 1e-6
    for (name, expected), got in zip(plain.named_parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(
            got, expected, rtol=tolerance, atol=tolerance, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_training_learns_and_leaves_random_numbers_alone() -> None:
    trainer = Trainer(small.nasbench201(), small.data(96), small.options(learning_rate=0.1, epochs=3), 0)
    state = torch.get_rng_state()
    records = trainer.fit()
    assert torch.equal(torch.get_rng_state(), state)
    assert records[-1].weight_loss < 0.8 * records[0].weight_loss
    assert records[-1].genotype == trainer.supernet.genotype().tolist()


@pytest.mark.parametrize("relaxation", ["softmax", "gumbel", "gdas"])
def test_temperature_and_noise_follow_epochs_and_steps(relaxation: str) -> None:
    network = small.nasbench201(relaxation=relaxation)
    seen = []
    if relaxation != "softmax":
        network.register_forward_hook(
            lambda *_: seen.append((float(network.temperature), float(network.noise_cell[0, 0])))
        )
    records = Trainer(network, small.data(), small.options(), 0).fit()
    if relaxation == "softmax":
        assert [record.temperature for record in records] == [None, None]
        return
    assert [record.temperature for record in records] == pytest.approx([10.0, 0.1])
    temperatures, noise = zip(*seen, strict=True)
    assert temperatures == pytest.approx([10.0] * 4 + [0.1] * 4)
    assert len(set(noise)) == 8, "alpha and weight steps have draws of their own"


def test_the_seed_decides() -> None:
    def losses(seed: int) -> list[float]:
        return [r.weight_loss for r in Trainer(small.darts(), small.data(), small.options(), seed).fit()]

    assert losses(1) == losses(1) != losses(2)


def test_architecture_parameters_wait_for_their_epoch() -> None:
    trainer = Trainer(small.darts(), small.data(), small.options(alpha_from_epoch=1), 0)
    start = [alpha.detach().clone() for alpha in trainer.supernet.arch_parameters()]
    changed = []

    def note(record: supernet.EpochRecord) -> None:
        alphas = trainer.supernet.arch_parameters()
        changed.append(any(not torch.equal(a, b) for a, b in zip(alphas, start, strict=True)))

    records = trainer.fit(note)
    assert changed == [False, True]
    assert [r.alpha_loss is None for r in records] == [True, False]


def test_expected_cost_makes_cheap_operations_likely() -> None:
    def probability(weight: float) -> float:
        network = small.nasbench201()
        costs = {"cell": torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0]).expand(6, 5)}
        options = small.options(cost_weight=weight, alpha_learning_rate=0.1, epochs=2)
        Trainer(network, small.data(), options, 0, expected_cost=lambda n: n.expected_cost(costs)).fit()
        return float(network.alpha_tables()["cell"].probabilities[:, 0].mean())

    assert probability(10.0) > probability(0.0) + 0.1


def test_a_stage_keeps_what_it_closes() -> None:
    network = small.darts()
    closed = {n: p.detach().clone() for n, p in network.named_parameters() if "sep_conv_5x5" in n}
    opened = {n: p.detach().clone() for n, p in network.named_parameters() if "sep_conv_3x3" in n}
    whole = network.space
    stages = [(0.5, whole.restrict(operations=["skip_connect", "sep_conv_3x3"])), (1.0, whole)]
    trainer = Trainer(network, small.data(), small.options(), 0, stages=stages)
    parameters = dict(network.named_parameters())
    assert closed

    def check(record: supernet.EpochRecord) -> bool:
        assert all(torch.equal(parameters[name], value) for name, value in closed.items())
        assert not any(torch.equal(parameters[name], value) for name, value in opened.items())
        return record.epoch == 1

    trainer.fit(check)
    trainer.fit()
    assert not any(torch.equal(parameters[name], value) for name, value in closed.items())


@pytest.mark.parametrize("case", ["first order", "second order", "policy"])
def test_only_weight_steps_change_running_statistics(case: str) -> None:
    if case == "policy":
        network = small.single_path()
        trainer = Trainer(network, small.data(), small.options(), 0, sampler=supernet.Policy(network.space))
    else:
        network = small.darts()
        trainer = Trainer(network, small.data(), small.options(order=1 if case[0] == "f" else 2), 0)
    network.train()
    before = {n: b.clone() for n, b in network.named_buffers() if "running" in n or "num_batches" in n}
    weights = [w.detach().clone() for w in network.weight_parameters()]
    if case == "policy":
        trainer._steps.of_policy(0, trainer.sampler)
    else:
        trainer._steps.of_alphas(0)
    after = dict(network.named_buffers())
    assert before
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(torch.equal(a, b) for a, b in zip(network.weight_parameters(), weights, strict=True))
    trainer._steps.of_weights(0)
    assert not all(torch.equal(after[name], value) for name, value in before.items())


def test_gradients_of_several_paths_are_added_up() -> None:
    network = small.single_path()
    sampler = supernet.FairNAS(network.space)
    plain, data = copy.deepcopy(network).train(), small.data()
    trainer = Trainer(network, data, small.options(gradient_clip=None), 3, sampler=sampler)
    network.train()
    trainer._steps.of_weights(0)
    images, labels = small.batch_of(data.weights, "weights", 3, 0)
    paths = sampler.paths(derive_seed(3, "paths", 0))
    assert len(paths) == 3
    for path in paths:
        plain.set_path(path)
        functional.cross_entropy(plain(images), labels).backward()
    for (name, expected), got in zip(plain.named_parameters(), network.parameters(), strict=True):
        moved = expected - 0.025 * (expected.grad + 3e-4 * expected)
        torch.testing.assert_close(got, moved, rtol=1e-5, atol=1e-6, msg=lambda m, name=name: f"{name}: {m}")


def test_a_teaching_sampler_gives_the_others_soft_labels() -> None:
    network = small.single_path()
    sampler = supernet.Sandwich(network.space, random=1)
    plain, data = copy.deepcopy(network).train(), small.data()
    trainer = Trainer(network, data, small.options(gradient_clip=None), 3, sampler=sampler)
    network.train()
    trainer._steps.of_weights(0)
    images, labels = small.batch_of(data.weights, "weights", 3, 0)
    target: Tensor = labels
    for index, path in enumerate(sampler.paths(derive_seed(3, "paths", 0))):
        plain.set_path(path)
        logits = plain(images)
        functional.cross_entropy(logits, target).backward()
        if index == 0:
            target = logits.detach().softmax(1)
    for (name, expected), got in zip(plain.named_parameters(), network.parameters(), strict=True):
        gradient = 0 if expected.grad is None or not expected.grad.any() else expected.grad + 3e-4 * expected
        torch.testing.assert_close(
            got, expected - 0.025 * gradient, rtol=1e-5, atol=1e-6, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_weights_of_paths_not_taken_stay() -> None:
    network = small.single_path()
    trainer = Trainer(network, small.data(8), small.options(), 0, sampler=supernet.Uniform(network.space))
    network.train()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for number in range(2):  # momentum of the first step must not move what the second leaves out
        trainer._steps.of_weights(number)
    touched = {name: not torch.equal(p, before[name]) for name, p in network.named_parameters()}
    assert 0 < sum(touched.values()) < len(touched)


def test_a_policy_learns_from_accuracy() -> None:
    network = small.single_path()
    policy = supernet.Policy(network.space)
    before = policy.state_dict()["logits"].clone()
    records = Trainer(network, small.data(), small.options(alpha_from_epoch=1), 0, sampler=policy).fit()
    assert not torch.equal(policy.state_dict()["logits"], before)
    assert policy.state_dict()["steps"] == 2
    assert records[0].alpha_accuracy is None
    assert 0 <= records[1].alpha_accuracy <= 1


def test_autocast_runs_the_network_in_bfloat16_and_keeps_parameters() -> None:
    seen = []
    network = small.darts()
    network.classifier.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    records = Trainer(network, small.data(), small.options(amp="bfloat16", epochs=1), 0).fit()
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    full = Trainer(small.darts(), small.data(), small.options(epochs=1), 0).fit()
    assert records[0].weight_loss == pytest.approx(full[0].weight_loss, rel=0.05)
    assert records[0].weight_loss != full[0].weight_loss


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Trainer(small.single_path(), small.data()),
            "has no architecture parameters: give a sampler",
        ),
        (lambda: Trainer(small.darts(), small.data(alphas=0)), "data.alphas must hold images, got none"),
        (lambda: Trainer(small.darts(), small.data(weights=0)), "data.weights must hold images, got none"),
        (
            lambda: Trainer(supernet.DARTS(4, 3, input_shape=(3, 16, 16)), small.data()),
            r"data.weights must hold images of shape \(3, 16, 16\), got \(3, 8, 8\)",
        ),
        (
            lambda: Trainer(
                small.darts(),
                small.data(),
                sampler=supernet.Uniform(spaces.create("darts")),
                options=small.options(order=2),
            ),
            "order 2 is of architecture parameters",
        ),
        (
            lambda: Trainer(
                small.darts(),
                small.data(),
                sampler=supernet.Uniform(spaces.create("darts")),
                expected_cost=lambda n: torch.zeros(()),
            ),
            "expected_cost is of architecture parameters",
        ),
        (lambda: Trainer(small.darts(), small.data(), threads=0), "threads must be an int >= 1"),
    ],
)
def test_parts_that_do_not_fit_are_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_threads_are_those_asked_for_while_training_only() -> None:
    seen = []
    network = small.darts()
    network.classifier.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        Trainer(network, small.data(8, 8), small.options(epochs=1), 0, threads=1).fit()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}
