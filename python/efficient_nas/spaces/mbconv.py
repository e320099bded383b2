"""A MobileNetV2-style macro space: depth, width, kernels and expansions of a few stages."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from efficient_nas.errors import nearest
from efficient_nas.graph import ArchNode
from efficient_nas.spaces.assembly import classifier, network_options, positive_int
from efficient_nas.spaces.chains import ChainLayer, ChainSpace
from efficient_nas.spaces.choice import Choice
from efficient_nas.types import Genotype


@dataclass(frozen=True)
class Stage:
    """Options of one stage: each list is what the search chooses from; stride is that of its first layer."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    stride: int = 1
    kernels: tuple[int, ...] = (3, 5)
    expansions: tuple[int, ...] = (3, 6)


DEFAULT_STAGES: tuple[Stage, ...] = (
    Stage(widths=(16, 24), depths=(1, 2), expansions=(1, 3)),
    Stage(widths=(24, 32, 40), depths=(1, 2, 3), stride=2),
    Stage(widths=(48, 64, 80), depths=(1, 2, 3), stride=2),
    Stage(widths=(96, 128, 160), depths=(1, 2, 3), stride=2),
)
"""For images of about 32 x 32 pixels."""


@dataclass(frozen=True)
class MBConvOptions:
    """A whole space; see `MBConv`."""

    stem_channels: int
    stem_stride: int
    stages: tuple[Stage, ...]
    head_channels: int

    def stem(self, input_channels: int) -> ArchNode:
        return ArchNode(
            "conv_bn_relu", input_channels, self.stem_channels, stride=self.stem_stride, kernel_size=3
        )

    def layers(self) -> list[ChainLayer]:
        """The stages' layers, then the head, whose input the last width decides."""
        layers: list[ChainLayer] = []
        incoming: tuple[int, ...] = (self.stem_channels,)
        decided_by: tuple[int, ...] = ()  # the column of the incoming width; the stem's is fixed
        column = 0
        for stage in self.stages:
            width, depth = column, column + 1
            column += 2
            for index in range(max(stage.depths)):
                if index == 0:
                    shapes = list(itertools.product(incoming, stage.widths))
                else:
                    shapes = [(channels, channels) for channels in stage.widths]
                stride = stage.stride if index == 0 else 1
                nodes = tuple(
                    ArchNode("mbconv", source, target, stride, kernel_size=kernel, expansion=expansion)
                    for (source, target), kernel, expansion in itertools.product(
                        shapes, stage.kernels, stage.expansions
                    )
                )
                sizes = (len(stage.widths), len(stage.kernels), len(stage.expansions))
                present = tuple(i for i, d in enumerate(stage.depths) if d > index)
                before = decided_by if index == 0 else ()
                layers.append(
                    ChainLayer(
                        columns=(*before, width, column, column + 1),
                        cardinalities=(*(len(incoming) for _ in before), *sizes),
                        nodes=nodes,
                        stride=stride,
                        depth=(depth, present),
                    )
                )
                column += 2
            incoming, decided_by = stage.widths, (width,)
        head = tuple(ArchNode("conv_bn_relu", w, self.head_channels, kernel_size=1) for w in incoming)
        layers.append(ChainLayer(decided_by, (len(incoming),), head, stride=1))
        return layers

    def tail(self, num_classes: int) -> list[ArchNode]:
        return classifier(self.head_channels, num_classes)


class MBConv(ChainSpace):
    """A chain of inverted residuals (MobileNetV2, arXiv:1801.04381) in stages of free depth and width.

    Choices of each stage: its width, its depth, and kernel and expansion of each layer; those of layers
    beyond the depth are inactive. stages: dicts with `widths` and `depths` and, if wanted, `stride` (1),
    `kernels` ([3, 5]), `expansions` ([3, 6]). Network: 3x3 stem, stages, 1x1 head, global pooling, linear.
    Text: stages like `w24-k3e6-k5e3`, width and then each layer, joined by `|`.
    """

    def __init__(
        self,
        stem_channels: int = 16,
        stages: Sequence[Mapping[str, Any] | Stage] = DEFAULT_STAGES,
        head_channels: int = 256,
        stem_stride: int = 1,
    ) -> None:
        if isinstance(stages, (str, Mapping)) or not isinstance(stages, Sequence) or not stages:
            raise ValueError(f"space mbconv: stages must be a list with at least one stage, got {stages!r}")
        if stem_stride not in (1, 2):
            raise ValueError(f"space mbconv: stem_stride must be 1 or 2, got {stem_stride!r}")
        self._network_options = MBConvOptions(
            positive_int("space mbconv: stem_channels", stem_channels),
            stem_stride,
            tuple(_checked_stage(i, stage) for i, stage in enumerate(stages, start=1)),
            positive_int("space mbconv: head_channels", head_channels),
        )
        choices = []
        for i, stage in enumerate(self._network_options.stages, start=1):
            choices += [
                Choice(f"stage{i}/width", stage.widths, role="width"),
                Choice(f"stage{i}/depth", stage.depths, role="depth"),
            ]
            for layer in range(1, max(stage.depths) + 1):
                deep = [depth for depth in stage.depths if depth >= layer]
                when = {f"stage{i}/depth": deep} if len(deep) < len(stage.depths) else None
                choices += [
                    Choice(f"stage{i}/layer{layer}/kernel", stage.kernels, when, role="kernel"),
                    Choice(f"stage{i}/layer{layer}/expansion", stage.expansions, when, role="expansion"),
                ]
        super().__init__(choices, name="mbconv")

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The options of each stage."""
        return self._network_options.stages

    def _options(self, macro: dict[str, Any]) -> MBConvOptions:
        network_options(_NoOptions, self.name, macro)
        return self._network_options

    def to_string(self, genotype: Genotype) -> str:
        """Width and layers of each stage, e.g. `w16-k3e1|w24-k3e6-k5e3`; `from_string` reads it."""
        values = self.values(genotype)
        texts = []
        for i in range(1, len(self.stages) + 1):
            layers = [
                f"-k{values[f'stage{i}/layer{j}/kernel']}e{values[f'stage{i}/layer{j}/expansion']}"
                for j in range(1, int(values[f"stage{i}/depth"]) + 1)
            ]
            texts.append(f"w{values[f'stage{i}/width']}" + "".join(layers))
        return "|".join(texts)

    def from_string(self, text: str) -> Genotype:
        """The genotype uint8 [num_choices] that `to_string` wrote. ValueError names what is wrong."""
        if not isinstance(text, str):
            raise TypeError(f"from_string: text must be a string, got {text!r}")
        parts = text.strip().split("|")
        if len(parts) != len(self.stages):
            raise ValueError(
                f"from_string: expected {len(self.stages)} stages joined by '|', got {len(parts)} in {text!r}"
            )
        values: dict[str, str | int | float] = {}
        for i, part in enumerate(parts, start=1):
            match = re.fullmatch(r"w(\d+)((?:-k\d+e\d+)+)", part)
            if match is None:
                raise ValueError(f"from_string: stage {i} must look like w24-k3e6-k5e3, got {part!r}")
            layers = re.findall(r"k(\d+)e(\d+)", match[2])
            values[f"stage{i}/width"] = int(match[1])
            values[f"stage{i}/depth"] = len(layers)
            self.choices[self.index(f"stage{i}/depth")].index(len(layers))
            for j, (kernel, expansion) in enumerate(layers, start=1):
                values[f"stage{i}/layer{j}/kernel"] = int(kernel)
                values[f"stage{i}/layer{j}/expansion"] = int(expansion)
        return self.genotype(values)


@dataclass(frozen=True)
class _NoOptions:
    """`build` and `costs` take none: the options of the space say everything."""


def _checked_stage(number: int, stage: Mapping[str, Any] | Stage) -> Stage:
    where = f"space mbconv: stages[{number - 1}]"
    if isinstance(stage, Stage):
        values: dict[str, Any] = {field.name: getattr(stage, field.name) for field in fields(Stage)}
    elif isinstance(stage, Mapping):
        values = dict(stage)
    else:
        raise ValueError(f"{where} must be a dict, got {stage!r}")
    known = {field.name: field for field in fields(Stage)}
    for name in values:
        if name not in known:
            raise ValueError(
                f"{where}: unknown field {name!r}{nearest(str(name), known)}; fields: {', '.join(known)}"
            )
    for name, field in known.items():
        if field.default is MISSING and name not in values:
            raise ValueError(f"{where}: {name} is missing")
    stride = values.get("stride", 1)
    if stride not in (1, 2) or isinstance(stride, bool):
        raise ValueError(f"{where}: stride must be 1 or 2, got {stride!r}")
    lists = {
        name: _checked_numbers(f"{where}: {name}", values[name], odd=name == "kernels")
        for name in ("widths", "depths", "kernels", "expansions")
        if name in values
    }
    return Stage(**lists, stride=stride)


def _checked_numbers(what: str, values: object, odd: bool) -> tuple[int, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise ValueError(f"{what} must be a list of at least one number, got {values!r}")
    numbers = tuple(positive_int(f"{what}: each", value) for value in values)
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{what} must be distinct, got {list(numbers)}")
    if odd and any(number % 2 == 0 for number in numbers):
        raise ValueError(f"{what} must be odd, got {list(numbers)}")
    return numbers
