"""The benchmark of the evolution core: peers solve the same problem, and reports say who is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import bench_evolution
import breeding_topics
import graph_topics
import memory_topics
import nsga2_topics
import pareto_topics
import peers
import regularized_topics
from additive_problem import AMOUNTS, additive_space, reached, sums
from nsga2_peers import NSGA2_PEERS
from regularized_topics import Problem, plain_python


def test_sums_are_those_of_the_options() -> None:
    genotypes = additive_space().sample(5, 0)
    expected = [sum(AMOUNTS[i, option] for i, option in enumerate(row)) for row in genotypes]
    np.testing.assert_allclose(sums(genotypes), expected)


@pytest.mark.parametrize("name", NSGA2_PEERS)
def test_peers_minimise_both_sums(name: str) -> None:
    pytest.importorskip(name, reason=f"{name} is not installed: pip install efficient-nas[bench]")
    values = NSGA2_PEERS[name](40, 8)
    assert values.shape == (40, 2) if name != "optuna" else values.shape[1] == 2
    assert (values >= AMOUNTS.min(axis=1).sum(axis=0)).all()
    assert (values <= AMOUNTS.max(axis=1).sum(axis=0)).all()
    random = sums(additive_space().sample(40 * 9, 0))
    assert reached(values) > reached(random)


@pytest.mark.parametrize("make", [regularized_topics.additive_problem, regularized_topics.table_problem])
def test_plain_python_and_native_code_solve_one_problem(make: Callable[[], Problem]) -> None:
    problem = make()
    genotypes = problem.space.sample(50, 0)
    expected = [[problem.evaluate(row)] for row in genotypes.tolist()]
    np.testing.assert_allclose(problem.fitness(genotypes), expected, rtol=1e-12)
    found = plain_python(problem, 300, copies=True)
    assert found == plain_python(problem, 300, copies=False)
    assert found < plain_python(problem, 0, copies=False)


def test_plain_python_finds_an_optimum() -> None:
    problem = replace(regularized_topics.additive_problem(), evaluate=lambda genes: float(sum(genes)))
    assert plain_python(problem, 4000, copies=False) == 0.0


def test_reports_name_the_peers_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (peers, nsga2_topics, pareto_topics, graph_topics, bench_evolution):
        monkeypatch.setattr(module, "installed", lambda package: False)
    monkeypatch.setattr(nsga2_topics, "CASES", ((8, 2),))
    monkeypatch.setattr(pareto_topics, "SIZES", (20,))
    report = tmp_path / "evolution.md"
    topics = ["nsga2", "nondominated_sort", "labelled_dags"]
    bench_evolution.main(["--only", *topics, "--rounds", "1", "--output", str(report)])
    text = report.read_text()
    assert text in capsys.readouterr().out
    assert text.startswith("# Evolution core\n")
    assert "Not installed, and left out: pymoo, pygmo, deap, optuna, evotorch." in text
    assert "Not installed, and left out: pynauty." in text
    assert "| 8 | 2 | ours |" in text
    assert "| 20 | 4 | ours |" in text
    assert "| pymoo |" not in text


def test_children_are_timed_until_a_space_is_exhausted() -> None:
    case = breeding_topics.Case("nasbench201", 50, 3, ("1", ""))
    timings = breeding_topics._timings(case, partial(breeding_topics._genotypes, case), 2)
    assert [timing.items for timing in timings] == [150, 150]
    assert all(len(timing.seconds) == 2 and min(timing.seconds) > 0 for timing in timings)
    case = breeding_topics.Case("nasbench201", 4_000, 2, ("1", ""))
    with pytest.raises(RuntimeError, match="too few architectures"):
        breeding_topics._timings(case, partial(breeding_topics._genotypes, case), 0)


def test_children_of_architectures_are_timed() -> None:
    case = breeding_topics.Case("DAGs", 60, 2, ("10", ""))
    sizes: list[int] = []
    timings = breeding_topics._timings(case, partial(breeding_topics._dags, case, sizes), 1)
    assert [timing.items for timing in timings] == [120, 120]
    assert len(sizes) == 2 * 2 * 120 and 15 < sum(sizes) / len(sizes) <= breeding_topics.DAG_NODES


@pytest.mark.skipif(not memory_topics.STATUS.exists(), reason="resident memory is read from /proc")
def test_memory_is_that_of_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_topics, "CANDIDATES", 20_000)
    row = memory_topics.memory(1).splitlines()[-1]
    _, candidates, genotype, held, mark, *_ = [word.strip() for word in row.strip("|").split("|")]
    assert (candidates, genotype, mark) == ("20,000", "32", "96")
    assert float(held) > 32  # at the least the genotypes


def test_memory_is_left_out_where_it_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory_topics, "STATUS", tmp_path / "status")
    assert memory_topics.memory(1).startswith("Left out: ")


def test_fronts_of_peers_are_compared_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("moocore", reason="moocore is not installed: pip install efficient-nas[bench]")
    monkeypatch.setattr(pareto_topics, "SIZES", (50,))
    monkeypatch.setattr(pareto_topics, "SORT_PEERS", ("moocore",))
    assert "| 50 | 3 | moocore |" in pareto_topics.nondominated_sort(1)
    monkeypatch.setattr(
        pareto_topics, "_sort_of", lambda name, values: (lambda: np.zeros(50, np.int64), np.asarray)
    )
    with pytest.raises(AssertionError, match="moocore"):
        pareto_topics.nondominated_sort(1)
