"""Topic of bench_supernet.py: what it costs that a path shares its weights, and that paths change."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas import spaces
from efficient_nas.supernet import Elastic, SinglePath, Supernet
from efficient_nas.supernet.networks.candidate_specs import spec_of
from efficient_nas.supernet.networks.fused_modules import FusedModules
from harness import measure, ratio, table

BATCH, PATHS = 64, 3
Step = Callable[[], Tensor]


class BareSubnet(nn.Module):
    """One path by itself: its modules one after the other, inverted residuals by the mixed operation."""

    def __init__(self, supernet: Supernet, genotype: spaces.space.Genotype) -> None:
        super().__init__()
        architecture = supernet.architecture(genotype)
        network = architecture.to_pytorch()
        network.load_state_dict(supernet.subnet_state(genotype))
        self.parts = nn.ModuleList(network.operations.values())
        self.calls: list[Callable[[Tensor], Tensor]] = []
        for index, module in network.operations.items():
            node = architecture.nodes[int(index)]
            spec = spec_of(node)
            self.calls.append(module if spec is None else FusedModules([module], [spec], node.stride))

    def forward(self, images: Tensor) -> Tensor:
        x = images.contiguous(memory_format=torch.channels_last)
        for call in self.calls:
            x = call(x)
        return x.flatten(1)


def single_path(rounds: int) -> str:
    """Training steps of paths in their supernet against the same paths alone; time of a switch."""
    rows = [_row(name, supernet, rounds) for name, supernet in _supernets().items()]
    columns = ["supernet", "step ms", "over bare subnet", "spread", "over eager network", "switch us"]
    note = (
        f"A step: set_path, forward and backward pass on {BATCH} images of 32 x 32 pixels, and SGD; medians "
        f"over {rounds} interleaved rounds of {PATHS} paths each. Bare subnet: the same fused layers with "
        "weights of their own. Eager network: the derived network in channels_last. Required: at most 1.05 "
        "times the bare subnet, a switch in under 50 us."
    )
    return "\n".join([note, "", table(columns, rows)])


def _supernets() -> dict[str, Supernet]:
    macro = {"channels": 32, "head_channels": 256}
    return {
        "SinglePath nasbench_macro": SinglePath(spaces.create("nasbench_macro"), macro=macro),
        "Elastic mbconv": Elastic(spaces.create("mbconv")),
    }


def _row(name: str, supernet: Supernet, rounds: int) -> list[object]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, 32, 32, generator=generator)
    labels = torch.randint(10, (BATCH,), generator=generator)
    genotypes = list(supernet.space.sample(PATHS, 1))
    steps: dict[str, list[Step]] = {"supernet": [], "bare": [], "eager": []}
    optimizer = _sgd(supernet)
    for genotype in genotypes:
        bare = BareSubnet(supernet, genotype)
        eager = supernet.architecture(genotype).to_pytorch()
        eager.load_state_dict(supernet.subnet_state(genotype))
        eager = eager.to(memory_format=torch.channels_last)
        x = images.contiguous(memory_format=torch.channels_last)
        supernet.set_path(genotype)
        with torch.no_grad():
            losses = [float(functional.cross_entropy(n(x), labels)) for n in (supernet, bare, eager)]
        if max(losses) - min(losses) > 1e-4 * max(losses):
            raise RuntimeError(f"single_path: the losses of one path differ: {losses}")
        steps["supernet"].append(
            _step(supernet, optimizer, x, labels, lambda g=genotype: supernet.set_path(g))
        )
        steps["bare"].append(_step(bare, _sgd(bare), x, labels))
        steps["eager"].append(_step(eager, _sgd(eager), x, labels))
    timings = measure({which: _all(several) for which, several in steps.items()}, PATHS, rounds)
    endless = itertools.cycle(supernet.space.sample(64, 2))
    switch = measure({"switch": lambda: supernet.set_path(next(endless))}, 1, rounds)["switch"]
    own = timings["supernet"]
    over_bare, over_eager = ratio(own, timings["bare"]), ratio(own, timings["eager"])
    return [name, own.median / PATHS * 1e3, over_bare, own.spread, over_eager, switch.median * 1e6]


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=3e-4)


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    before: Callable[[], None] | None = None,
) -> Step:
    def step() -> Tensor:
        if before is not None:
            before()
        optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(network(images), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        return loss

    return step


def _all(steps: Sequence[Step]) -> Callable[[], None]:
    def run() -> None:
        for step in steps:
            step()

    return run
