"""What each candidate of a supernet costs, for the expected cost under alpha."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from efficient_nas.devices import OperatorTable
from efficient_nas.devices.operators import Operator
from efficient_nas.errors import ConfigError
from efficient_nas.files import replacing
from efficient_nas.graph import ArchNode
from efficient_nas.ledger import RunFolder
from efficient_nas.recipes.config import Config, DeviceTable
from efficient_nas.recipes.costs import table_path
from efficient_nas.spaces.assembly import node_cost
from efficient_nas.supernet import Supernet

Cost = Callable[[ArchNode, tuple[int, int, int]], float]


def alpha_costs(config: Config, network: Supernet, folder: RunFolder) -> dict[str, Tensor]:
    """float32 [edges, candidates] of every table of alphas: the metric `supernet.expected_cost`.

    Summed over all cells that share the table, in the network of the supernet's own size. latency_ms comes
    from a table of its operators, measured once and kept in the run folder, or from the stored table.
    """
    assert config.supernet is not None
    operators = network.operators()
    metric = config.supernet.expected_cost
    cost = _latency(config, network, folder) if metric == "latency_ms" else _count(str(metric))
    return {
        name: torch.tensor(
            [[sum(cost(node, shape) for node, shape in found) for found in edge] for edge in edges]
        )
        for name, edges in operators.items()
    }


def _count(metric: str) -> Cost:
    position = ("macs", "params").index(metric)
    return lambda node, shape: float(node_cost(node, shape).totals[position])


def _latency(config: Config, network: Supernet, folder: RunFolder) -> Cost:
    (device,) = config.devices
    everything = [
        _operator(node, shape)
        for edges in network.operators().values()
        for edge in edges
        for found in edge
        for node, shape in found
        if not _is_identity(node)
    ]
    if isinstance(device, DeviceTable):
        path = table_path(folder, device)
    else:
        path = folder.costs / f"supernet-{device.replace(':', '-')}.json"
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as draft:
                OperatorTable.measure(everything, device).save(draft)
    table = OperatorTable.load(path)
    for operator in everything:
        if operator not in table.timings:
            raise ConfigError(
                "supernet.expected_cost",
                f"the table of devices[0] lacks an operator of the supernet: {operator}",
            )

    def cost(node: ArchNode, shape: tuple[int, int, int]) -> float:
        return 0.0 if _is_identity(node) else table.timings[_operator(node, shape)].median_ms

    return cost


def _operator(node: ArchNode, shape: tuple[int, int, int]) -> Operator:
    return Operator(node, shape[1:])


def _is_identity(node: ArchNode) -> bool:
    """Costs nothing and is in no table."""
    return node.operation == "skip_connect" and node.stride == 1
