"""Whole searches with supernets on real CIFAR-10 images, against random cells and against training alone.

python benchmarks/e2e_supernets.py [--only TOPIC ...] [--folder DIR] [--output FILE]

Needs the images and tables of `EFFICIENT_NAS_DATA`. Runs are kept in the folder: what was stopped goes on,
and a finished run is only read again. Accuracies are what they are: nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

import efficient_nas as nas
from e2e_runs import Job, Runs, Search, Training
from efficient_nas.recipes import load_config
from efficient_nas.supernet.diagnosis import entropy_share, kendall, rank_correlation, rising_curvature
from harness import ROOT, header, table

CONFIGS = ROOT / "configs"
DARTS_SEARCHES = 3
RANDOM_CELLS = 10
RANKED = 20
NASBENCH201_SEARCHES = 3  # by DARTS, with and without a rule that stops it
GDAS_SEARCHES = 2
RESAMPLES = 10_000
BACK = 3  # epochs, where it is seen whether a search has settled

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Topic:
    """One question. searches: what it needs, the longest first. repeats: what can only be named after
    them. report: the answer, as Markdown."""

    title: str
    searches: Callable[[], list[Search]]
    repeats: Callable[[Runs], list[Training]]
    report: Callable[[Runs], str]


# ---- DARTS against random cells


def _darts_searches() -> list[Search]:
    config = _config("darts_quick", control_arms=[], final={"top": 0})
    found = [
        Search(f"darts_{seed}", config, {"seed": seed, "budget": {"trials": 1}})
        for seed in range(DARTS_SEARCHES)
    ]
    return [Search("random_cells", _alone(config), {"budget": {"trials": RANDOM_CELLS}}), *found]


def _darts_repeats(runs: Runs) -> list[Training]:
    config = _alone(_config("darts_quick"))
    names = ["random_cells", *(f"darts_{seed}" for seed in range(DARTS_SEARCHES))]
    return [job for name in names for job in _again(runs, name, config)]


def _darts_report(runs: Runs) -> str:
    rows, derived, seconds = [], [], []
    random, random_run = _twice(runs, "random_cells"), runs.search("random_cells")
    for seed in range(DARTS_SEARCHES):
        run, twice = runs.search(f"darts_{seed}"), _twice(runs, f"darts_{seed}")
        records, [accuracies] = run.supernet.records, twice
        searched, training = sum(record.seconds for record in records), float(run.trials["seconds"][0])
        seconds.append(searched + training)
        derived.append(accuracies)
        percents = ", ".join(f"{value:.2%}" for value in accuracies)
        skips = int(records[(run.supernet.returned_to or len(records)) - 1].diagnosis["skips_normal"])
        stays = f"{_common(records[-1 - min(BACK, len(records) - 1)].genotype, records[-1].genotype)} of 16"
        rows.append([seed, len(records), searched, *_decided(run.supernet.alphas), stays, skips, percents])
    columns = ["seed", "epochs", "s supernet", "entropy", "`none`", "stays", "skips, normal cell"]
    columns.append("two trainings")
    ours, theirs = np.mean(derived, axis=1), random.mean(1)
    low, high = difference(ours, theirs)
    better = np.mean([np.mean(theirs < value) for value in ours])
    equal = np.mean(seconds) / float(random_run.trials["seconds"].mean())
    count = min(max(1, round(equal)), RANDOM_CELLS)
    return "\n".join(
        [
            f"`configs/darts_quick.yaml`: the derived cells of {DARTS_SEARCHES} searches against "
            f"{RANDOM_CELLS} random cells. Each is trained alone twice, with seeds of its own "
            f"({_training(random_run.config['evaluator'])}); accuracy on validation images. Of alpha, "
            "for the normal and the reduction cell: entropy of the candidates that can be derived, as a "
            "share of its largest value (1 where nothing is decided), and the probability of `none`. Stays: "
            f"operations of the last derived cells that were there {BACK} epochs before.",
            "",
            table(columns, rows),
            "",
            f"Derived: mean {ours.mean():.2%}. Random: mean {theirs.mean():.2%}, from {theirs.min():.2%} to "
            f"{theirs.max():.2%}. {noise(random)} Difference of means {ours.mean() - theirs.mean():+.2%}, "
            f"95 % interval (bootstrap over cells) {low:+.2%} to {high:+.2%}. A derived cell beats "
            f"{better:.0%} of the random cells on average.",
            "",
            f"At equal time: a search with the training of its cell takes as long as training {equal:.1f} "
            f"random cells. The best of {count} by its first training has {best_of(random, count):.2%} in "
            "its second one, on average.",
        ]
    )


def _decided(alphas: Mapping[str, Any]) -> tuple[str, str]:
    """Entropy of the candidates but `none`, as a share, and probability of `none`, of both kinds of cell."""
    shares, closed = [], []
    for cell in alphas.values():
        probabilities, none = np.array(cell.probabilities), cell.operations.index("none")
        closed.append(f"{probabilities[:, none].mean():.2f}")
        shares.append(f"{entropy_share(torch.from_numpy(_others(probabilities, none))):.2f}")
    return ", ".join(shares), ", ".join(closed)


def _common(before: Sequence[int], now: Sequence[int]) -> int:
    """How many edges with their operations two genotypes of the space have in common, of 16."""
    ends = [np.array(genes).reshape(-1, 2, 2).tolist() for genes in (before, now)]
    return sum(edge in node for node, other in zip(*ends, strict=True) for edge in other)


def _others(probabilities: Floats, without: int) -> Floats:
    """Probabilities [E, K - 1] of the other candidates among themselves."""
    others = np.delete(probabilities, without, axis=1)
    return np.asarray(others / others.sum(axis=1, keepdims=True))


def best_of(twice: Floats, count: int) -> float:
    """Mean second accuracy of the cell with the best first one among `count` of the cells [n, 2]."""
    draw = np.random.default_rng(0)
    chosen = draw.permuted(np.tile(np.arange(len(twice)), (RESAMPLES, 1)), axis=1)[:, :count]
    best = np.take_along_axis(chosen, twice[chosen, 0].argmax(1)[:, None], axis=1)
    return float(twice[best, 1].mean())


def difference(a: Floats, b: Floats) -> tuple[float, float]:
    """The 95 % bootstrap interval of mean(a) - mean(b)."""
    draw = np.random.default_rng(0)
    means = [values[draw.integers(len(values), size=(RESAMPLES, len(values)))].mean(1) for values in (a, b)]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    return float(low), float(high)


# ---- shared weights against training alone


def _one_shot_searches() -> list[Search]:
    config = _config("oneshot_quick", control_arms=[], final={"top": 0}, budget={"trials": 1})
    config["supernet"]["rank_sample"] = RANKED
    return [Search("one_shot", config)]


def _one_shot_repeats(runs: Runs) -> list[Training]:
    return _again(runs, "one_shot", _alone(_config("oneshot_quick")))


def _one_shot_report(runs: Runs) -> str:
    run, twice = runs.search("one_shot"), _twice(runs, "one_shot")
    trials = run.trials[run.trials["arm"] == "rank_sample"]
    shared, alone = trials["shared_accuracy"].to_numpy(), twice.mean(1)
    ranks = rank_correlation(shared, alone, seed=0)
    macs = rank_correlation(trials["macs"].to_numpy(float), alone, seed=0)
    searched = sum(record.seconds for record in run.supernet.records)
    return "\n".join(
        [
            f"`configs/oneshot_quick.yaml`: a supernet of single paths (FairNAS, {len(run.supernet.records)} "
            f"epochs, {searched:.0f} s), and {len(shared)} random networks of its space, each trained alone "
            f"twice with seeds of its own ({_training(run.config['evaluator']['training'])}, "
            f"{trials['seconds'].mean():.0f} s each).",
            "",
            f"Kendall's tau {ranks.tau:.2f}, 95 % interval (bootstrap over networks) {ranks.low:.2f} to "
            f"{ranks.high:.2f}. By multiply-accumulates alone: {macs.tau:.2f} ({macs.low:.2f} to "
            f"{macs.high:.2f}). Between the two trainings alone, for comparison: "
            f"{kendall(twice[:, 0], twice[:, 1]):.2f}.",
            "",
            f"Accuracy with shared weights {shared.min():.2%} to {shared.max():.2%}, alone {alone.min():.2%} "
            f"to {alone.max():.2%}. {noise(twice)}",
        ]
    )


# ---- NAS-Bench-201


NASBENCH201: Mapping[str, Mapping[str, Any]] = {
    "DARTS": {"diagnosis": {"eigenvalue_every": 3}},
    "DARTS, stopped by skips": {
        "diagnosis": {"eigenvalue_every": 0, "stop_on": ["skips"], "stop_from_epoch": 10}
    },
    "GDAS": {"relaxation": "gdas", "diagnosis": {"eigenvalue_every": 0}},
}


LOOKED_UP = ("skips", "entropy", "12 epochs", "200 epochs", "beats")


def _nasbench201_searches() -> list[Search]:
    return [
        Search(_slug(name, seed), _nasbench201_config(options), {"seed": seed})
        for name, options in NASBENCH201.items()
        for seed in _seeds(name)
    ]


def _seeds(kind: str) -> range:
    return range(GDAS_SEARCHES if kind == "GDAS" else NASBENCH201_SEARCHES)


def _nasbench201_config(options: Mapping[str, Any]) -> dict[str, Any]:
    """The published search with fewer steps: alpha_learning_rate x steps is the published 3e-4 x 19,500.

    Alpha can then go as far. The weights get fewer images, so that they converge in that time; smaller
    networks and images only make steps cheap.
    """
    size = {"channels": 8, "cells_per_stage": 1}
    training = {"epochs": 60, "alpha_learning_rate": 0.0026}
    supernet = {"kind": "nasbench201", **size, "data_fraction": 0.1, "training": training}
    return {
        "space": {"name": "nasbench201", "macro": size},
        "task": _config("darts_quick")["task"],
        "supernet": {**supernet, **options},
        "evaluator": {"kind": "shared_weights"},
        "controller": {"kind": "derived"},
        "budget": {"trials": 1},
        "final": {"top": 0},
    }


def _nasbench201_report(runs: Runs) -> str:
    accuracies = _tables()
    space = nas.spaces.create("nasbench201")
    rows: list[list[Any]] = []

    def add(kind: str, seed: int, records: Sequence[Any], epoch: int) -> None:
        taken = records[epoch - 1]
        short, full = accuracies.loc[space.to_string(np.array(taken.genotype, np.uint8))]
        skips, entropy = int(taken.diagnosis["skips_cell"]), taken.diagnosis["entropy_share_cell"]
        worse = (accuracies["12"] < short).mean()
        rows.append([kind, seed, len(records), epoch, skips, entropy, short, full, worse])

    for kind in NASBENCH201:
        for seed in _seeds(kind):
            supernet = runs.search(_slug(kind, seed)).supernet
            add(kind, seed, supernet.records, supernet.returned_to or len(supernet.records))
    for seed in range(NASBENCH201_SEARCHES):  # this rule changes nothing before it stops: same records
        records = runs.search(_slug("DARTS", seed)).supernet.records
        end, epoch = _stopped_by_curvature(records)
        add("DARTS, stopped by eigenvalue", seed, records[:end], epoch)
    found = pd.DataFrame(rows, columns=["search", "seed", "epochs", "taken", *LOOKED_UP])
    means = found.groupby("search", sort=False)[list(LOOKED_UP)].mean().reset_index()
    options = runs.search(_slug("DARTS", 0)).config["supernet"]
    return "\n".join(
        [
            f"Supernets of 3 cells with 8 channels on {options['data_fraction']:.0%} of the training images, "
            f"{options['training']['epochs']} epochs; alpha's learning rate is "
            f"{options['training']['alpha_learning_rate']:g}, so that rate x steps is as published. The cell "
            "of the epoch that is taken is looked up: test accuracy (CIFAR-10) after 12 epochs and after "
            "200, and the share of all 15,625 cells that are worse after 12. Entropy is a share of its "
            f"largest value. All cells: median {accuracies['12'].median():.2f} and "
            f"{accuracies['200'].median():.2f}, best {accuracies['12'].max():.2f} and "
            f"{accuracies['200'].max():.2f}.",
            "",
            table(list(found), _shown(found)),
            "",
            "Means:",
            "",
            table(list(means), _shown(means)),
            "",
            "Published for searches at full size (arXiv:2001.00326, table 5; test accuracy after 200 "
            "epochs): DARTS 54.30, a cell of skip connections; GDAS 93.61.",
        ]
    )


def _shown(rows: pd.DataFrame) -> list[list[Any]]:
    """The rows with their numbers as text."""
    forms = {"skips": "{:.2g}", "entropy": "{:.2f}", "12 epochs": "{:.2f}", "200 epochs": "{:.2f}"}
    forms["beats"] = "{:.0%}"
    texts = {name: [form.format(value) for value in rows[name]] for name, form in forms.items()}
    return rows.assign(**texts).to_numpy().tolist()


def _stopped_by_curvature(records: Sequence[Any]) -> tuple[int, int]:
    """The epoch after which `stop_on: [eigenvalue]` would have stopped, and the one that it returns to."""
    seen = []
    for record in records:
        if "eigenvalue" in record.diagnosis:
            seen.append((record.epoch, record.diagnosis["eigenvalue"]))
            stop = rising_curvature(seen)
            if stop is not None:
                return record.epoch, stop.return_to or record.epoch
    return len(records), len(records)


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


def _slug(kind: str, seed: int) -> str:
    return f"nasbench201_{kind.lower().replace(', ', '_').replace(' ', '_')}_{seed}"


# ---- what the topics share


def _config(name: str, **sections: Any) -> dict[str, Any]:
    """A config of the repository with other sections, its supernet on one thread."""
    config = load_config(CONFIGS / f"{name}.yaml", sections).resolved()
    config["supernet"]["threads"] = 1
    return config


def _alone(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a search without a supernet: random architectures, trained as finalists' trials are."""
    evaluator = config["evaluator"]
    fields = {name: value for name, value in config.items() if name != "supernet"}
    trained = {"kind": "trained", **evaluator["training"]} if "training" in evaluator else evaluator
    return {**fields, "evaluator": trained, "controller": {"kind": "random"}}


def _again(runs: Runs, name: str, config: Mapping[str, Any]) -> list[Training]:
    """A second training of each architecture that a search has trained."""
    texts = _trained(runs, name)["architecture"]
    return [Training(f"{name}_{i}_again", config, text, seed=i) for i, text in enumerate(texts)]


def _twice(runs: Runs, name: str) -> Floats:
    """Both accuracies of each of them [n, 2]."""
    first = _trained(runs, name)["accuracy"]
    return np.array([[a, runs.accuracy(f"{name}_{i}_again")] for i, a in enumerate(first)])


def _trained(runs: Runs, name: str) -> pd.DataFrame:
    trials = runs.search(name).trials
    ranked = trials[trials["arm"] == "rank_sample"]
    return ranked if len(ranked) else trials


def noise(twice: Floats) -> str:
    """What the seed of a training makes, and what the architecture makes [n, 2]."""
    seed = np.mean((twice[:, 0] - twice[:, 1]) ** 2) / 2
    own = max(0.0, float(twice.mean(1).var(ddof=1) - seed / 2))
    by = f"{seed**0.5:.2%} by its seed, {own**0.5:.2%} by the architecture"
    return f"Standard deviation of one training: {by}."


def _training(options: Mapping[str, Any]) -> str:
    return f"{options['epochs']} epochs on {options['data_fraction']:.0%} of the training images"


TOPICS: Mapping[str, Topic] = {
    "one_shot": Topic(
        "How well shared weights rank networks that are also trained alone",
        _one_shot_searches,
        _one_shot_repeats,
        _one_shot_report,
    ),
    "darts_quick": Topic(
        "Cells that DARTS derives, against random ones trained in the same way",
        _darts_searches,
        _darts_repeats,
        _darts_report,
    ),
    "nasbench201": Topic(
        "Cells that DARTS and GDAS find in the space of NAS-Bench-201, looked up in its tables",
        _nasbench201_searches,
        lambda runs: [],
        _nasbench201_report,
    ),
}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(TOPICS), default=list(TOPICS), metavar="TOPIC")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "e2e-supernets")
    parser.add_argument("--output", type=Path, help="Markdown file; without it the result is only printed")
    options = parser.parse_args(arguments)
    beside = ROOT.parent / "shared" / "data"
    if beside.is_dir():
        os.environ.setdefault("EFFICIENT_NAS_DATA", str(beside))
    if "EFFICIENT_NAS_DATA" not in os.environ:
        parser.error("EFFICIENT_NAS_DATA must name the folder of cifar10 and nasbench201_accuracy")
    runs, chosen, started = Runs(options.folder), [TOPICS[name] for name in options.only], time.perf_counter()
    searches: list[Job] = [job for topic in chosen for job in topic.searches()]
    runs.run(searches)
    repeats: list[Job] = [job for topic in chosen for job in topic.repeats(runs)]
    runs.run(repeats)
    minutes = (time.perf_counter() - started) / 60
    sections = [header("Supernets, whole searches", "make e2e-supernets")]
    task = _config("darts_quick")["task"]
    side = task["image_size"] // task["shrink"]
    sections.append(f"All on images of {side} x {side} pixels: those of CIFAR-10, made smaller.")
    sections += [f"## {topic.title}\n\n{topic.report(runs)}" for topic in chosen]
    sections.append(f"This call took {minutes:.0f} minutes, with two processes of one thread each.")
    text = "\n\n".join(sections) + "\n"
    print(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
