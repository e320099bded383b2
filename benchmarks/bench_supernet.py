"""A step of gradient search, of weights and architecture parameters, against plain PyTorch.

python benchmarks/bench_supernet.py [--only TOPIC ...] [--rounds N] [--output FILE]

A step is what a search repeats: architecture parameters by Adam on one batch, then weights by SGD on another,
with clipped gradients; ours as `supernet.Trainer` takes it, batches included. The plain networks
(plain_networks) take the same step as the published programs do, whose passes compute the gradients of all
parameters; "frozen" computes only those that are used. Losses and gradients are compared before anything is
timed. The floor of a step is that of its mixed operations (supernet_floors.py) alone: the greater of
arithmetic at the speed of a large matrix product, and of least traffic at the speed of a large copy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import supernet_floors
from bench_mixed_op import LAYOUTS, THREADS, floors, threads
from command_line import Topic, run_topics
from efficient_nas import supernet
from efficient_nas.supernet.data import SearchData
from efficient_nas.supernet.options import TrainingOptions
from efficient_nas.supernet.ranks import Ranks
from efficient_nas.supernet.steps import Steps
from harness import measure, ratio, table
from plain_networks.darts import Network as PlainDARTS
from plain_networks.nasbench201 import Network as PlainNASBench201
from plain_networks.pc_darts import Network as PlainPCDARTS
from plain_networks.published_loop import published_step
from plain_networks.tensors import arch_parameters, give_tensors, weights_of
from single_path_topic import single_path

BATCH = 64
FROZEN = "eager channels_last, frozen"  # LAYOUTS ends with it
OPTIONS = TrainingOptions(batch_size=BATCH)


@dataclass(frozen=True)
class Batch:
    """As many images as a batch holds; a supernet's `Images`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        return self.images[indices], self.labels[indices]


def random_batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(BATCH, 3, 32, 32, generator=generator)
    return Batch(images, torch.randint(10, (BATCH,), generator=generator))


WEIGHTS, ALPHAS = random_batch(1), random_batch(2)

Step = Callable[[], list[Tensor]]


def our_step(net: supernet.Supernet) -> Step:
    """A step of the trainer; its losses."""
    data = SearchData(weights=WEIGHTS, alphas=ALPHAS, validation=ALPHAS)
    net.train()
    steps = Steps(net, data, OPTIONS, 0, None, None, Ranks(None))
    number = 0

    def step() -> list[Tensor]:
        nonlocal number
        losses = steps.of_alphas(number)[0], steps.of_weights(number)[0]
        number += 1
        return list(torch.tensor(losses))

    return step


def plain_step(plain: nn.Module, layout: torch.memory_format, *, frozen: bool = False) -> Step:
    """The same in plain PyTorch. frozen: each pass computes the gradients that it uses alone."""
    step = published_step(plain, OPTIONS, frozen=frozen)
    batches = [(b.images.contiguous(memory_format=layout), b.labels) for b in (ALPHAS, WEIGHTS)]
    return lambda: step(*batches)


# ---- networks


@dataclass(frozen=True)
class Network:
    """Makes ours and the plain one, whose tensors come in one order; cost: of a step's mixed operations."""

    ours: Callable[[], supernet.Supernet]
    plain: Callable[[], nn.Module]
    marks: str
    cost: supernet_floors.Cost


def _pair(network: Network, layout: torch.memory_format) -> tuple[supernet.Supernet, nn.Module]:
    ours, plain = network.ours(), network.plain().train()
    give_tensors(ours, plain)
    return ours, plain.to(memory_format=layout)


def _steps(network: Network) -> dict[str, Step]:
    """Of ours and of the plain network in both layouts, after they were compared."""
    steps: dict[str, Step] = {}
    for name, layout in LAYOUTS.items():
        ours, plain = _pair(network, layout)
        steps["ours"], frozen = our_step(ours), plain_step(plain, layout, frozen=True)
        torch.testing.assert_close(steps["ours"](), frozen(), rtol=1e-3, atol=0)
        # By norms: behind a ReLU whose input is close to zero, rounding decides about single gradients. Eager
        # in one layout is 2 % away from eager in the other after the 15 cells of NAS-Bench-201. (The tests
        # compare in float64.)
        parts = (
            (ours.arch_parameters(), arch_parameters(plain)),
            (ours.weight_parameters(), weights_of(plain)),
        )
        for own, other in parts:
            gradients = [torch.cat([p.grad.flatten() for p in given]) for given in (own, other)]
            error = float((gradients[0] - gradients[1]).norm() / gradients[1].norm())
            if not error < 5e-2:
                raise RuntimeError(f"eager {name}: gradients differ by {error:.1e} of their norm")
        steps[f"eager {name}"] = plain_step(plain, layout)
    steps[FROZEN] = frozen
    return steps


def _rows(network: Network, rounds: int) -> str:
    peers = [*(f"eager {layout}" for layout in LAYOUTS), FROZEN]
    rows = []
    for count in THREADS:
        with threads(count):
            flops, bandwidth = floors(rounds)
            timings = measure(_steps(network), 1, rounds)
            ours = timings["ours"]
            floor = max(network.cost.flops / flops, network.cost.bytes / bandwidth)
            rows.append(
                [
                    count,
                    ours.median,
                    f"{ours.spread:.0%}",
                    *(ratio(timings[name], ours) for name in peers),
                    f"{floor / ours.median:.0%}",
                ]
            )
    columns = ["threads", "s ours", "spread", *peers, "share of the floor"]
    return "\n".join([f"Marks: {network.marks}.", "", table(columns, rows)])


def darts(rounds: int) -> str:
    """DARTS of first order: 8 cells, 16 channels, batch 64."""
    marks = "8 times eager NCHW, 4.5 times eager channels_last"
    return _rows(Network(supernet.DARTS, PlainDARTS, marks, supernet_floors.darts()), rounds)


def pc_darts(rounds: int) -> str:
    """PC-DARTS: 8 cells, 16 channels, of which candidates see 4, batch 64."""
    marks = "5 times eager channels_last"
    return _rows(Network(supernet.PCDARTS, PlainPCDARTS, marks, supernet_floors.darts(divisor=4)), rounds)


def nasbench201(rounds: int) -> str:
    """NAS-Bench-201 by softmax: 3 stages of 5 cells, 16 channels, batch 64."""
    marks = "1.8 times eager channels_last"
    cost = supernet_floors.nasbench201()
    return _rows(Network(supernet.NASBench201, PlainNASBench201, marks, cost), rounds)


TOPICS: list[Topic] = [darts, pc_darts, nasbench201, single_path]


def main(arguments: Sequence[str]) -> None:
    run_topics("bench_supernet.py", "Gradient search", __doc__ or "", TOPICS, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
