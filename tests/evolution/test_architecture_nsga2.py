"""NSGA-II over architectures: repeatable, without duplicates, and better than where it began."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

import efficient_nas as nas
from efficient_nas.evolution import ArchitectureNSGA2
from efficient_nas.graph import Architecture, ArchNode


def seeds_of(count: int) -> list[Architecture]:
    space = nas.spaces.create("nasbench201")
    options = {"input_shape": (3, 8, 8), "num_classes": 4, "channels": 4, "cells_per_stage": 1}
    return [space.build(genotype, **options) for genotype in space.sample(count, 5)]


def depth_and_params(architectures: list[Architecture]) -> npt.NDArray[np.float64]:
    """Depth (to be maximised) against parameters (to be minimised)."""
    return np.array([[arch.depth, arch.params] for arch in architectures], dtype=np.float64)


def run(generations: int = 6, seed: int = 3, **options: object) -> nas.evolution.ArchitectureEvolutionResult:
    search = ArchitectureNSGA2(seeds_of(8), 20, seed, maximize=[True, False], **options)  # type: ignore[arg-type]
    return search.evolve(depth_and_params, generations)


def test_the_front_moves_forward_without_repeats() -> None:
    result = run(max_nodes=60)
    history = result.history
    assert len(result.population) == 20
    assert history.generations.tolist() == [g for g in range(7) for _ in range(20)]
    keys = {arch.canonical_bytes() for arch in history.architectures}
    assert len(keys) == len(history.architectures) == 140
    assert np.array_equal(history.values, depth_and_params(list(history.architectures)))
    assert np.array_equal(result.values, depth_and_params(list(result.population)))
    assert (np.diff(result.fronts) >= 0).all()
    first = history.values[:20]
    reference = np.array([0.0, first[:, 1].max() + 1])
    volumes = [nas.pareto.hypervolume(v, reference, maximize=[True, False]) for v in (first, result.values)]
    assert volumes[1] > 1.1 * volumes[0]
    assert all(len(arch.nodes) <= 60 for arch in history.architectures)


def test_the_same_seed_gives_the_same_search_also_in_two_halves() -> None:
    whole, other = run(), run(seed=4)
    search = ArchitectureNSGA2(seeds_of(8), 20, 3, maximize=[True, False])
    search.evolve(depth_and_params, 2)
    halves = search.evolve(depth_and_params, 4)
    assert halves.population == whole.population
    assert halves.history.architectures == whole.history.architectures
    assert other.history.architectures != whole.history.architectures


def test_survivors_are_the_best_by_the_public_sort() -> None:
    result = run()
    values = np.concatenate([result.history.values])
    fronts = nas.pareto.nondominated_sort(values, maximize=[True, False])
    best = {
        arch.canonical_bytes() for arch, f in zip(result.history.architectures, fronts, strict=True) if f == 0
    }
    kept = {
        arch.canonical_bytes() for arch, f in zip(result.population, result.fronts, strict=True) if f == 0
    }
    assert kept <= best


def test_failed_evaluations_rank_last() -> None:
    def evaluate(architectures: list[Architecture]) -> npt.NDArray[np.float64]:
        values = depth_and_params(architectures)
        values[::3] = np.nan
        return values

    result = ArchitectureNSGA2(seeds_of(3), 9, 0).evolve(evaluate, 0)
    assert np.isnan(result.values[6:]).all()
    assert np.isfinite(result.values[:6]).all()


def test_it_ends_when_nothing_new_can_be_bred() -> None:
    nodes = [ArchNode("input", 3, 3), ArchNode("conv", 3, 3, kernel_size=3), ArchNode("output", 3, 3)]
    arch = Architecture(nodes, [(0, 1), (1, 2)], (3, 8, 8))
    search = ArchitectureNSGA2([arch], 10, 0, kinds=("change_kernel",), max_nodes=3)
    history = search.evolve(depth_and_params, 9).history
    assert history.architectures[0] == arch
    kernels = [arch.nodes[1].kernel_size for arch in history.architectures]
    assert set(kernels) == {None, 1, 3, 5, 7}  # None: the input spliced to the output
    assert len(kernels) == 5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"initial": []}, ValueError, "initial must hold at least one"),
        ({"initial": [3]}, TypeError, r"initial\[0\] must be an Architecture, got 3"),
        ({"population_size": 1}, ValueError, "population_size must be"),
        ({"seed": -1}, ValueError, "seed must be an integer"),
        ({"kinds": ["grow"]}, ValueError, "ArchitectureNSGA2: kinds must be among add"),
        ({"kinds": []}, ValueError, "ArchitectureNSGA2: kinds must hold at least one"),
        ({"max_nodes": 0}, ValueError, "max_nodes must be an integer >= 2, got 0"),
        ({"max_channels": 1.5}, ValueError, "max_channels must be an integer >= 1, got 1.5"),
    ],
)
def test_bad_arguments(options: dict[str, object], error: type[Exception], message: str) -> None:
    arguments = {"initial": seeds_of(1), "population_size": 4, "seed": 0} | options
    with pytest.raises(error, match=message):
        ArchitectureNSGA2(**arguments)  # type: ignore[arg-type]


def test_initial_architectures_must_fit_each_other() -> None:
    space = nas.spaces.create("nasbench201")
    other = space.build(space.sample(1, 0)[0], input_shape=(3, 8, 8), num_classes=5)
    with pytest.raises(ValueError, match="initial: architectures must have equal output shapes"):
        ArchitectureNSGA2([*seeds_of(1), other], 4, 0)


def test_values_of_another_shape_are_refused_and_nothing_is_lost() -> None:
    search = ArchitectureNSGA2(seeds_of(3), 6, 0)
    with pytest.raises(ValueError, match="must have one row for each of the 6"):
        search.evolve(lambda architectures: np.zeros((2, 2)), 0)
    assert len(search.evolve(depth_and_params, 0).population) == 6
    with pytest.raises(ValueError, match="must have 2 columns as before, got 3"):
        search.evolve(lambda architectures: np.zeros((len(architectures), 3)), 1)


def test_threads_change_nothing() -> None:
    expected = run(seed=8).history
    for threads in (2, 7):
        history = run(seed=8, threads=threads).history
        assert history.architectures == expected.architectures
        assert np.array_equal(history.values, expected.values)
    with pytest.raises(ValueError, match="threads must be an integer >= 1, got 0"):
        run(threads=0)


def test_what_evaluate_does_to_its_list_and_an_error_lose_nothing() -> None:
    expected = run(generations=3)
    calls = []

    def emptying(architectures: list[Architecture]) -> npt.NDArray[np.float64]:
        calls.append(len(architectures))
        if len(calls) == 2:
            raise RuntimeError("the evaluation broke")
        values = depth_and_params(architectures)
        architectures.clear()
        return values

    search = ArchitectureNSGA2(seeds_of(8), 20, 3, maximize=[True, False])
    with pytest.raises(RuntimeError, match="the evaluation broke"):
        search.evolve(emptying, 3)
    result = search.evolve(emptying, 3)
    assert result.history.architectures == expected.history.architectures
    assert np.array_equal(result.values, expected.values)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: ArchitectureNSGA2(a[0], 4, 0), TypeError, "initial must be a list of Architectures"),
        (lambda a: ArchitectureNSGA2(None, 4, 0), TypeError, "initial must be a list of .*, got None"),
        (lambda a: ArchitectureNSGA2(a, None, 0), ValueError, "population_size must be .* got None"),
        (lambda a: ArchitectureNSGA2(a, 4, 0, maximize="yes"), TypeError, "maximize must be bools"),
        (lambda a: ArchitectureNSGA2(a, 4, 0).evolve(None, 1), TypeError, "evaluate must be a callable"),
    ],
)
def test_arguments_of_wrong_types_are_named(call, error: type[Exception], message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        call(seeds_of(2))
