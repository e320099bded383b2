"""Native costs, pruning and orders against a plain reference."""

from cost_reference import alive_nodes, costs, execution_order
from hypothesis import given, settings
from hypothesis import strategies as st
from random_architectures import architectures, relabel

from efficient_nas.graph import Architecture


def native_costs(arch: Architecture) -> dict[str, int]:
    return {
        "macs": arch.macs,
        "params": arch.params,
        "peak_activation_bytes": arch.peak_activation_bytes,
    }


@given(architectures())
@settings(max_examples=400)
def test_costs_are_those_of_the_reference(arch: Architecture) -> None:
    assert native_costs(arch) == costs(arch)
    assert arch.execution_order == execution_order(arch)
    assert {i for i, alive in enumerate(arch.alive) if alive} == alive_nodes(arch)


@given(architectures())
def test_pruning_keeps_costs_and_canonical_forms(arch: Architecture) -> None:
    pruned = arch.prune()
    assert native_costs(pruned) == native_costs(arch)
    assert pruned.depth == arch.depth
    for kind in ("graph", "expression"):
        assert pruned.canonical_bytes(kind) == arch.canonical_bytes(kind)
    assert pruned.prune() is pruned
    assert set(pruned.nodes) <= set(arch.nodes)
    if "concat" not in {node.operation for node in arch.nodes} and arch.depth > 0:
        assert all(pruned.alive)


@given(architectures(), st.integers(0, 2**32 - 1))
def test_macs_params_and_depth_do_not_depend_on_the_order_of_nodes(arch: Architecture, seed: int) -> None:
    other = relabel(arch, seed)
    assert (other.macs, other.params, other.depth) == (arch.macs, arch.params, arch.depth)


@given(architectures())
def test_topological_order_takes_the_smallest_ready_node(arch: Architecture) -> None:
    missing = [sum(target == i for _, target in arch.connections) for i in range(len(arch.nodes))]
    for node in arch.topological_order:
        assert node == min(i for i, count in enumerate(missing) if count == 0)
        missing[node] = -1
        for source, target in arch.connections:
            missing[target] -= source == node


@given(architectures())
def test_json_round_trip(arch: Architecture) -> None:
    assert Architecture.from_json(arch.to_json()) == arch
