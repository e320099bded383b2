"""Topics of bench_evolution.py: fronts and hypervolume of given points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from efficient_nas import pareto
from harness import Timing, measure, ratio, table
from peers import installed, left_out

Values = npt.NDArray[np.float64]
Fronts = npt.NDArray[np.integer]
SORT_PEERS = ("moocore", "pymoo", "pygmo", "deap", "evotorch")
VOLUME_PEERS = ("moocore", "pygmo")
MOST_ROUNDS = 5  # where a peer takes a second
SIZES = (1_000, 10_000)  # points to be sorted


def nondominated_sort(rounds: int) -> str:
    """Fronts of points drawn uniformly from a cube; every peer's fronts are equal to ours."""
    rows = []
    for n in SIZES:
        for m in (2, 3, 4):
            values = np.random.default_rng(m).random((n, m))
            expected = pareto.nondominated_sort(values)
            calls: dict[str, Callable[[], object]] = {"ours": partial(pareto.nondominated_sort, values)}
            for name in SORT_PEERS:
                if not installed(name) or (n > 1_000 and name == "evotorch"):
                    continue
                call, fronts = _sort_of(name, values)
                np.testing.assert_array_equal(fronts(call()), expected, err_msg=name)
                calls[name] = call
            rows += _peer_rows([n, m], measure(calls, 1, rounds if n == 1_000 else min(rounds, MOST_ROUNDS)))
    note = (
        "Marks: as fast as moocore with 2 objectives, twice as fast with 3 and 4. "
        "evotorch compares all pairs; it is left out beyond 1,000 points."
    )
    columns = ["points", "objectives", "library", "ms", "spread", "ours is faster"]
    return "\n".join([note, left_out(SORT_PEERS), "", table(columns, rows)])


def _sort_of(name: str, values: Values) -> tuple[Callable[[], object], Callable[[object], Fronts]]:
    """A peer's sort of the values, and what turns its result into the front of each point."""
    n = len(values)

    def of_lists(fronts: object) -> Fronts:
        numbers = np.empty(n, np.int64)
        for number, front in enumerate(fronts):  # type: ignore[arg-type]
            numbers[front] = number
        return numbers

    if name == "moocore":
        import moocore

        return partial(moocore.pareto_rank, values), np.asarray
    if name == "pymoo":
        from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

        return partial(NonDominatedSorting().do, values), of_lists
    if name == "pygmo":
        import pygmo

        return partial(pygmo.fast_non_dominated_sorting, values), lambda result: result[3]  # type: ignore[index]
    if name == "deap":
        from deap import base, tools

        class Fitness(base.Fitness):  # type: ignore[misc]
            weights = (-1.0,) * values.shape[1]

        class Point:
            def __init__(self, index: int) -> None:
                self.index, self.fitness = index, Fitness(values[index])

        points = [Point(i) for i in range(n)]
        return partial(tools.sortLogNondominated, points, n), lambda fronts: of_lists(
            [[point.index for point in front] for front in fronts]  # type: ignore[attr-defined]
        )
    import torch
    from evotorch import Problem, SolutionBatch

    problem = Problem(["min"] * values.shape[1], lambda x: x, solution_length=1, eval_dtype=torch.float64)
    batch = SolutionBatch(problem, popsize=n, empty=True)
    batch.set_evals(torch.from_numpy(values))
    return partial(batch.compute_pareto_ranks, False), lambda ranks: ranks[0].numpy()  # type: ignore[index]


def hypervolume(rounds: int) -> str:
    """Hypervolume of a spherical front; every peer's result agrees with ours to 12 digits."""
    rows = []
    for n, m in ((1_000, 2), (1_000, 3), (1_000, 4), (200, 5), (100, 6)):
        direction = np.abs(np.random.default_rng(m).normal(size=(n, m)))
        values = 1.0 - direction / np.linalg.norm(direction, axis=1, keepdims=True)
        bound = np.ones(m)
        expected = pareto.hypervolume(values, bound)
        calls: dict[str, Callable[[], float]] = {"ours": partial(pareto.hypervolume, values, bound)}
        if installed("moocore"):
            import moocore

            calls["moocore"] = partial(moocore.hypervolume, values, ref=bound)
        if installed("pygmo"):
            import pygmo

            calls["pygmo"] = lambda v=values, b=bound: pygmo.hypervolume(v).compute(b)  # type: ignore[misc]
        for name, call in calls.items():
            np.testing.assert_allclose(call(), expected, rtol=1e-12, err_msg=name)
        rows += _peer_rows([n, m], measure(calls, 1, rounds))
    note = "Mark: as fast as moocore. pymoo calls moocore."
    columns = ["points", "objectives", "library", "ms", "spread", "ours is faster"]
    return "\n".join([note, left_out(VOLUME_PEERS), "", table(columns, rows)])


def _peer_rows(case: list[object], timings: Mapping[str, Timing]) -> list[list[object]]:
    ours = timings["ours"]
    return [
        [*case, name, timing.median * 1e3, f"{timing.spread:.0%}", f"{ratio(timing, ours):.3g}x"]
        for name, timing in timings.items()
    ]
