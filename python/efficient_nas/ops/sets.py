"""The candidate sets of published search spaces."""

from __future__ import annotations

from collections.abc import Sequence

from efficient_nas.ops.mixed_spec import MixedOpSpec
from efficient_nas.ops.spec import OpSpec


def darts(norm: str = "plain", channel_divisor: int = 1) -> MixedOpSpec:
    """The eight candidates of DARTS (arXiv:1806.09055) in the published order.

    The pools' norms are plain whatever `norm` says, as published. PC-DARTS is channel_divisor=4.
    """
    return MixedOpSpec(
        (
            OpSpec("none"),
            OpSpec("max_pool_3x3", "plain"),
            OpSpec("avg_pool_3x3", "plain"),
            OpSpec("skip_connect", norm),
            OpSpec("sep_conv_3x3", norm),
            OpSpec("sep_conv_5x5", norm),
            OpSpec("dil_conv_3x3", norm),
            OpSpec("dil_conv_5x5", norm),
        ),
        channel_divisor,
    )


def nasbench201(norm: str = "plain", *, bias: bool = False) -> MixedOpSpec:
    """The five candidates of NAS-Bench-201 (arXiv:2001.00326) in the published order.

    bias: as in later versions of the published code where norms are plain (`OpSpec`).
    """
    return MixedOpSpec(
        (
            OpSpec("none"),
            OpSpec("skip_connect", norm, bias=bias),
            OpSpec("nor_conv_1x1", norm, bias=bias),
            OpSpec("nor_conv_3x3", norm, bias=bias),
            OpSpec("avg_pool_3x3"),
        )
    )


def mbconv(
    kernel_sizes: Sequence[int] = (3, 5, 7), expansions: Sequence[int] = (3, 6), *, norm: str = "affine"
) -> MixedOpSpec:
    """Inverted residuals of every kernel size and expansion, kernel sizes outermost.

    The defaults are those of ProxylessNAS (arXiv:1812.00332). Departure: each candidate adds its own residual
    where stride and channels allow one (MobileNetV2), where ProxylessNAS adds it once, outside the mixed op.
    """
    return MixedOpSpec(
        tuple(
            OpSpec("mbconv", norm, kernel_size=kernel_size, expansion=expansion)
            for kernel_size in kernel_sizes
            for expansion in expansions
        )
    )
