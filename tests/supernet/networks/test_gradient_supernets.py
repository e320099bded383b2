"""What all supernets with architecture parameters promise."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from efficient_nas import spaces, supernet
from efficient_nas.supernet.networks.gradient import GradientSupernet

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
SIZES = {
    supernet.DARTS: {"channels": 4, "layers": 3},
    supernet.PCDARTS: {"channels": 8, "layers": 3},
    supernet.NASBench201: {"channels": 4, "cells_per_stage": 1},
}
every = pytest.mark.parametrize("kind", SIZES)


def make(kind: type[GradientSupernet], **options: object) -> GradientSupernet:
    return kind(**SIZES[kind], input_shape=(3, 8, 8), **options)


def spread(net: GradientSupernet, scale: float = 1.0, seed: int = 0) -> GradientSupernet:
    """Gives all architecture parameters different values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.arch_parameters():
            parameter.normal_(std=scale, generator=generator)
    return net


def assert_equal_states(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert list(a) == list(b)
    assert all(torch.equal(a[name], b[name]) for name in a)


@every
def test_a_seed_decides_weights_architecture_parameters_and_noise(kind: type[GradientSupernet]) -> None:
    before = torch.get_rng_state()
    net, again, other = (make(kind, relaxation="gumbel", seed=seed) for seed in (5, 5, 6))
    assert_equal_states(net.state_dict(), again.state_dict())
    for table in net.tables:
        for name in (f"alpha_{table}", f"noise_{table}"):
            own = getattr(net, name)
            assert torch.equal(own, getattr(again, name))
            assert not torch.equal(own, getattr(other, name))
    convolutions = [name for name, p in net.named_parameters() if p.ndim == 4]
    assert not torch.equal(net.state_dict()[convolutions[0]], other.state_dict()[convolutions[0]])
    net.draw(3)
    net.sample(4, 0)
    net.set_path(net.genotype())
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_parameters_are_weights_and_architecture(kind: type[GradientSupernet]) -> None:
    net = make(kind)
    weights, architecture = net.weight_parameters(), net.arch_parameters()
    assert {*map(id, weights), *map(id, architecture)} == set(map(id, net.parameters()))
    assert len(weights) + len(architecture) == len(list(net.parameters()))
    assert {f"alpha_{table}" for table in net.tables} <= set(net.state_dict())
    assert not {name for name in net.state_dict() if name.startswith(("path", "open", "noise", "temp"))}
    assert all(parameter.abs().max() < 0.01 for parameter in architecture)


@every
@pytest.mark.parametrize("assign", [False, True])
def test_states_go_round_and_copies_are_their_own(kind: type[GradientSupernet], assign: bool) -> None:
    net = spread(make(kind))
    net(IMAGES)
    twin, loaded = copy.deepcopy(net), make(kind, seed=1)
    loaded.load_state_dict(copy.deepcopy(net.state_dict()), assign=assign)
    expected = net(IMAGES)
    for other in (twin, loaded):
        assert torch.equal(other(IMAGES), expected)
        assert_equal_states(other.state_dict(), net.state_dict())
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(net.eval()(IMAGES), loaded.eval()(IMAGES))
    exact = net.double()(IMAGES.double())
    assert exact.dtype is torch.float64
    torch.testing.assert_close(exact.float(), loaded(IMAGES), rtol=1e-3, atol=1e-3)


@every
def test_a_path_alone_changes_its_statistics(kind: type[GradientSupernet]) -> None:
    net = make(kind)
    states = {name: value.clone() for name, value in net.state_dict().items()}
    genotype = net.space.sample(1, 2)[0]
    net.set_path(genotype)
    net(IMAGES)
    assert all(parameter.grad is None for parameter in net.arch_parameters())
    expected = set()
    for cell, module in enumerate(net.cells):
        if not hasattr(module, "edges"):
            continue
        weights = net.candidate_weights()[getattr(module, "table", "cell")]
        for e, edge in enumerate(module.edges):
            for k, candidate in enumerate(edge.spec.candidates):
                if weights[e, k] != 0 and candidate.name in edge:
                    expected.add(f"cells.{cell}.edges.{e}.{candidate.name}")
    assert expected
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, states[name])}
    counted = {name for name in changed if name.endswith("num_batches_tracked")}
    assert {".".join(name.split(".")[:5]) for name in counted if ".edges." in name} == expected
    assert {".".join(name.split(".")[:5]) for name in changed if ".edges." in name} == expected
    assert all(net.state_dict()[name] == 1 for name in counted)


@every
@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_paths_may_change_before_backward_and_be_cleared(
    kind: type[GradientSupernet], implementation: str
) -> None:
    net = make(kind, implementation=implementation)
    relaxed = net.eval()(IMAGES)
    first, second = net.space.sample(2, 4)
    net.train().set_path(first)
    loss = net(IMAGES).square().sum()
    net.set_path(second)
    loss.backward()
    gradients = [p.grad.clone() for p in net.weight_parameters()]
    net.zero_grad()
    net.set_path(first)
    net(IMAGES).square().sum().backward()
    for parameter, gradient in zip(net.weight_parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    net.load_state_dict(make(kind).state_dict())
    net.clear_path()
    assert torch.equal(net.eval()(IMAGES), relaxed)
    with pytest.raises(ValueError, match="genotype is not valid"):
        net.set_path(np.full(net.space.num_choices, 9, np.uint8))


def test_a_draw_depends_on_its_seed_alone() -> None:
    net = spread(make(supernet.NASBench201, relaxation="gumbel"))
    weights = []
    for seed in (3, 4, 3):
        net.draw(seed)
        weights.append(net.candidate_weights()["cell"])
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[1])
    with torch.no_grad():
        net.set_temperature(1e-3)
        assert net.candidate_weights()["cell"].max(1).values.min() > 0.99
    plain = spread(make(supernet.NASBench201))
    before = plain.candidate_weights()["cell"]
    plain.draw(5)
    plain.set_temperature(2.0)
    assert torch.equal(plain.candidate_weights()["cell"], before)


@every
@pytest.mark.parametrize("relaxation", ["softmax", "gdas"])
def test_closed_candidates_take_no_part(kind: type[GradientSupernet], relaxation: str) -> None:
    net = spread(make(kind, relaxation=relaxation), 0.1)
    stage = net.space.restrict(operations=["skip_connect", "avg_pool_3x3"])
    states = {name: value.clone() for name, value in net.state_dict().items()}
    net.open(stage)
    for table, held in net.alpha_tables().items():
        is_open = [name in {"skip_connect", "avg_pool_3x3"} for name in held.operations]
        is_open[0] = kind is not supernet.NASBench201  # DARTS' `none` is not in its space
        weights = net.candidate_weights()[table]
        for probabilities in (weights, held.probabilities):
            torch.testing.assert_close(probabilities.sum(1), torch.ones(len(held.edges)))
            assert (probabilities[:, ~np.array(is_open)] == 0).all()
        logits = net.alpha(table)[:, is_open]
        torch.testing.assert_close(held.probabilities[:, is_open], logits.softmax(1))
    net(IMAGES).square().sum().backward()
    for table, held in net.alpha_tables().items():
        closed = (held.probabilities == 0).all(0)
        assert (net.alpha(table).grad[:, closed] == 0).all()
        assert (net.alpha(table).grad[:, ~closed] != 0).any()
    for name, value in net.state_dict().items():
        if "conv" in name.split("edges.")[-1] and "edges." in name:
            assert torch.equal(value, states[name])
    assert stage.validate(net.sample(9, 0)).all()
    net.open(net.space)
    assert all((held.probabilities > 0).all() for held in net.alpha_tables().values())
    other = "nasbench201" if kind is not supernet.NASBench201 else "darts"
    with pytest.raises(ValueError, match="open needs a restriction of space"):
        net.open(spaces.create(other))


@every
def test_samples_are_distinct_and_begin_with_the_genotype(kind: type[GradientSupernet]) -> None:
    net = spread(make(kind))
    rows = net.sample(50, 3)
    assert rows.dtype == np.uint8
    assert net.space.validate(rows).all()
    assert len(net.space.deduplicate(rows)) == 50
    np.testing.assert_array_equal(rows[0], net.genotype())
    np.testing.assert_array_equal(rows[:20], net.sample(20, 3))
    np.testing.assert_array_equal(rows[:7], net.sample(7, 3))
    assert not np.array_equal(rows, net.sample(50, 4))
    narrow = spread(make(kind), scale=1000.0)
    assert len(narrow.sample(5, 0)) == 5
    with pytest.raises(ValueError, match="n must be an int >= 1, got 0"):
        net.sample(0, 0)


def test_more_samples_than_architectures_are_an_error() -> None:
    net = make(supernet.NASBench201)
    net.open(net.space.restrict(operations=["none", "skip_connect"]))
    with pytest.raises(ValueError, match="n must be at most the"):
        net.sample(60, 0)


def test_samples_follow_the_probabilities() -> None:
    net = spread(make(supernet.NASBench201), 0.5)
    rows = net._sample(net._log_probabilities(), 4000, np.random.default_rng(0))
    for edge, probabilities in enumerate(net.alpha_tables()["cell"].probabilities):
        shares = np.bincount(rows[:, edge], minlength=5) / len(rows)
        np.testing.assert_allclose(shares, probabilities, atol=0.03)
    darts = make(supernet.DARTS)
    with torch.no_grad():
        darts.alpha_normal[2:5, 0] = torch.tensor([0.0, 9.0, 0.0])  # node 3 hardly hears state 1
        darts.alpha_normal[:, 5] = 3.0
    genes = darts.sample(400, 0).reshape(400, 2, 4, 2, 2)
    assert (genes[:, 0, 1, :, 0] == [0, 2]).all(1).mean() > 0.9
    assert 0.6 < (genes[:, 0, :, :, 1] == 4).mean() < 0.85  # e^3 / (e^3 + 6) = 0.77


@every
def test_operators_are_those_of_derived_networks(kind: type[GradientSupernet]) -> None:
    net = make(kind)
    operators = net.operators()
    names = {"normal": 0, "reduce": 1, "cell": 0}
    rests = []
    for genotype in net.space.restrict(
        operations=[name for name in net.alpha_tables().popitem()[1].operations if name != "none"]
    ).sample(5, 0):
        found: Counter[object] = Counter()
        for table, held in net.alpha_tables().items():
            if kind is supernet.NASBench201:
                chosen = list(enumerate(genotype.tolist()))
            else:
                cell = genotype.reshape(2, 4, 2, 2)[names[table]]
                chosen = [
                    (held.edges.index(f"{source}->{node + 2}"), 1 + operation)
                    for node in range(4)
                    for source, operation in cell[node].tolist()
                ]
            for edge, k in chosen:
                found += Counter((node, shape[1:]) for node, shape in operators[table][edge][k])
        rest = Counter(net.architecture(genotype).operators())
        assert not found - rest
        rests.append(rest - found)
    # Stem, preprocessing, sums and classifier are in all of them.
    assert all(rest == rests[0] for rest in rests)


@every
def test_expected_cost_is_the_sum_of_probabilities_times_costs(kind: type[GradientSupernet]) -> None:
    net = spread(make(kind)).double()
    generator = torch.Generator().manual_seed(0)
    costs = {
        table: torch.rand(held.probabilities.shape, generator=generator, dtype=torch.float64)
        for table, held in net.alpha_tables().items()
    }
    expected = sum(
        float(held.probabilities[e, k]) * float(costs[table][e, k])
        for table, held in net.alpha_tables().items()
        for e in range(len(held.edges))
        for k in range(len(held.operations))
    )
    cost = net.expected_cost(costs)
    assert cost.item() == pytest.approx(expected, rel=1e-9)
    alphas = [net.alpha(table) for table in net.tables]
    assert torch.autograd.gradcheck(lambda *_: net.expected_cost(costs), alphas)  # which it changes in place
    cost.backward()
    assert all(parameter.grad is None for parameter in net.weight_parameters())
    with pytest.raises(ValueError, match="costs must hold"):
        net.expected_cost({})
    with pytest.raises(ValueError, match=r"must have shape \[\d+, \d\], got \[2, 2\]"):
        net.expected_cost({name: torch.zeros(2, 2) for name in net.tables})


@pytest.mark.parametrize("relaxation", ["gumbel", "gdas"])
def test_changing_paths_noise_and_temperature_never_recompile(relaxation: str) -> None:
    net = make(supernet.NASBench201, relaxation=relaxation)
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(net, backend=counter, fullgraph=True)
    results = []
    for seed in range(3):
        net.draw(seed)
        net.set_temperature(3.0 - seed)
        results.append(compiled(IMAGES))
        assert counter.frame_count == 1
    assert not torch.equal(results[0], results[1])
    for genotype in net.space.sample(3, 0):
        net.set_path(genotype)
        got = compiled(IMAGES)
        assert counter.frame_count == 2
        torch.testing.assert_close(got, net(IMAGES))


def test_the_reference_has_second_derivatives_and_the_fused_says_that_it_has_none() -> None:
    def gradients(net: GradientSupernet) -> Tensor:
        loss = net(IMAGES[:2].double()).square().sum()
        return torch.autograd.grad(loss, net.alpha("cell"), create_graph=True)[0]

    net = spread(make(supernet.NASBench201, implementation="reference")).double()
    direction = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    exact = torch.autograd.grad((gradients(net) * direction).sum(), net.alpha("cell"))[0]
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            net.alpha("cell").add_(sign * 1e-5 * direction)
        sides.append(gradients(net).detach())
        with torch.no_grad():
            net.alpha("cell").sub_(sign * 1e-5 * direction)
    torch.testing.assert_close(exact, (sides[0] - sides[1]) / 2e-5, rtol=1e-4, atol=1e-6)
    with pytest.raises(RuntimeError, match="no second derivative"):
        fused = make(supernet.NASBench201).double()
        torch.autograd.grad(gradients(fused).sum(), fused.alpha("cell"))


@every
def test_options_are_checked(kind: type[GradientSupernet]) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__}: relaxation must be softmax, gumbel, gdas; got"):
        make(kind, relaxation="soft")
    with pytest.raises(ValueError, match=f"{kind.__name__}: implementation must be fused, reference"):
        make(kind, implementation="eager")
    with pytest.raises(ValueError, match="temperature must be a number > 0, got 0"):
        make(kind).set_temperature(0)
