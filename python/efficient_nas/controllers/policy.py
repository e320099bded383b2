"""An autoregressive distribution over genotypes."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from efficient_nas.controllers.draws import Draws
from efficient_nas.protocols import SearchSpace

_INIT = 0.1


class LSTMPolicy:
    """An LSTM that makes one choice after the other, seeing an embedding of the one before.

    Each choice has a linear head of its own over its options; what `space.option_mask` forbids (conditions,
    ordered pairs, the open stage) has probability 0, so every sample is valid. All weights are one flat
    vector `weights`, uniform in [-0.1, 0.1] at first, which keeps optimiser and state simple.

    Zoph, Le 2017 (arXiv:1611.01578), section 3.1, with one layer and initial values as in ENAS
    (Pham et al. 2018).
    """

    def __init__(self, cardinalities: npt.NDArray[np.uint8], hidden_size: int, seed: int) -> None:
        options = [int(n) for n in cardinalities]
        self._hidden_size = hidden_size
        self._first_token = list(accumulate(options[:-1], initial=1))
        self._max_options = max(options)
        self._shapes: dict[str, tuple[int, ...]] = {
            "embedding": (1 + sum(options), hidden_size),
            "input": (4 * hidden_size, hidden_size),
            "hidden": (4 * hidden_size, hidden_size),
            "bias": (4 * hidden_size,),
            "head": (len(options), self._max_options, hidden_size),
            "head_bias": (len(options), self._max_options),
        }
        size = sum(int(np.prod(shape)) for shape in self._shapes.values())
        generator = torch.Generator().manual_seed(seed)
        self.weights = (torch.rand(size, generator=generator) * 2 - 1).mul_(_INIT).requires_grad_()

    def sample(
        self, space: SearchSpace, n: int, draws: Draws, temperature: float = 1.0
    ) -> npt.NDArray[np.uint8]:
        """Random genotypes uint8 [n, num_choices]; logits are divided by `temperature`."""
        genotypes = np.zeros((n, space.num_choices), np.uint8)
        uniforms = draws.uniforms(n * space.num_choices).reshape(space.num_choices, n)
        with torch.no_grad():
            steps = _Steps(self._views(), n)
            for choice in range(space.num_choices):
                mask = self._mask(space, genotypes, choice)
                logits = steps.logits(choice, mask) / temperature
                cumulated = torch.softmax(logits, 1).double().cumsum(1).numpy()
                target = uniforms[choice][:, None] * cumulated[:, -1:]
                # Options of probability 0 are never reached; rounding must not reach past the last one.
                last = self._max_options - 1 - mask[:, ::-1].argmax(1)
                picked = np.minimum((target >= cumulated).sum(1), last)
                genotypes[:, choice] = picked
                steps.feed(torch.from_numpy(picked + self._first_token[choice]))
        return genotypes

    def log_probability(self, space: SearchSpace, genotypes: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Log-probability [n] of each genotype and entropy [n] of the choices along it, differentiable."""
        n = len(genotypes)
        chosen = torch.from_numpy(genotypes.astype(np.int64))
        log_probability, entropy = torch.zeros(n), torch.zeros(n)
        steps = _Steps(self._views(), n)
        for choice in range(space.num_choices):
            mask = self._mask(space, genotypes, choice)
            logs = torch.log_softmax(steps.logits(choice, mask), 1)
            option = chosen[:, choice]
            log_probability = log_probability + logs.gather(1, option[:, None])[:, 0]
            finite = logs.masked_fill(torch.from_numpy(~mask), 0.0)
            entropy = entropy - (logs.exp() * finite).sum(1)
            steps.feed(option + self._first_token[choice])
        return log_probability, entropy

    def _views(self) -> dict[str, Tensor]:
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        parts = torch.split(self.weights, sizes)
        return {
            name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }

    def _mask(
        self, space: SearchSpace, prefixes: npt.NDArray[np.uint8], choice: int
    ) -> npt.NDArray[np.bool_]:
        mask = np.zeros((len(prefixes), self._max_options), np.bool_)
        allowed = space.option_mask(prefixes, choice)
        mask[:, : allowed.shape[1]] = allowed
        return mask


class _Steps:
    """The LSTM unrolled over n rows, one choice at a time; it starts from token 0."""

    def __init__(self, weights: dict[str, Tensor], n: int) -> None:
        self._weights = weights
        hidden_size = weights["embedding"].shape[1]
        self._hidden = torch.zeros(n, hidden_size)
        self._cell = torch.zeros(n, hidden_size)
        self.feed(torch.zeros(n, dtype=torch.int64))

    def feed(self, tokens: Tensor) -> None:
        w = self._weights
        self._hidden, self._cell = torch.lstm_cell(
            w["embedding"][tokens], (self._hidden, self._cell), w["input"], w["hidden"], w["bias"], None
        )

    def logits(self, choice: int, mask: npt.NDArray[np.bool_]) -> Tensor:
        """Logits [n, max_options] of a choice, minus infinity where `mask` is False."""
        head, bias = self._weights["head"][choice], self._weights["head_bias"][choice]
        return torch.addmm(bias, self._hidden, head.t()).masked_fill(torch.from_numpy(~mask), -torch.inf)
