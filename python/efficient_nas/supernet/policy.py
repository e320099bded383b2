"""A sampler that learns which paths are good: the controller of ENAS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from efficient_nas.spaces.space import Genotypes, Space
from efficient_nas.supernet.sampling import check_same_choices
from efficient_nas.types import derive_seed

_FORBIDDEN = -1e9  # a logit; finite, so that 0 * log(0) never arises


class Policy:
    """One path a step, drawn from a softmax for each choice that REINFORCE trains on rewards.

    learning_rate: of Adam on the logits, which start at 0. entropy_weight: of the bonus that keeps the policy
    from settling early. baseline_decay: of the moving average of rewards that is subtracted from each.

    ENAS (Pham et al. 2018, arXiv:1802.03268, section 2.2). Departure: choices are independent of each other,
    without an LSTM, so that a few hundred rewards suffice; hence the larger learning rate. What a condition,
    an order or a stage forbids has probability 0.
    """

    teaches = False

    def __init__(
        self,
        space: Space,
        learning_rate: float = 0.1,
        entropy_weight: float = 1e-4,
        baseline_decay: float = 0.95,
    ) -> None:
        self.space = space
        self.learning_rate = _number("learning_rate", learning_rate, "> 0", lambda v: 0 < v < np.inf)
        self.entropy_weight = _number("entropy_weight", entropy_weight, ">= 0", lambda v: 0 <= v < np.inf)
        self.baseline_decay = _number("baseline_decay", baseline_decay, "in [0, 1)", lambda v: 0 <= v < 1)
        width = int(space.cardinalities.max())
        self.logits = nn.Parameter(torch.zeros(space.num_choices, width, dtype=torch.float64))
        self._optimizer = torch.optim.Adam([self.logits], lr=self.learning_rate)
        self._baseline: float | None = None

    def open(self, space: Space) -> None:
        """From now on draws from `space`, a restriction; the logits stay."""
        check_same_choices("Policy", self.space, space)
        self.space = space

    def paths(self, seed: int) -> Genotypes:
        """One path, uint8 [1, num_choices]."""
        return self.sample(1, seed)

    @torch.no_grad()
    def sample(self, n: int, seed: int) -> Genotypes:
        """Independent draws of the policy, uint8 [n, num_choices]; they may repeat."""
        generator = torch.Generator().manual_seed(derive_seed(seed, "policy"))
        noise = torch.rand(self.space.num_choices, n, generator=generator, dtype=torch.float64)
        genotypes = np.zeros((n, self.space.num_choices), np.uint8)
        for choice in range(self.space.num_choices):
            mask = self._mask(genotypes, choice)
            reached = self._log_probabilities(choice, mask).exp().cumsum(1)
            picked = (noise[choice][:, None] * reached[:, -1:] >= reached).sum(1).numpy()
            last = mask.shape[1] - 1 - mask[:, ::-1].argmax(1)  # rounding must not reach past it
            genotypes[:, choice] = np.minimum(picked, last)
        return genotypes

    def tell(self, paths: Genotypes, rewards: Tensor) -> None:
        """One step of Adam on the rewards [n] (higher is better) of paths uint8 [n, num_choices]."""
        rewards = torch.as_tensor(rewards, dtype=torch.float64)
        if rewards.shape != (len(paths),) or not torch.isfinite(rewards).all():
            raise ValueError(f"Policy: rewards must be {len(paths)} finite numbers, got {rewards.tolist()}")
        mean = float(rewards.mean())
        if self._baseline is None:
            self._baseline = mean
        advantages = rewards - self._baseline
        self._baseline += (1 - self.baseline_decay) * (mean - self._baseline)
        chosen = torch.from_numpy(paths.astype(np.int64))
        likelihood, entropy = torch.zeros(2, len(paths), dtype=torch.float64)
        for choice in range(self.space.num_choices):
            logs = self._log_probabilities(choice, self._mask(paths, choice))
            likelihood = likelihood + logs.gather(1, chosen[:, choice, None])[:, 0]
            entropy = entropy - (logs.exp() * logs).sum(1)
        loss = -(advantages * likelihood + self.entropy_weight * entropy).mean()
        (self.logits.grad,) = torch.autograd.grad(loss, [self.logits])
        self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Logits and Adam's averages (tensors), baseline and number of steps (plain values)."""
        state = self._optimizer.state.get(self.logits, {})
        zeros = torch.zeros_like(self.logits, requires_grad=False)
        return {
            "logits": self.logits.detach().clone(),
            "first_moment": state.get("exp_avg", zeros).clone(),
            "second_moment": state.get("exp_avg_sq", zeros).clone(),
            "steps": int(state.get("step", 0)),
            "baseline": self._baseline,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict`. ValueError where its logits are those of another space."""
        if state["logits"].shape != self.logits.shape:
            raise ValueError(
                f"Policy: logits must have shape {list(self.logits.shape)}, got {list(state['logits'].shape)}"
            )
        with torch.no_grad():
            self.logits.copy_(state["logits"])
        self._optimizer.state[self.logits] = {
            "step": torch.tensor(float(state["steps"])),
            "exp_avg": state["first_moment"].clone(),
            "exp_avg_sq": state["second_moment"].clone(),
        }
        self._baseline = state["baseline"]

    def _mask(self, prefixes: Genotypes, choice: int) -> npt.NDArray[np.bool_]:
        return self.space.option_mask(prefixes, choice)

    def _log_probabilities(self, choice: int, mask: npt.NDArray[np.bool_]) -> Tensor:
        """Of the options of one choice for each prefix, [n, options]."""
        logits = self.logits[choice, : mask.shape[1]].expand(mask.shape)
        return torch.log_softmax(logits.masked_fill(torch.from_numpy(~mask), _FORBIDDEN), 1)


def _number(name: str, value: Any, allowed: str, fits: Callable[[float], bool]) -> float:
    """The value as a float, or a ValueError that says what is allowed."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not fits(value):
        raise ValueError(f"Policy: {name} must be a number {allowed}, got {value!r}")
    return float(value)
