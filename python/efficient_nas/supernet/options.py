"""How a supernet is trained, and what each epoch of it brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from efficient_nas.checks import integer, number


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How the weights and the architecture parameters of a supernet learn.

    The defaults are those published for DARTS on CIFAR-10 (arXiv:1806.09055, section 3.1 and its code). A
    value that is not allowed is a ValueError that names it.

    epochs: passes over the images for the weights. batch_size: of weight and alpha steps.
    learning_rate: of the weights (SGD) in the first epoch; follows a cosine to learning_rate_min, epoch by
        epoch. momentum, weight_decay: of the weights, too. gradient_clip: largest global norm of the weights'
        gradient; None leaves it as it is.
    alpha_learning_rate, alpha_betas, alpha_weight_decay: of the architecture parameters (Adam).
    alpha_from_epoch: so many epochs train the weights alone; PC-DARTS has 15. A policy waits as long.
    order: of the alpha gradient. 1 takes the weights as they are, 2 sees them after their next step
        (arXiv:1806.09055, eq. 7 and 8) and costs about four times as much.
    temperature: first and last value for stochastic relaxations (GDAS, arXiv:1910.04465: 10 to 0.1);
        temperature_schedule: `linear` or `exponential` in between, epoch by epoch.
    cost_weight: factor of the expected cost that is added to the loss of the architecture parameters.
    amp: `bfloat16` computes the network under autocast, parameters stay as they are; `none` does not.
    """

    epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 0.025
    learning_rate_min: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    gradient_clip: float | None = 5.0
    alpha_learning_rate: float = 3e-4
    alpha_betas: tuple[float, float] = (0.5, 0.999)
    alpha_weight_decay: float = 1e-3
    alpha_from_epoch: int = 0
    order: int = 1
    temperature: tuple[float, float] = (10.0, 0.1)
    temperature_schedule: str = "linear"
    cost_weight: float = 1.0
    amp: str = "none"

    def __post_init__(self) -> None:
        integer("epochs", self.epochs)
        integer("batch_size", self.batch_size, low=2)  # batch norm needs two images
        number("learning_rate", self.learning_rate, above=0)
        number("learning_rate_min", self.learning_rate_min, low=0, high=self.learning_rate)
        number("momentum", self.momentum, low=0, below=1)
        number("weight_decay", self.weight_decay, low=0)
        if self.gradient_clip is not None:
            number("gradient_clip", self.gradient_clip, above=0)
        number("alpha_learning_rate", self.alpha_learning_rate, above=0)
        object.__setattr__(self, "alpha_betas", _pair("alpha_betas", self.alpha_betas))
        for beta in self.alpha_betas:
            number("alpha_betas", beta, low=0, below=1)
        number("alpha_weight_decay", self.alpha_weight_decay, low=0)
        integer("alpha_from_epoch", self.alpha_from_epoch, low=0)
        _one_of("order", self.order, (1, 2))
        object.__setattr__(self, "temperature", _pair("temperature", self.temperature))
        for value in self.temperature:
            number("temperature", value, above=0)
        _one_of("temperature_schedule", self.temperature_schedule, ("linear", "exponential"))
        number("cost_weight", self.cost_weight, low=0)
        _one_of("amp", self.amp, ("none", "bfloat16"))

    def to_json(self) -> dict[str, Any]:
        """Every option as a JSON value."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What one epoch of a supernet's training brought.

    epoch: 1 for the first. seconds: of its training, without what `on_epoch` takes. weight_loss,
    weight_accuracy: means over the weight steps, with statistics of the batch; with several paths a step,
    over all of them. alpha_loss, alpha_accuracy: means over the alpha steps, without the expected cost; the
    rewards of a policy count as alpha_accuracy; None where there was no such step. learning_rate: of the
    weights. temperature: None unless the relaxation is stochastic. genotype: the architecture that would be
    derived now, None with a sampler. diagnosis: what was measured after the epoch, by name.
    """

    epoch: int
    seconds: float
    weight_loss: float
    weight_accuracy: float
    alpha_loss: float | None
    alpha_accuracy: float | None
    learning_rate: float
    temperature: float | None
    genotype: list[int] | None
    diagnosis: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values, by field."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> EpochRecord:
        """The record of what `to_json` gave. ValueError naming fields that are missing or unknown."""
        names = {f.name for f in fields(cls)}
        if set(values) != names:
            raise ValueError(f"EpochRecord: fields must be {sorted(names)}, got {sorted(values)}")
        return cls(**values)


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"{name} must be two numbers, got {value!r}")
    return value[0], value[1]


def _one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if isinstance(value, bool) or value not in allowed:
        listed = ", ".join(str(v) for v in allowed)
        raise ValueError(f"{name} must be one of {listed}, got {value!r}")
