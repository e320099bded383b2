"""Topics of bench_core.py: fronts, hypervolume and populations, beside moocore and pymoo if installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from efficient_nas import pareto
from efficient_nas.evolution import NSGA2, RegularizedEvolution
from efficient_nas.spaces import Choice, Space
from harness import Timing, measure, ratio, table

Values = npt.NDArray[np.float64]
GENES, OPTIONS = 28, 8


def _installed(*packages: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in packages)


def nondominated_sort(rounds: int) -> str:
    """Fronts of points drawn uniformly from a cube; every peer's fronts are equal to ours."""
    rows = []
    for n in (1_000, 10_000):
        for m in (2, 3, 4):
            values = np.random.default_rng(m).random((n, m))
            expected = pareto.nondominated_sort(values)
            calls: dict[str, Callable[[], object]] = {"ours": lambda v=values: pareto.nondominated_sort(v)}  # type: ignore[misc]
            if _installed("moocore"):
                import moocore

                np.testing.assert_array_equal(moocore.pareto_rank(values), expected)
                calls["moocore"] = lambda v=values: moocore.pareto_rank(v)  # type: ignore[misc]
            if _installed("pymoo"):
                from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

                fronts = NonDominatedSorting().do(values)
                assert all((expected[front] == number).all() for number, front in enumerate(fronts))
                calls["pymoo"] = lambda v=values: NonDominatedSorting().do(v)  # type: ignore[misc]
            rows += _peer_rows([n, m], measure(calls, 1, rounds))
    return table(["points", "objectives", "library", "ms", "spread", "ours is faster"], rows)


def hypervolume(rounds: int) -> str:
    """Hypervolume of a spherical front; every peer's result agrees with ours to 12 digits."""
    rows = []
    for n, m in ((1_000, 2), (1_000, 3), (1_000, 4), (200, 5), (100, 6)):
        direction = np.abs(np.random.default_rng(m).normal(size=(n, m)))
        values = 1.0 - direction / np.linalg.norm(direction, axis=1, keepdims=True)
        bound = np.ones(m)
        expected = pareto.hypervolume(values, bound)
        calls: dict[str, Callable[[], object]] = {
            "ours": lambda v=values, b=bound: pareto.hypervolume(v, b),  # type: ignore[misc]
        }
        if _installed("moocore"):
            import moocore

            np.testing.assert_allclose(moocore.hypervolume(values, ref=bound), expected, rtol=1e-12)
            calls["moocore"] = lambda v=values, b=bound: moocore.hypervolume(v, ref=b)  # type: ignore[misc]
        rows += _peer_rows([n, m], measure(calls, 1, rounds))
    return table(["points", "objectives", "library", "ms", "spread", "ours is faster"], rows)


def _peer_rows(case: list[object], timings: Mapping[str, Timing]) -> list[list[object]]:
    ours = timings["ours"]
    return [
        [*case, name, timing.median * 1e3, f"{timing.spread:.0%}", f"{ratio(timing, ours):.3g}x"]
        for name, timing in timings.items()
    ]


def evolution(rounds: int) -> str:
    """NSGA-II with deduplication and regularized evolution with a fitness that costs next to nothing."""
    space = Space([Choice(f"gene{i}", range(OPTIONS)) for i in range(GENES)])
    amounts = np.random.default_rng(0).random((GENES, OPTIONS, 2))
    genes = np.arange(GENES)

    def evaluate(genotypes: npt.NDArray[np.uint8]) -> Values:
        return amounts[genes, genotypes].sum(axis=1)

    rows = []
    for population_size, generations in ((100, 50), (1_000, 10)):
        calls: dict[str, Callable[[], Values]] = {
            "ours": lambda p=population_size, g=generations: NSGA2(space, p, 0).evolve(evaluate, g).values,  # type: ignore[misc]
        }
        if _installed("pymoo"):
            calls["pymoo"] = lambda p=population_size, g=generations: _pymoo_nsga2(evaluate, p, g)  # type: ignore[misc]
        # The same work: after as many generations the peers' fronts are about as good.
        volumes = {name: pareto.hypervolume(call(), np.full(2, 0.5 * GENES)) for name, call in calls.items()}
        timings = measure(calls, generations, min(rounds, 5))
        for name, timing in timings.items():
            speed = ratio(timing, timings["ours"])
            rows.append(
                [f"NSGA-II, {name}", population_size, timing.items_per_second, f"{speed:.3g}x", volumes[name]]
            )
    cycles = 20_000
    regularized: dict[str, Callable[[], object]] = {
        f"regularized evolution, batch {batch}": lambda b=batch: RegularizedEvolution(  # type: ignore[misc]
            space, 100, 25, 0
        ).evolve(lambda g: evaluate(g)[:, 0], cycles, b)
        for batch in (1, 100)
    }
    for name, timing in measure(regularized, cycles, min(rounds, 5)).items():
        rows.append([name, 100, timing.items_per_second, "", ""])
    note = (
        f"{GENES} genes of {OPTIONS} options, two additive objectives. Initialisation and the numpy callback "
        "count. The last column is the hypervolume reached, higher is better."
    )
    columns = ["algorithm", "population", "generations or cycles/s", "ours is faster", "hypervolume"]
    return "\n".join([note, "", table(columns, rows)])


def _pymoo_nsga2(
    evaluate: Callable[[npt.NDArray[np.uint8]], Values], population_size: int, generations: int
) -> Values:
    """Values of pymoo's population, with the integer operators of its documentation."""
    from pymoo.algorithms.moo.nsga2 import NSGA2 as PymooNSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    class Additive(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=GENES, n_obj=2, xl=0, xu=OPTIONS - 1, vtype=int)

        def _evaluate(
            self, x: npt.NDArray[np.int64], out: dict[str, Values], *_: object, **__: object
        ) -> None:
            out["F"] = evaluate(x.astype(np.uint8))

    algorithm = PymooNSGA2(
        pop_size=population_size,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        mutation=PM(eta=20, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    result = minimize(Additive(), algorithm, ("n_gen", generations + 1), seed=0, verbose=False)
    values: Values = result.pop.get("F")
    return values
