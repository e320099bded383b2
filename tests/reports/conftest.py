"""Report data made by the package's own parts: a small space, controllers, an objective, native costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from efficient_nas import Architecture, ArchNode, controllers, objectives, pareto
from efficient_nas.reports import Alphas, Finalist, ReportData, SupernetData
from efficient_nas.spaces import Choice, Space
from efficient_nas.supernet import EpochRecord
from efficient_nas.supernet.diagnosis import RankCorrelation
from efficient_nas.types import Parity, Result

KERNELS = [3, 5, 7]
WIDTHS = [4, 8, 16, 32]


def build(
    values: Mapping[str, Any], input_shape: tuple[int, int, int], num_classes: int, **macro: Any
) -> Architecture:
    """A chain of `depth` convolutions, each with its own kernel and width."""
    channels = input_shape[0]
    nodes = [ArchNode("input", channels, channels)]
    for layer in range(1, values["depth"] + 1):
        width, kernel = values[f"width{layer}"], values[f"kernel{layer}"]
        nodes.append(ArchNode("conv_bn_relu", channels, width, stride=1, kernel_size=kernel))
        channels = width
    nodes += [ArchNode("global_avg_pool", channels, channels), ArchNode("linear", channels, num_classes)]
    nodes.append(ArchNode("output", num_classes, num_classes))
    return Architecture(nodes, [(i, i + 1) for i in range(len(nodes) - 1)], input_shape)


def small_space() -> Space:
    choices = [Choice("depth", [1, 2, 3, 4], role="depth")]
    for layer in range(1, 5):
        when = {"depth": [d for d in (1, 2, 3, 4) if d >= layer]} if layer > 1 else None
        choices.append(Choice(f"width{layer}", WIDTHS, when=when, role="width"))
        choices.append(Choice(f"kernel{layer}", KERNELS, when=when, role="kernel"))
    return Space(choices, build=build, name="chains")


def measure(architecture: Architecture) -> dict[str, float]:
    """Metrics of an architecture: its exact costs, and an accuracy that grows with depth and parameters."""
    accuracy = 1 - 0.9 / (1 + 0.12 * architecture.depth + 0.4 * math.log10(architecture.params))
    return {
        "accuracy": accuracy,
        "latency_ms": 0.05 + architecture.macs * 2e-6,
        "params": float(architecture.params),
        "macs": float(architecture.macs),
        "memory_bytes": float(architecture.peak_activation_bytes + 4 * architecture.params),
    }


def run_arm(
    arm: str, controller: str, space: Space, objective: Any, trials: int, fail_every: int
) -> list[dict[str, Any]]:
    """Rows of one arm, searched by a real controller; every `fail_every`-th trial fails."""
    chosen = controllers.create(controller, space, seed=3)
    rows = []
    for number in range(trials):
        (proposal,) = chosen.ask(1)
        architecture = space.build(proposal.genotype, input_shape=(1, 8, 8), num_classes=10)
        failed = bool(fail_every) and number % fail_every == fail_every - 1
        metrics = {} if failed else measure(architecture)
        worst = tuple(math.inf for _ in objective.names)
        values = worst if failed else tuple(objective.values(metrics))
        violation = 0.0 if failed else float(objective.violation(metrics))
        chosen.tell([Result(proposal.trial, proposal.genotype, proposal.origin, values, violation, failed)])
        rows.append(
            {
                "arm": arm,
                "trial": proposal.trial,
                "stage": int(number >= trials // 2),
                "origin": proposal.origin,
                "architecture": space.to_string(proposal.genotype),
                "status": "failed" if failed else "completed",
                "reason": "loss is NaN after epoch 2" if failed else None,
                "seconds": 0.2 + architecture.macs * 1e-6,
                **metrics,
            }
        )
    return rows


Maker = Callable[..., ReportData]


@pytest.fixture(scope="session")
def make_report() -> Maker:
    """Makes `ReportData` of a search with the given arms, objectives, limits and number of finalists."""
    space = small_space()

    def make(
        trials: int = 40,
        control_arms: Sequence[str] = ("random",),
        maximize: Sequence[str] = ("accuracy",),
        minimize: Sequence[str] = ("latency_ms",),
        limits: Mapping[str, float] | None = None,
        finalists: int = 2,
        fail_every: int = 9,
        **changes: Any,
    ) -> ReportData:
        objective: Any = objectives.Pareto(maximize=list(maximize), minimize=list(minimize))
        if limits:
            objective = objectives.Constrained(objective, dict(limits))
        rows = run_arm("main", "regularized_evolution", space, objective, trials, fail_every)
        for arm in control_arms:
            rows += run_arm(arm, arm, space, objective, trials, fail_every)
        frame = pd.DataFrame(rows)
        main = frame[(frame["arm"] == "main") & (frame["status"] == "completed")]
        values = np.array([objective.values(row) for row in main.to_dict("records")]).reshape(
            len(main), len(objective.names)
        )
        broken = np.array([objective.violation(row) > 0 for row in main.to_dict("records")], dtype=bool)
        values[broken] = np.nan
        front = main["trial"][pareto.is_nondominated(values)].tolist() if len(main) else []
        chosen = [main[main["trial"] == trial] for trial in front[:finalists]]
        fields: dict[str, Any] = {
            "title": "Chains of convolutions",
            "config": {"seed": 3, "space": {"name": "chains"}, "budget": {"trials": trials}},
            "versions": {"efficient_nas": "0.1.0", "torch": "2.13.0"},
            "device": {"name": "a CPU", "threads": 1},
            "directions": dict.fromkeys(maximize, "maximize") | dict.fromkeys(minimize, "minimize"),
            "limits": dict(limits or {}),
            "trials": frame,
            "front": front,
            "control_arms": list(control_arms),
            "finalists": [finalist(space, rank, row) for rank, row in enumerate(chosen, 1)],
            "notes": ["Accuracy is a formula here."],
        }
        return ReportData(**(fields | changes))

    return make


def finalist(space: Space, rank: int, row: pd.DataFrame) -> Finalist:
    text = str(row["architecture"].iloc[0])
    architecture = space.build(space.from_string(text), input_shape=(1, 8, 8), num_classes=10)
    predicted = measure(architecture)
    measured = {
        "accuracy": predicted["accuracy"] + 0.01,
        "test_accuracy": predicted["accuracy"] - 0.01,
        "latency_ms": predicted["latency_ms"] * 1.1,
        "spread_ms": 0.01,
    }
    exports = [Parity("onnx", f"finalists/{rank}/model.onnx", 1e-7, 1e-5, True)]
    return Finalist(rank, int(row["trial"].iloc[0]), architecture, text, predicted, measured, exports)


@pytest.fixture
def supernet() -> SupernetData:
    """A supernet's training of six epochs, alphas from the second one on, with every check."""
    records = [
        EpochRecord(
            epoch=epoch,
            seconds=7.5,
            weight_loss=2.3 / epoch,
            weight_accuracy=0.1 * epoch + 0.0123,
            alpha_loss=2.5 / epoch if epoch > 1 else None,
            alpha_accuracy=0.09 * epoch if epoch > 1 else None,
            learning_rate=0.025,
            temperature=None,
            genotype=[0, 1],
            diagnosis={
                "skips_normal": float(epoch // 3),
                "skips_reduce": 1.0,
                "entropy_normal": 1.0,
                "entropy_share_normal": 1 - 0.05 * epoch,
                **({"eigenvalue": {2: 0.2, 4: 0.3, 6: 0.9}[epoch]} if epoch % 2 == 0 else {}),
            },
        )
        for epoch in range(1, 7)
    ]
    alphas = Alphas(
        ["none", "skip_connect", "sep_conv_3x3"], ["0->2", "1->2"], [[0.1, 0.3, 0.6], [0.2, 0.5, 0.3]]
    )
    return SupernetData(
        kind="darts",
        records=records,
        alphas={"normal": alphas},
        stopped="2 skip connections in the normal cell",
        returned_to=4,
        ranks=RankCorrelation(0.5, -0.1, 0.9, 0.95, (0.3, 0.4, 0.35), (0.6, 0.7, 0.8)),
        parity=[Parity("derived", "", 1e-3, 1e-5, False), Parity("pt2", "model.pt2", 1e-7, 1e-5, True)],
        unreached=["normal/0->2/none", "cells.0.edges.1.sep_conv_3x3"],
    )
