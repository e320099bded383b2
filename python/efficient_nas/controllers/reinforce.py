"""Policy gradient search."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from efficient_nas.controllers.base import Controller
from efficient_nas.controllers.draws import Draws
from efficient_nas.controllers.known import KnownArchitectures
from efficient_nas.controllers.options import check_float, check_int
from efficient_nas.controllers.policy import LSTMPolicy
from efficient_nas.controllers.population import order
from efficient_nas.protocols import SearchSpace
from efficient_nas.threads import fixed_threads
from efficient_nas.types import Genotype, Result, derive_seed

_SAMPLES = 8  # drawn at a time, until one is new
_TEMPERATURES = (1.0, 1.0, 1.5, 2.0)
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_REWARDED = 0.25  # share of the window that is rewarded


class Reinforce(Controller):
    """Samples an LSTM policy that is trained by REINFORCE with a moving baseline and an entropy bonus.

    hidden_size: of the LSTM. learning_rate: of Adam. entropy_weight: of the bonus, per architecture.
    baseline_decay: of the moving average of rewards. batch_size: results between two updates.
    window: how many of the latest results are ranked against each other and learned from.

    Zoph, Le 2017 (arXiv:1611.01578), equation 4 with the baseline of section 3.2. Departures:
    - the reward is the rank among the window by `pareto.rank`: 1 for the best, falling linearly to 0 at the
      end of the best quarter; so it needs no scale and takes several objectives, constraints and failures;
    - each update also takes the older results of the window, and results proposed by others, where they beat
      the baseline (self-imitation, Oh et al. 2018, arXiv:1806.05635), because evaluations are few;
    - architectures are not proposed twice: several samples are drawn, if need be at a higher temperature.
    A new stage keeps the weights and opens the masks.
    """

    name = "reinforce"

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        hidden_size: int = 64,
        learning_rate: float = 0.01,
        entropy_weight: float = 0.02,
        baseline_decay: float = 0.7,
        batch_size: int = 5,
        window: int = 50,
    ) -> None:
        super().__init__(space, seed)
        self.hidden_size = check_int(f"{self.name}: hidden_size", hidden_size, 1)
        self.learning_rate = check_float(f"{self.name}: learning_rate", learning_rate, 0, above=True)
        self.entropy_weight = check_float(f"{self.name}: entropy_weight", entropy_weight, 0)
        self.baseline_decay = check_float(f"{self.name}: baseline_decay", baseline_decay, 0, 1)
        self.batch_size = check_int(f"{self.name}: batch_size", batch_size, 1)
        self.window = check_int(f"{self.name}: window", window, self.batch_size)
        self._policy = LSTMPolicy(space.cardinalities, self.hidden_size, derive_seed(self._key, "weights"))
        self._adam = _Adam(self._policy.weights, self.learning_rate)
        self._baseline = 0.0
        self._window: deque[_Entry] = deque(maxlen=self.window)
        self._unused = 0

    def options(self) -> dict[str, Any]:
        return {
            "hidden_size": self.hidden_size,
            "learning_rate": self.learning_rate,
            "entropy_weight": self.entropy_weight,
            "baseline_decay": self.baseline_decay,
            "batch_size": self.batch_size,
            "window": self.window,
        }

    def propose(self, draws: Draws, known: KnownArchitectures) -> tuple[Genotype, str]:
        with fixed_threads(1):
            for temperature in _TEMPERATURES:
                samples = self._policy.sample(self.space, _SAMPLES, draws, temperature)
                found = known.claim(samples)
                if found is not None:
                    return found, "policy"
        return known.claim_sample(draws), "random"

    def learn(self, result: Result, own: bool) -> None:
        values = () if result.failed else tuple(map(float, result.values))
        self._window.append(_Entry(result.genotype.copy(), values, float(result.violation), own))
        self._unused += 1
        if self._unused == self.batch_size:
            with fixed_threads(1):
                self._update()
            self._unused = 0

    def rule_state(self) -> dict[str, Any]:
        entries = list(self._window)
        return {
            **self._adam.state_dict(),
            "baseline": self._baseline,
            "unused": self._unused,
            "genotypes": np.array([e.genotype for e in entries], np.uint8),
            "values": [list(e.values) for e in entries],
            "violations": np.array([e.violation for e in entries], np.float64),
            "own": np.array([e.own for e in entries], np.bool_),
        }

    def load_rule_state(self, state: Mapping[str, Any]) -> None:
        self._adam.load_state_dict(state)
        self._baseline = float(state["baseline"])
        self._unused = int(state["unused"])
        columns = (state[name] for name in ("genotypes", "values", "violations", "own"))
        self._window.clear()
        for genotype, values, violation, own in zip(*columns, strict=True):
            entry = _Entry(np.array(genotype, np.uint8), tuple(values), float(violation), bool(own))
            self._window.append(entry)

    def _update(self) -> None:
        """One Adam step on the window, whose last `batch_size` results are new."""
        rewards = self._rewards()
        new = np.array([entry.own for entry in self._window])
        new[: -self.batch_size] = False
        if new.any():
            self._baseline += (1 - self.baseline_decay) * (float(rewards[new].mean()) - self._baseline)
        advantages = rewards - self._baseline
        advantages[~new] = np.maximum(advantages[~new], 0.0)
        used = np.flatnonzero(advantages)
        if len(used) == 0:
            return
        genotypes = np.stack([self._window[i].genotype for i in used])
        log_probability, entropy = self._policy.log_probability(self.space, genotypes)
        gain = torch.from_numpy(advantages[used]).float() @ log_probability / len(rewards)
        loss = -gain - self.entropy_weight * entropy.mean()
        (gradient,) = torch.autograd.grad(loss, self._policy.weights)
        self._adam.step(gradient)

    def _rewards(self) -> npt.NDArray[np.float64]:
        """The reward [n] of every result of the window, in [0, 1]; 0 for failed trials."""
        rewards = np.zeros(len(self._window))
        completed = [i for i, entry in enumerate(self._window) if entry.values]
        if completed:
            values = np.array([self._window[i].values for i in completed])
            violations = np.array([self._window[i].violation for i in completed])
            ladder = np.maximum(0.0, 1.0 - np.arange(len(completed)) / (_REWARDED * len(rewards)))
            rewards[np.array(completed)[order(values, violations)]] = ladder
        return rewards


class _Entry(NamedTuple):
    """One result of the window; `values` is empty when the trial failed."""

    genotype: Genotype
    values: tuple[float, ...]
    violation: float
    own: bool


class _Adam:
    """Adam (Kingma, Ba 2015, algorithm 1) on one flat tensor, with a state of plain arrays.

    torch.optim would do, but its first optimiser imports the compiler, which takes two seconds.
    """

    def __init__(self, weights: Tensor, learning_rate: float) -> None:
        self._weights = weights
        self._learning_rate = learning_rate
        self._first = torch.zeros_like(weights, requires_grad=False)
        self._second = torch.zeros_like(weights, requires_grad=False)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Moves the weights one step against `gradient`."""
        self._steps += 1
        self._first.mul_(_BETA1).add_(gradient, alpha=1 - _BETA1)
        self._second.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        scale = (self._second / (1 - _BETA2**self._steps)).sqrt_().add_(_EPSILON)
        self._weights.addcdiv_(self._first, scale, value=-self._learning_rate / (1 - _BETA1**self._steps))

    def state_dict(self) -> dict[str, Any]:
        tensors = {"weights": self._weights, "first": self._first, "second": self._second}
        arrays = {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}
        return {**arrays, "steps": self._steps}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._steps = int(state["steps"])
        for name, tensor in (("weights", self._weights), ("first", self._first), ("second", self._second)):
            tensor.copy_(torch.from_numpy(np.array(state[name], np.float32)))
