"""Random mixed operations and cells for property tests, and tensors for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from hypothesis import strategies as st
from torch import Tensor

from efficient_nas.ops import CellEdge, CellSpec, MixedOpSpec, OpSpec

KERNEL_SIZES = st.sampled_from([1, 3, 5, 7])
KEEPING = st.one_of(
    st.builds(OpSpec, st.just("none")),
    st.builds(OpSpec, st.just("skip_connect"), st.sampled_from(["plain", "affine"]), bias=st.booleans()),
    st.builds(
        OpSpec,
        st.sampled_from(["max_pool", "avg_pool"]),
        st.sampled_from(["none", "plain", "affine"]),
        KERNEL_SIZES,
    ),
)
CHANGING = st.one_of(
    st.builds(
        OpSpec,
        st.sampled_from(["nor_conv", "sep_conv"]),
        st.sampled_from(["plain", "affine"]),
        KERNEL_SIZES,
        bias=st.booleans(),
    ),
    st.builds(
        OpSpec,
        st.just("dil_conv"),
        st.sampled_from(["plain", "affine"]),
        KERNEL_SIZES,
        dilation=st.integers(1, 3),
        bias=st.booleans(),
    ),
    st.builds(
        OpSpec,
        st.just("mbconv"),
        st.sampled_from(["plain", "affine"]),
        KERNEL_SIZES,
        expansion=st.integers(1, 3),
    ),
)


def mixed_op_specs(
    *, changing: bool = False, most: int = 4, divisor: int = 1
) -> st.SearchStrategy[MixedOpSpec]:
    """Specs of one to `most` candidates; changing: only ones that can change the number of channels."""
    candidates = CHANGING if changing else st.one_of(KEEPING, CHANGING)
    return st.lists(candidates, min_size=1, max_size=most).map(lambda ops: MixedOpSpec(tuple(ops), divisor))


@st.composite
def cell_specs(draw: st.DrawFn) -> CellSpec:
    """Cells of one or two inputs and one to three nodes; the edges out of inputs, or none, have stride 2.

    Edges may be partial: all of them, or those that leave nodes.
    """
    inputs, nodes = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    divisor = draw(st.sampled_from([1, 1, 2, 3]))
    if divisor > 1 and draw(st.booleans()):
        return _partial_behind_whole(draw, inputs, nodes, divisor)
    reduce = draw(st.booleans())
    specs = draw(st.lists(mixed_op_specs(most=3, divisor=divisor), min_size=1, max_size=2))
    edges = []
    for node in range(inputs, inputs + nodes):
        sources = draw(st.lists(st.integers(0, node - 1), min_size=1, max_size=3))
        edges += [
            CellEdge(source, node, draw(st.sampled_from(specs)), 2 if reduce and source < inputs else 1)
            for source in sources
        ]
    return CellSpec(inputs, tuple(draw(st.permutations(edges))))


def _partial_behind_whole(draw: st.DrawFn, inputs: int, nodes: int, divisor: int) -> CellSpec:
    """Every input goes to a node of its own, whole, at stride 1; partial edges follow."""
    whole, partial = draw(mixed_op_specs(most=2)), draw(mixed_op_specs(most=3, divisor=divisor))
    edges = [CellEdge(state, inputs + state, whole) for state in range(inputs)]
    stride = draw(st.sampled_from([1, 2]))
    for node in range(2 * inputs, 2 * inputs + nodes):
        sources = draw(st.lists(st.integers(inputs, node - 1), min_size=1, max_size=3))
        edges += [CellEdge(s, node, partial, stride if s < 2 * inputs else 1) for s in sources]
    return CellSpec(inputs, tuple(edges))


def random_tensor(shape: Sequence[int], seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal numbers that a float32 holds exactly, so that all dtypes but bfloat16 mean the same."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(list(shape), generator=generator, dtype=torch.float32).to(dtype)


def random_running(
    shapes: Sequence[Sequence[int]], seed: int, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Running means and variances in turn; variances from 0.5 to 1.5."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.rand(list(shape), generator=generator, dtype=torch.float32) + 0.5 * (i % 2)).to(dtype)
        for i, shape in enumerate(shapes)
    ]
