"""Whole searches with supernets on real CIFAR-10 images, against random cells and against training alone.

python benchmarks/e2e_supernets.py [--only TOPIC ...] [--folder DIR] [--output FILE]

Needs the images and tables of `EFFICIENT_NAS_DATA`. Runs are kept in the folder: what was stopped goes on,
and a finished run is only read again. Accuracies are what they are: nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import efficient_nas as nas
from efficient_nas.recipes import load_config
from harness import ROOT, header, table

CONFIGS = ROOT / "configs"
DARTS_SEARCHES = 3
RANDOM_CELLS = 10
RANKED = 20
NASBENCH201_SEARCHES = 2  # of every kind
RESAMPLES = 10_000


class Runs:
    """Searches in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def search(self, name: str, config: Any, **sections: Any) -> Any:
        """The run called `name`, new or gone on with."""
        path = self.folder / name
        resume = (path / "ledger.sqlite").is_file()
        return nas.search(config, path, resume=resume, **sections)


# ---- DARTS against random cells


def darts_quick(runs: Runs) -> str:
    """Cells that DARTS derives, against random ones trained in the same way."""
    config, alone = CONFIGS / "darts_quick.yaml", {"control_arms": [], "final": {"top": 0}}
    rows, derived, seconds = [], [], []
    for seed in range(DARTS_SEARCHES):
        run = runs.search(f"darts_{seed}", config, seed=seed, budget={"trials": 1}, **alone)
        records = run.supernet.records
        derived.append(float(run.trials["accuracy"][0]))
        skips = records[-1].diagnosis["skips_normal"]
        searched = sum(record.seconds for record in records)
        seconds.append(searched + float(run.trials["seconds"][0]))
        rows.append([seed, len(records), searched, run.trials["seconds"][0], skips, f"{derived[-1]:.2%}"])
    found = table(["seed", "epochs", "s supernet", "s training", "skips, normal cell", "accuracy"], rows)
    run = runs.search(
        "random_cells", _without_supernet(config), seed=0, budget={"trials": RANDOM_CELLS}, **alone
    )
    random = run.trials["accuracy"].to_numpy()
    low, high = difference(np.array(derived), random)
    equal = np.mean(seconds) / float(run.trials["seconds"].mean())
    better = np.mean([np.mean(random < value) for value in derived])
    return "\n".join(
        [
            f"`configs/darts_quick.yaml`: the derived cell of {DARTS_SEARCHES} searches, trained alone, "
            f"against {RANDOM_CELLS} random cells trained in the same way ({_training(run)}); accuracy on "
            "validation images. The searches' own time comes on top.",
            "",
            found,
            "",
            f"Derived: mean {np.mean(derived):.2%}. Random: mean {random.mean():.2%}, from "
            f"{random.min():.2%} to {random.max():.2%}. Difference of means "
            f"{np.mean(derived) - random.mean():+.2%}, 95 % interval (bootstrap over cells) {low:+.2%} to "
            f"{high:+.2%}. A derived cell beats {better:.0%} of the random cells on average. A search, its "
            f"last training included, took as long as training {equal:.1f} cells.",
        ]
    )


def _without_supernet(config: Path) -> dict[str, Any]:
    import yaml

    fields: dict[str, Any] = yaml.safe_load(config.read_text())
    del fields["supernet"]
    return {**fields, "controller": {"kind": "random"}}


def _training(run: Any) -> str:
    evaluator = run.config["evaluator"]
    return f"{evaluator['epochs']} epochs on {evaluator['data_fraction']:.0%} of the training images"


def difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval of mean(a) - mean(b)."""
    draw = np.random.default_rng(0)
    means = [values[draw.integers(len(values), size=(RESAMPLES, len(values)))].mean(1) for values in (a, b)]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    return float(low), float(high)


# ---- shared weights against training alone


def one_shot(runs: Runs) -> str:
    """How well shared weights rank networks that are also trained alone."""
    config = load_config(CONFIGS / "oneshot_quick.yaml", {}).resolved()
    config["supernet"]["rank_sample"] = RANKED
    config |= {"control_arms": [], "budget": {"trials": 1}, "final": {"top": 0}}
    run = runs.search("one_shot", config, seed=0)
    ranks = run.supernet.ranks
    shared, alone = np.array(ranks.shared), np.array(ranks.stand_alone)
    trials = run.trials[run.trials["arm"] == "rank_sample"]
    macs = nas.supernet.diagnosis.rank_correlation(trials["macs"].to_numpy(), alone, seed=0)
    searched = sum(record.seconds for record in run.supernet.records)
    return "\n".join(
        [
            f"`configs/oneshot_quick.yaml`: a supernet of single paths (FairNAS, {len(run.supernet.records)} "
            f"epochs, {searched:.0f} s), and {len(shared)} random networks of its space trained alone "
            f"({config['evaluator']['training']['epochs']} epochs, one seed, "
            f"{trials['seconds'].sum():.0f} s of work).",
            "",
            f"Kendall's tau {ranks.tau:.2f}, 95 % interval (bootstrap over networks) {ranks.low:.2f} to "
            f"{ranks.high:.2f}. By multiply-accumulates alone: {macs.tau:.2f} ({macs.low:.2f} to "
            f"{macs.high:.2f}). Accuracy with shared weights {shared.min():.2%} to {shared.max():.2%}, alone "
            f"{alone.min():.2%} to {alone.max():.2%}.",
        ]
    )


# ---- NAS-Bench-201


def nasbench201(runs: Runs) -> str:
    """Cells that DARTS and GDAS find in the space of NAS-Bench-201, looked up in its tables."""
    accuracies = _tables()
    space = nas.spaces.create("nasbench201")
    settings = {
        "DARTS": {"relaxation": "softmax", "diagnosis": {"eigenvalue_every": 0}},
        "DARTS, stopped early": {
            "relaxation": "softmax",
            "diagnosis": {"eigenvalue_every": 0, "stop_on": ["skips"], "stop_from_epoch": 5},
        },
        "GDAS": {"relaxation": "gdas", "diagnosis": {"eigenvalue_every": 0}},
    }
    rows = []
    for name, options in settings.items():
        for seed in range(NASBENCH201_SEARCHES):
            run = runs.search(_slug(name, seed), _nasbench201_config(options), seed=seed)
            records = run.supernet.records
            taken = records[(run.supernet.returned_to or len(records)) - 1]
            text = space.to_string(np.array(taken.genotype, np.uint8))
            short, full = accuracies.loc[text]
            rows.append(
                [
                    name,
                    seed,
                    len(records),
                    taken.epoch,
                    int(taken.diagnosis["skips_cell"]),
                    int(max(record.diagnosis["skips_cell"] for record in records)),
                    f"{short:.2f}",
                    f"{full:.2f}",
                    f"{(accuracies['12'] < short).mean():.0%}",
                ]
            )
    columns = ["search", "seed", "epochs", "taken", "skips", "most skips", "12 epochs", "200 epochs", "beats"]
    return "\n".join(
        [
            "Supernets of 3 cells with 8 channels on 5 % of the training images. The derived cell is looked "
            "up: test accuracy (CIFAR-10) after 12 epochs and after 200, and the share of all 15,625 cells "
            f"that are worse after 12. All cells: median {accuracies['12'].median():.2f} and "
            f"{accuracies['200'].median():.2f}, best {accuracies['12'].max():.2f} and "
            f"{accuracies['200'].max():.2f}.",
            "",
            table(columns, rows),
            "",
            "Published for searches at full size (arXiv:2001.00326, table 5; test accuracy after 200 "
            "epochs): DARTS 54.30, a cell of skip connections; GDAS 93.61.",
        ]
    )


def _tables() -> pd.DataFrame:
    """Test accuracy in percent after 12 and 200 epochs, by the benchmark's notation."""
    folder = Path(os.environ["EFFICIENT_NAS_DATA"]) / "nasbench201_accuracy"
    short = pd.read_csv(folder / "mini_nasbench201_12epochs.csv.gz")
    full = pd.read_csv(folder / "nats_bench_200epochs_cifar10.csv.gz")
    return pd.DataFrame(
        {
            "12": short.set_index("cellstr")["cifar10-test"],
            "200": full.set_index("ArchitectureString")["CIFAR10TestAccuracy200Epochs"],
        }
    )


def _nasbench201_config(options: dict[str, Any]) -> dict[str, Any]:
    size = {"channels": 8, "cells_per_stage": 1}
    base = load_config(CONFIGS / "darts_quick.yaml", {}).resolved()
    training = {"epochs": 25, "alpha_learning_rate": 0.02}
    supernet = {"kind": "nasbench201", **size, "data_fraction": 0.05, "threads": 2, "training": training}
    return {
        "space": {"name": "nasbench201", "macro": size},
        "task": base["task"],
        "supernet": {**supernet, **options},
        "evaluator": {"kind": "shared_weights"},
        "controller": {"kind": "derived"},
        "budget": {"trials": 1},
        "final": {"top": 0},
    }


def _slug(name: str, seed: int) -> str:
    return f"nasbench201_{name.lower().replace(', ', '_').replace(' ', '_')}_{seed}"


TOPICS: list[Callable[[Runs], str]] = [darts_quick, one_shot, nasbench201]


def main(arguments: Sequence[str]) -> None:
    names = [topic.__name__ for topic in TOPICS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="TOPIC")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "e2e-supernets")
    parser.add_argument("--output", type=Path, help="Markdown file; without it the result is only printed")
    options = parser.parse_args(arguments)
    beside = ROOT.parent / "shared" / "data"
    if beside.is_dir():
        os.environ.setdefault("EFFICIENT_NAS_DATA", str(beside))
    if "EFFICIENT_NAS_DATA" not in os.environ:
        parser.error("EFFICIENT_NAS_DATA must name the folder of cifar10 and nasbench201_accuracy")
    runs = Runs(options.folder)
    sections = [header("Supernets, whole searches", "make e2e-supernets")]
    for topic in TOPICS:
        if topic.__name__ in options.only:
            print(f"{topic.__name__} ...", file=sys.stderr, flush=True)
            sections.append(f"## {(topic.__doc__ or '').rstrip('.')}\n\n{topic(runs)}")
    text = "\n\n".join(sections) + "\n"
    print(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
