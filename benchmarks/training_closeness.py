"""How far losses of our training are from plain PyTorch, and those of plain PyTorch from its own.

python benchmarks/training_closeness.py [--seeds N] [--steps N] [--folder DIR] [--output FILE]

Searches of DARTS, first order, on real CIFAR-10 images (`EFFICIENT_NAS_DATA`) at a quarter of their width and
height; every loop gets the same weights and the same batches, in float32 unless it says float64. What differs
is in which order sums are added up: on one thread or two, in one memory layout or the other, in plain PyTorch
or in ours. Two such runs are equal but for rounding until a rounding puts a value to the other side of a
ReLU, or another pixel first in a pool; a gradient jumps then, and training multiplies it. When it happens is
chance, hence several seeds. Losses are kept in the folder: what was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas import supernet
from efficient_nas.evaluators import load_task, search_data
from efficient_nas.supernet import Images, SearchData, TrainingOptions
from efficient_nas.threads import fixed_threads
from harness import ROOT, header, table
from loss_curves import Search, plain_losses, trainer_losses
from plain_networks import darts
from plain_networks.tensors import double, give_tensors

CHANNELS, LAYERS, BATCH = 4, 3, 8
NCHW, LAST = torch.contiguous_format, torch.channels_last
UNTIL = (6, 20, 50, 100)

PAIRS = {
    "plain NCHW, 1 and 2 threads": ("NCHW", "NCHW, 2 threads"),
    "plain channels_last, 1 and 2 threads": ("channels_last", "channels_last, 2 threads"),
    "plain, NCHW and channels_last": ("NCHW", "channels_last"),
    "ours and plain NCHW": ("ours", "NCHW"),
    "ours and plain channels_last": ("ours", "channels_last"),
    "`fuse(plain)` and plain NCHW": ("fused", "NCHW"),
    "`fuse(plain)` and plain channels_last": ("fused", "channels_last"),
    "ours and float64": ("ours", "float64"),
    "plain NCHW and float64": ("NCHW", "float64"),
    "plain channels_last and float64": ("channels_last", "float64"),
    "ours and plain, both float64": ("float64", "NCHW, float64"),
    "ours, 1 and 2 threads": ("ours", "ours, 2 threads"),
}
QUESTIONS = [
    ("ours and plain NCHW", "plain NCHW, 1 and 2 threads"),
    ("ours and plain channels_last", "plain channels_last, 1 and 2 threads"),
    ("`fuse(plain)` and plain NCHW", "plain NCHW, 1 and 2 threads"),
    ("`fuse(plain)` and plain channels_last", "plain channels_last, 1 and 2 threads"),
    ("ours and plain NCHW", "plain, NCHW and channels_last"),
    ("ours and plain channels_last", "plain, NCHW and channels_last"),
    ("ours and float64", "plain NCHW and float64"),
    ("ours and float64", "plain channels_last and float64"),
]


@dataclass(frozen=True)
class Sample:
    """Some of the images, at a quarter of their width and height."""

    images: Images
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        images, labels = self.images.batch(self.rows[indices], generator)
        return functional.avg_pool2d(images, 4), labels


def search(folder: Path, seed: int, steps: int) -> Search:
    """A search on other images for every seed, drawn from those of CIFAR-10."""
    task = load_task("image_sheets", folder / "cifar10", image_size=32, crop_padding=4, horizontal_flip=True)
    data = search_data(task, seed=seed)
    draw = torch.Generator().manual_seed(seed)
    parts = {
        part: Sample(images, torch.randperm(len(images), generator=draw)[: steps * BATCH])
        for part, images in {
            "weights": data.weights,
            "alphas": data.alphas,
            "validation": data.validation,
        }.items()
    }
    return Search(SearchData(**parts), TrainingOptions(epochs=1, batch_size=BATCH), seed)


def curves(given: Search) -> dict[str, Tensor]:
    """float64 [steps] each: losses of every loop, by name."""

    def ours() -> supernet.DARTS:
        return supernet.DARTS(CHANNELS, LAYERS, input_shape=(3, 8, 8), seed=given.seed)

    def plain() -> nn.Module:
        network = darts.Network(CHANNELS, layers=LAYERS)
        give_tensors(ours(), network)
        return network

    def fused() -> nn.Module:
        network = plain()
        if supernet.fuse(network).not_fused:
            raise RuntimeError("fuse left mixed operations of the plain network out")
        return network

    found = {}
    for threads, suffix in ((1, ""), (2, ", 2 threads")):
        with fixed_threads(threads):
            found[f"NCHW{suffix}"] = plain_losses(plain(), given, NCHW)
            found[f"channels_last{suffix}"] = plain_losses(plain(), given, LAST)
            found[f"ours{suffix}"] = trainer_losses(ours(), given)
    with fixed_threads(1):
        found["fused"] = plain_losses(fused(), given, LAST)
        found["float64"] = trainer_losses(ours().double(), given)
        found["NCHW, float64"] = plain_losses(double(plain()), given, NCHW)
    return found


def kept_curves(kept: Path, images: Path, seed: int, steps: int) -> dict[str, Tensor]:
    """The curves of one seed: those in the folder `kept`, or new ones that are then kept there."""
    file = kept / f"{steps}_steps_seed_{seed}.json"
    if not file.is_file():
        print(f"seed {seed} ...", file=sys.stderr, flush=True)
        found = {name: losses.tolist() for name, losses in curves(search(images, seed, steps)).items()}
        kept.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found))
    return {name: torch.tensor(v, dtype=torch.float64) for name, v in json.loads(file.read_text()).items()}


# ---- what the differences say


def differences(runs: Sequence[dict[str, Tensor]], pair: str) -> list[Tensor]:
    """Of every seed: absolute differences of the losses of a pair, step by step."""
    one, two = PAIRS[pair]
    return [(run[one] - run[two]).abs() for run in runs]


def median_and_range(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1e} ({min(values):.0e} to {max(values):.0e})"


def pair_row(runs: Sequence[dict[str, Tensor]], pair: str) -> list[str]:
    found = differences(runs, pair)
    early = [f"{statistics.median(float(d[:k].max()) for d in found):.0e}" for k in UNTIL]
    means, largest = ([float(reduce(d)) for d in found] for reduce in (torch.mean, torch.max))
    return [pair, *early, median_and_range(means), median_and_range(largest)]


def sign_test(successes: int, tries: int) -> float:
    """The two-sided p of so many successes where both outcomes are equally likely."""
    extreme = max(successes, tries - successes)
    tail = sum(math.comb(tries, k) for k in range(extreme, tries + 1)) / 2**tries
    return min(1.0, 2 * tail)


def question_row(runs: Sequence[dict[str, Tensor]], one: str, two: str) -> list[str]:
    row = [f"{one}: farther than {two}"]
    for reduce in (torch.mean, torch.max):
        pairs = [
            (float(reduce(a)), float(reduce(b)))
            for a, b in zip(differences(runs, one), differences(runs, two), strict=True)
        ]
        farther, tries = sum(a > b for a, b in pairs), sum(a != b for a, b in pairs)
        ratio = statistics.median(math.inf if b == 0 else a / b for a, b in pairs)
        row.append(f"{farther} of {tries}, p = {sign_test(farther, tries):.2f}, ratio {ratio:.1f}")
    return row


def report(runs: Sequence[dict[str, Tensor]], steps: int) -> str:
    early = [f"first {k}" for k in UNTIL]
    pairs = table(
        ["losses of", *early, f"mean of {steps}", f"largest of {steps}"], [pair_row(runs, p) for p in PAIRS]
    )
    questions = table(
        ["seeds in which", "by the mean", "by the largest"], [question_row(runs, *q) for q in QUESTIONS]
    )
    same = sum(bool((run["ours"] == run["ours, 2 threads"]).all()) for run in runs)
    first = statistics.median(float(run["float64"][:10].mean()) for run in runs)
    last = statistics.median(float(run["float64"][-10:].mean()) for run in runs)
    return "\n".join(
        [
            f"{LAYERS} cells, {CHANNELS} channels, {BATCH} images of 8 x 8 pixels a batch, {steps} steps of "
            f"alphas and of weights, {len(runs)} seeds; the loss goes from {first:.2f} (first ten steps) to "
            f"{last:.2f} (last ten). Differences of the losses of two runs: the largest among the first "
            "steps (median over seeds); then mean and largest of all steps (median over seeds, range).",
            "",
            pairs,
            "",
            "Sign tests (two-sided) over the seeds in which they differ; ratio: median over seeds.",
            "",
            questions,
            "",
            f"Ours gives the same losses to the bit on one thread and two in {same} of {len(runs)} seeds.",
        ]
    )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "training-closeness")
    parser.add_argument("--output", type=Path, help="Markdown file; without it the result is only printed")
    options = parser.parse_args(arguments)
    if "EFFICIENT_NAS_DATA" not in os.environ:
        parser.error("EFFICIENT_NAS_DATA must name the folder of cifar10")
    folder = Path(os.environ["EFFICIENT_NAS_DATA"])
    runs = [kept_curves(options.folder, folder, seed, options.steps) for seed in range(options.seeds)]
    command = " ".join(["python benchmarks/training_closeness.py", *arguments])
    text = f"{header('Closeness of training', command)}\n\n{report(runs, options.steps)}\n"
    print(text)
    if options.output:
        options.output.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
