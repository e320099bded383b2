"""What trainers, diagnosis and evaluators expect of a supernet (docs/design/supernets.md)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from efficient_nas.errors import nearest
from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.graph.network import DAGNetwork
from efficient_nas.spaces import Space
from efficient_nas.spaces.assembly import Shape, check_task
from efficient_nas.spaces.space import Genotypes
from efficient_nas.supernet.networks.edges import IMPLEMENTATIONS
from efficient_nas.types import Genotype, derive_seed

Operator = tuple[ArchNode, Shape]
"""A node of a network and the shape (C, H, W) that it receives."""


@dataclass(frozen=True, slots=True)
class AlphaTable:
    """Architecture parameters of one kind of cell, as probabilities.

    probabilities [E, K]: softmax over the candidates of each edge, 0 where closed; without gradient.
    operations: names of the K candidates. edges: names of the E edges, `source->target`.
    """

    probabilities: Tensor
    operations: tuple[str, ...]
    edges: tuple[str, ...]


class Supernet(nn.Module, ABC):
    """Weights shared by all architectures of a space: images [N, C, H, W] to logits [N, num_classes].

    macro: the options of `space.build` that give a derived network the supernet's own size. `state_dict` has
    what is learned: weights, running statistics, architecture parameters; not the path, the open candidates,
    noise and temperature.
    """

    has_subnet_weights = True
    """Whether derived networks can take its weights (`subnet_state`)."""

    def __init__(self, space: Space, input_shape: Shape, num_classes: int, macro: Mapping[str, Any]) -> None:
        super().__init__()
        self.space = space
        self.input_shape, self.num_classes = check_task(space.name, input_shape, num_classes)
        self.macro = dict(macro)

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, num_classes] of images [N, C, H, W]."""

    @abstractmethod
    def set_path(self, genotype: Genotype) -> None:
        """From now on `forward` runs the architecture of `genotype` [num_choices] alone, on shared weights.

        A tensor is changed in place, so that compiled code runs on. ValueError for an invalid genotype.
        """

    @abstractmethod
    def open(self, space: Space) -> None:
        """From now on only what `space`, a restriction of the supernet's, allows takes part."""

    @abstractmethod
    def _modules_of(self, genotype: Genotype) -> Iterable[nn.Module | None]:
        """Our module of every node of `architecture(genotype)` between input and output.

        None where the node has no tensors.
        """

    def clear_path(self) -> None:
        """From now on `forward` runs the relaxed network again."""
        raise RuntimeError(f"{type(self).__name__} has no relaxed network: it always runs a path")

    def arch_parameters(self) -> list[nn.Parameter]:
        """The architecture parameters; [] where paths are sampled."""
        return []

    def weight_parameters(self) -> list[nn.Parameter]:
        """All parameters but the architecture's."""
        architecture = {id(parameter) for parameter in self.arch_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in architecture]

    def draw(self, seed: int) -> None:
        """Draws what the next forwards depend on besides the images; nothing unless they are stochastic."""

    def set_temperature(self, value: float) -> None:
        """Sets the temperature of a stochastic relaxation; nothing where there is none."""

    def genotype(self) -> Genotype:
        """The architecture that the architecture parameters stand for, uint8 [num_choices]."""
        raise RuntimeError(f"{type(self).__name__} has no architecture parameters to derive a genotype from")

    def sample(self, n: int, seed: int) -> Genotypes:
        """Distinct architectures drawn by the architecture parameters, uint8 [n, num_choices]."""
        raise RuntimeError(f"{type(self).__name__} has no architecture parameters to sample from")

    def alpha_tables(self) -> dict[str, AlphaTable]:
        """The architecture parameters of every kind of cell; {} where paths are sampled."""
        return {}

    def operators(self) -> dict[str, list[list[list[Operator]]]]:
        """Of every alpha table, edge and candidate: the operators that it stands for in all cells."""
        return {}

    def architecture(self, genotype: Genotype) -> Architecture:
        """The derived network of a genotype, in the supernet's own size."""
        return self.space.build(genotype, self.input_shape, self.num_classes, **self.macro)

    def subnet_state(self, genotype: Genotype) -> dict[str, Tensor]:
        """A state_dict for `architecture(genotype).to_pytorch()` with copies of the shared weights.

        Norms that are plain here and affine there get weight 1 and bias 0.
        """
        with torch.device("meta"):  # its own weights are not needed, and would draw random numbers
            network = self.architecture(genotype).to_pytorch()
        return shared_state(network, self._modules_of(genotype))


def shared_state(network: DAGNetwork, modules: Iterable[nn.Module | None]) -> dict[str, Tensor]:
    """The state_dict of a network with copies of the tensors of other modules of the same classes.

    modules: for every node behind the input in the order of `network.architecture.nodes`.
    """
    state = {}
    for i, module in enumerate(modules, 1):
        own = {} if module is None else module.state_dict()
        if not own or str(i) not in network.operations:
            continue
        like = next(iter(own.values()))
        for name, tensor in network.operations[str(i)].state_dict().items():
            if name in own:
                value = own[name].clone()
            else:  # of a norm that is plain in the supernet
                fill = torch.ones if name.endswith("weight") else torch.zeros
                value = fill(tensor.shape, dtype=like.dtype, device=like.device)
            state[f"operations.{i}.{name}"] = value
    return state


@contextmanager
def initialised(seed: int) -> Iterator[None]:
    """Modules made within get weights that depend on the seed alone; the caller's random numbers go on."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, "weights"))
        yield


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> str:
    """The value, or a ValueError where it is none of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be {', '.join(allowed)}; got {value!r}{nearest(str(value), allowed)}")
    return value


def checked_implementation(where: str, implementation: str) -> str:
    """Whether mixed operations run fused or by their definition; ValueError for anything else."""
    return one_of(f"{where}: implementation", implementation, IMPLEMENTATIONS)
