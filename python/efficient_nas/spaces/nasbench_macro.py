"""The search space of NAS-Bench-Macro: eight layers in three stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from efficient_nas.graph import ArchNode
from efficient_nas.spaces.assembly import classifier, network_options, positive_int
from efficient_nas.spaces.chains import ChainLayer, ChainSpace
from efficient_nas.spaces.choice import Choice
from efficient_nas.types import Genotype

OPERATIONS = ("identity", "mbconv_k3_e3", "mbconv_k5_e6")
STAGE_LAYERS = (2, 3, 3)
LAYERS = sum(STAGE_LAYERS)


@dataclass(frozen=True)
class NASBenchMacroOptions:
    """The network around the layers: channels of the stem, doubled by each stage, and of the head."""

    channels: int = 32
    head_channels: int = 1280

    def __post_init__(self) -> None:
        positive_int("space nasbench_macro: channels", self.channels)
        positive_int("space nasbench_macro: head_channels", self.head_channels)

    def stem(self, input_channels: int) -> ArchNode:
        return ArchNode("conv_bn_relu", input_channels, self.channels, kernel_size=3)

    def layers(self) -> list[ChainLayer]:
        layers: list[ChainLayer] = []
        channels = self.channels
        for count in STAGE_LAYERS:
            for index in range(count):
                incoming, stride = channels, 2 if index == 0 else 1
                channels *= stride
                identity = ArchNode("conv_bn", incoming, channels, stride=2, kernel_size=1)
                nodes = (
                    identity if stride == 2 else None,
                    ArchNode("mbconv", incoming, channels, stride, kernel_size=3, expansion=3),
                    ArchNode("mbconv", incoming, channels, stride, kernel_size=5, expansion=6),
                )
                layers.append(ChainLayer((len(layers),), (len(OPERATIONS),), nodes, stride))
        return layers

    def tail(self, num_classes: int) -> list[ArchNode]:
        channels = self.channels * 2 ** len(STAGE_LAYERS)
        head = ArchNode("conv_bn_relu", channels, self.head_channels, kernel_size=1)
        return [head, *classifier(self.head_channels, num_classes)]


class NASBenchMacro(ChainSpace):
    """NAS-Bench-Macro (Su et al. 2021, arXiv:2103.11922): 6,561 networks of 8 layers, 3,969 distinct ones.

    Each layer is an identity (a strided 1x1 convolution where a stage begins), or an inverted residual with
    kernel 3 and expansion 3, or kernel 5 and expansion 6. The first layer of each stage halves the resolution
    and doubles the channels. Options of `build` and `costs`: channels=32, head_channels=1280. Text: the
    benchmark's 8 digits, one a layer. Departure: the inverted residuals use ReLU6, as MobileNetV2's do; the
    benchmark's code has ReLU. No cost depends on it.
    """

    def __init__(self) -> None:
        choices = [Choice(f"layer{i + 1}", OPERATIONS, role="operation") for i in range(LAYERS)]
        super().__init__(choices, name="nasbench_macro")

    def _options(self, macro: dict[str, Any]) -> NASBenchMacroOptions:
        return network_options(NASBenchMacroOptions, self.name, macro)

    def to_string(self, genotype: Genotype) -> str:
        """The benchmark's notation: 8 digits, 0 for identity; `from_string` reads it."""
        self.require_valid(genotype)
        return "".join(map(str, genotype.tolist()))

    def from_string(self, text: str) -> Genotype:
        """The genotype uint8 [8] of the benchmark's 8 digits."""
        if not isinstance(text, str):
            raise TypeError(f"from_string: text must be a string, got {text!r}")
        digits = text.strip()
        if len(digits) != LAYERS or not set(digits) <= set("012"):
            raise ValueError(f"from_string: expected {LAYERS} digits of 0, 1 and 2, got {text!r}")
        genotype = np.array([int(digit) for digit in digits], dtype=np.uint8)
        self.require_valid(genotype)
        return genotype
