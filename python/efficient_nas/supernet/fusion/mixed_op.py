"""Mixed ops: modules whose forward is a weighted sum over a list of candidates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from efficient_nas import ops
from efficient_nas.supernet.fusion.edge import (
    Edge,
    are_unchanged,
    count_batches,
    settings_of,
    takes_inputs,
    takes_weights,
)
from efficient_nas.supernet.fusion.stand_ins import Mismatch, weights_of


@dataclass(eq=False, slots=True)
class MixedOpPlan:
    """How a mixed op runs fused.

    own_weights: the candidates' weights are not simply the second argument of forward, but what forward
    makes of its arguments and the module's attributes: it is run on stand-ins to get them.
    attributes: the module's numbers and strings. Where forward is not run, another one, such as the rate of a
    drop path, may mean that it would do something else now.
    """

    edge: Edge
    own_weights: bool
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def edges(self) -> list[Edge]:
        """The one that there is."""
        return [self.edge]

    def fused(
        self,
        method: str,
        module: nn.Module,
        original: type[nn.Module],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Tensor | None:
        """The weighted sum, running statistics updated; None, and nothing done, if it cannot run fused."""
        edge = self.edge
        settings = settings_of([edge])
        # Before forward runs on stand-ins, which may draw random numbers.
        if settings is None or not takes_inputs(*args[:1]) or not are_unchanged([edge]):
            return None
        try:
            x, alpha, used = self.weights(module, original, args, kwargs)
        except Mismatch:
            return None
        # Candidates are left out where forward leaves them out, not where one that it runs has weight 0.
        if not all(used) and any(runs and weight == 0 for runs, weight in zip(used, alpha, strict=True)):
            return None
        if not takes_inputs(x) or not takes_weights([edge], [alpha]):
            return None
        y = ops.mixed_op(
            x,
            alpha,
            edge.parameters(used),
            edge.spec,
            training=settings.training,
            running=edge.buffers() if settings.keeps_running else None,
            stride=edge.stride,
            eps=settings.eps,
            momentum=settings.momentum,
            skip_zero=not all(used),
        )
        count_batches([edge], [used])
        return y

    def weights(
        self, module: nn.Module, original: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Tensor, Tensor, list[bool]]:
        """The candidates' input, their weights [K] which of them run; Mismatch if there is none."""
        candidates = self.edge.candidates
        if self.own_weights:
            return weights_of(module, original, candidates, args, kwargs)
        if kwargs or len(args) != 2 or not all(isinstance(value, Tensor) for value in args):
            raise Mismatch("its forward is not called with x and the weights")
        if self.attributes != attributes_of(module):
            raise Mismatch("attributes have changed")
        return args[0], args[1], [True] * len(candidates)


def attributes_of(module: nn.Module) -> dict[str, Any]:
    """The numbers and strings among a module's attributes, but for its mode."""
    kinds = (bool, int, float, str)
    return {
        name: value for name, value in vars(module).items() if type(value) in kinds and name != "training"
    }


def with_divisor(edge: Edge, divisor: int) -> Edge:
    """The same candidates on the first 1 / divisor of the channels."""
    return Edge(edge.candidates, replace(edge.spec, channel_divisor=divisor), edge.stride)
