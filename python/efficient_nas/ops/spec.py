"""One candidate of a mixed operation: its attributes, and the tensors that it owns."""

from __future__ import annotations

import re
from dataclasses import dataclass

from efficient_nas.errors import nearest
from efficient_nas.ops.fields import positive_int

NORMS = ("none", "plain", "affine")


@dataclass(frozen=True, slots=True)
class Family:
    """Which attributes an operation takes; the first of `norms` is what it has unless told otherwise."""

    norms: tuple[str, ...]
    sized: bool = False
    dilated: bool = False
    expands: bool = False
    can_have_bias: bool = False


FAMILIES = {
    "none": Family(norms=("none",)),
    "skip_connect": Family(norms=("plain", "affine"), can_have_bias=True),
    "max_pool": Family(norms=NORMS, sized=True),
    "avg_pool": Family(norms=NORMS, sized=True),
    "nor_conv": Family(norms=("plain", "affine"), sized=True, can_have_bias=True),
    "sep_conv": Family(norms=("plain", "affine"), sized=True, can_have_bias=True),
    "dil_conv": Family(norms=("plain", "affine"), sized=True, dilated=True, can_have_bias=True),
    "mbconv": Family(norms=("plain", "affine"), sized=True, expands=True),
}
_NAME = re.compile(
    r"(?P<family>[a-z_]+?)_(?P<kernel>\d+)x(?P=kernel)(_d(?P<dilation>\d+))?(_e(?P<expansion>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution's tensors: `name`.weight [out, in / groups, k, k] and, if `bias`, `name`.bias [out]."""

    name: str
    shape: tuple[int, int, int, int]
    bias: bool = False


@dataclass(frozen=True, slots=True)
class Norm:
    """A batch norm's tensors: `name`.running_mean and .running_var; if `affine`, also .weight and .bias."""

    name: str
    channels: int
    affine: bool


@dataclass(frozen=True, slots=True)
class OpSpec:
    """One candidate operation; docs/design/mixed-op.md lists the steps of each.

    operation: none, skip_connect, max_pool, avg_pool, nor_conv, sep_conv, dil_conv or mbconv. A name that
    holds its sizes, such as sep_conv_3x3, dil_conv_5x5_d3 or mbconv_3x3_e6, sets those attributes too.
    norm: "none", "plain" (batch norm without weight and bias) or "affine". None is "none" for `none` and the
    pools, "plain" for the others, which cannot do without; skip_connect has a norm at stride 2 only.
    kernel_size: odd; all but none and skip_connect need it. dilation: of dil_conv, 2 unless given.
    expansion: of mbconv, 1 unless given. bias: whether convolutions right before a norm have one, as in later
    versions of NAS-Bench-201's code; not in mbconv.
    TypeError or ValueError for anything else.
    """

    operation: str
    norm: str | None = None
    kernel_size: int | None = None
    dilation: int | None = None
    expansion: int | None = None
    bias: bool = False

    def __post_init__(self) -> None:
        self._take_sizes_from_the_name()
        family = FAMILIES.get(self.operation)
        if family is None:
            raise ValueError(
                f"OpSpec: operation must be one of {', '.join(FAMILIES)}, alone or with its sizes as in "
                f"sep_conv_3x3; got {self.operation!r}{nearest(self.operation, FAMILIES)}"
            )
        norm = self.norm
        if norm is None:
            norm = family.norms[0]
        if not isinstance(norm, str) or norm not in family.norms:
            raise ValueError(
                f"OpSpec: norm of {self.operation} must be {' or '.join(family.norms)}, got {norm!r}"
            )
        object.__setattr__(self, "norm", norm)
        self._check_number("kernel_size", family.sized, None)
        if self.kernel_size is not None and self.kernel_size % 2 == 0:
            raise ValueError(f"OpSpec: kernel_size of {self.operation} must be odd, got {self.kernel_size}")
        self._check_number("dilation", family.dilated, 2)
        self._check_number("expansion", family.expands, 1)
        if not isinstance(self.bias, bool):
            raise TypeError(f"OpSpec: bias must be a bool, got {self.bias!r}")
        if self.bias and not family.can_have_bias:
            raise ValueError(f"OpSpec: {self.operation} takes no bias, got True")

    def _take_sizes_from_the_name(self) -> None:
        if not isinstance(self.operation, str):
            raise TypeError(f"OpSpec: operation must be a str, got {self.operation!r}")
        match = _NAME.fullmatch(self.operation)
        if match is None or match["family"] not in FAMILIES:
            return
        for attribute, text in (
            ("kernel_size", match["kernel"]),
            ("dilation", match["dilation"]),
            ("expansion", match["expansion"]),
        ):
            if text is None:
                continue
            value = getattr(self, attribute)
            if value is not None:
                raise ValueError(f"OpSpec: {attribute} of {self.operation} is in its name; got {value!r} too")
            object.__setattr__(self, attribute, int(text))
        object.__setattr__(self, "operation", match["family"])

    def _check_number(self, attribute: str, taken: bool, default: int | None) -> None:
        value = getattr(self, attribute)
        if not taken:
            if value is not None:
                raise ValueError(f"OpSpec: {self.operation} takes no {attribute}, got {value!r}")
            return
        if value is None and default is None:
            raise ValueError(f"OpSpec: {attribute} of {self.operation} must be given")
        value = positive_int(f"OpSpec: {attribute} of {self.operation}", default if value is None else value)
        object.__setattr__(self, attribute, value)

    @property
    def name(self) -> str:
        """The operation with its sizes, such as sep_conv_3x3 or mbconv_5x5_e6."""
        size = "" if self.kernel_size is None else f"_{self.kernel_size}x{self.kernel_size}"
        dilation = "" if self.dilation in {None, 2} else f"_d{self.dilation}"
        expansion = "" if self.expansion is None else f"_e{self.expansion}"
        return self.operation + size + dilation + expansion

    def keeps_channels(self, stride: int) -> bool:
        """Whether the candidate can only give as many channels as it gets."""
        return self.operation in {"none", "max_pool", "avg_pool"} or (
            self.operation == "skip_connect" and stride == 1
        )

    def layers(self, input_channels: int, output_channels: int, stride: int) -> list[Convolution | Norm]:
        """What owns tensors, in the order in which it runs; [] if nothing does."""
        source, target, kernel = input_channels, output_channels, self.kernel_size or 1

        def depthwise(name: str, channels: int) -> Convolution:
            return Convolution(name, (channels, 1, kernel, kernel))

        def pointwise(name: str, before: int, after: int) -> Convolution:
            return Convolution(name, (after, before, 1, 1), self.bias)

        def norm(name: str, channels: int) -> Norm:
            return Norm(name, channels, self.norm == "affine")

        if self.operation == "skip_connect" and stride == 2:
            half = target // 2
            return [
                pointwise("even", source, half),
                pointwise("odd", source, target - half),
                norm("norm", target),
            ]
        if self.operation in {"max_pool", "avg_pool"} and self.norm != "none":
            return [norm("norm", target)]
        if self.operation == "nor_conv":
            return [Convolution("conv", (target, source, kernel, kernel), self.bias), norm("norm", target)]
        if self.operation == "sep_conv":
            return [
                depthwise("depthwise1", source),
                pointwise("pointwise1", source, source),
                norm("norm1", source),
                depthwise("depthwise2", source),
                pointwise("pointwise2", source, target),
                norm("norm2", target),
            ]
        if self.operation == "dil_conv":
            return [
                depthwise("depthwise", source),
                pointwise("pointwise", source, target),
                norm("norm", target),
            ]
        if self.operation == "mbconv":
            expansion = self.expansion or 1
            hidden = source * expansion
            expand: list[Convolution | Norm] = []
            if expansion > 1:
                expand = [pointwise("expand", source, hidden), norm("expand_norm", hidden)]
            return [
                *expand,
                depthwise("depthwise", hidden),
                norm("depthwise_norm", hidden),
                pointwise("project", hidden, target),
                norm("project_norm", target),
            ]
        return []
