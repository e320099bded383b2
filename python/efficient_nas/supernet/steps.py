"""One step of a supernet's training: of its weights, its architecture parameters, or a policy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas.errors import TrialFailed
from efficient_nas.supernet import bilevel, path_steps
from efficient_nas.supernet.data import Batches, Images, SearchData
from efficient_nas.supernet.networks import Supernet
from efficient_nas.supernet.options import TrainingOptions
from efficient_nas.supernet.ranks import Ranks
from efficient_nas.supernet.sampling import Sampler
from efficient_nas.types import derive_seed

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class Steps:
    """The steps of one training; batches and all draws of step 0, 1, ... follow from the seed and its number.

    sgd, adam: the optimizers of weights and architecture parameters. statistics: of the batch norms; only
    weight steps change them.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: SearchData,
        options: TrainingOptions,
        seed: int,
        sampler: Sampler | None,
        expected_cost: Callable[[Supernet], Tensor] | None,
        ranks: Ranks,
    ) -> None:
        self._supernet, self._options, self._seed, self._ranks = supernet, options, seed, ranks
        self._sampler, self._expected_cost = sampler, expected_cost
        self._weights: list[Tensor] = [p for p in supernet.weight_parameters() if p.requires_grad]
        self._alphas: list[Tensor] = list(supernet.arch_parameters())
        named = list(supernet.named_buffers())
        self.statistics = [b for name, b in named if name.rpartition(".")[2] in STATISTICS]
        self.sgd = torch.optim.SGD(
            self._weights,
            lr=options.learning_rate,
            momentum=options.momentum,
            weight_decay=options.weight_decay,
            fused=True,
        )
        if options.momentum > 0:  # from the start: fused SGD cannot make them for some weights only
            for weight in self._weights:
                self.sgd.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        self.adam = torch.optim.Adam(
            self._alphas or [torch.zeros(0)],  # a sampler's supernet may have none
            lr=options.alpha_learning_rate,
            betas=options.alpha_betas,
            weight_decay=options.alpha_weight_decay,
        )
        self.weight_batches = self._batches("weights", data.weights)
        self._alpha_batches = self._batches("alphas", data.alphas)

    def of_weights(self, number: int) -> tuple[float, float]:
        """One step of SGD; loss and accuracy before it."""
        images, labels = self.weight_batches.get(number)
        self.sgd.zero_grad()
        with bilevel.frozen(self._alphas):
            if self._sampler is None:
                self._supernet.draw(derive_seed(self._seed, "noise", "weights", number))
                logits = self._logits(images)
                loss = functional.cross_entropy(logits, labels)
                torch.autograd.backward(loss)
                loss, accuracy = loss.detach(), path_steps.accuracy(logits, labels)
            else:
                paths = self._sampler.paths(derive_seed(self._seed, "paths", number))
                loss, accuracy = path_steps.accumulate(
                    self._supernet, self._logits, paths, images, labels, teaches=self._sampler.teaches
                )
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        self._ranks.average([*gradients, loss, accuracy])
        _check_finite("loss of the weights", float(loss))
        self._drop_zero_gradients_and_clip(gradients)
        self.sgd.step()
        return float(loss), float(accuracy)

    def of_alphas(self, number: int) -> tuple[float, float]:
        """One step of Adam on the architecture parameters; loss and accuracy before it."""
        alpha_images, alpha_labels = self._alpha_batches.get(number)
        results: list[Tensor] = []

        def alpha_loss() -> Tensor:
            logits = self._logits(alpha_images)
            loss = functional.cross_entropy(logits, alpha_labels)
            results.extend([loss.detach().clone(), path_steps.accuracy(logits, alpha_labels)])
            if self._expected_cost is not None:
                loss = loss + self._options.cost_weight * self._expected_cost(self._supernet)
            return loss

        self._supernet.draw(derive_seed(self._seed, "noise", "alphas", number))
        with bilevel.held(self.statistics):
            if self._options.order == 1:
                gradients = bilevel.first_order(alpha_loss, self._weights, self._alphas)
            else:
                images, labels = self.weight_batches.get(number)  # those of the step that follows
                gradients = bilevel.second_order(
                    lambda: functional.cross_entropy(self._logits(images), labels),
                    alpha_loss,
                    self._weights,
                    self._alphas,
                    self._next_step(),
                    self._ranks.average,
                )
        self._ranks.average([*gradients, *results])
        loss, accuracy = map(float, results)
        _check_finite("loss of the architecture parameters", loss)
        norm = nn.utils.get_total_norm(gradients)
        _check_finite("norm of the architecture parameters' gradient", float(norm))
        for alpha, gradient in zip(self._alphas, gradients, strict=True):
            alpha.grad = gradient
        self.adam.step()
        return loss, accuracy

    def of_policy(self, number: int, policy: Any) -> tuple[float, float]:
        """One step of a policy on the accuracy of its paths; their mean loss and accuracy."""
        images, labels = self._alpha_batches.get(number)
        paths = policy.paths(derive_seed(self._seed, "policy", number))
        with bilevel.held(self.statistics):
            losses, rewards = path_steps.worth(self._supernet, self._logits, paths, images, labels)
        self._ranks.average([losses, rewards])
        _check_finite("loss of the policy's paths", float(losses.mean()))
        policy.tell(paths, rewards)
        return float(losses.mean()), float(rewards.mean())

    def _drop_zero_gradients_and_clip(self, gradients: list[Tensor]) -> None:
        """Weights of candidates that did not run get no step, as if autograd had given no gradient."""
        norms = torch.stack(torch._foreach_norm(gradients))
        norm = torch.linalg.vector_norm(norms)
        _check_finite("norm of the weights' gradient", float(norm))
        zero = {id(g) for g, size in zip(gradients, norms.tolist(), strict=True) if size == 0}
        for weight in self._weights:
            if id(weight.grad) in zero:
                weight.grad = None
        if self._options.gradient_clip is not None:
            nn.utils.clip_grads_with_norm_(self._weights, self._options.gradient_clip, norm)

    def _logits(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._options.amp == "bfloat16"):
            logits: Tensor = self._supernet(images)
        return logits.float() if logits.dtype is torch.bfloat16 else logits

    def _batches(self, part: str, images: Images) -> Batches:
        seed = derive_seed(self._seed, part)
        return Batches(images, self._options.batch_size, seed, self._ranks, self._weights[0])

    def _next_step(self) -> bilevel.WeightStep:
        """What SGD will do to the weights next."""
        group = self.sgd.param_groups[0]
        buffers = [self.sgd.state[weight]["momentum_buffer"] for weight in self._weights if group["momentum"]]
        return bilevel.WeightStep(group["lr"], group["momentum"], group["weight_decay"], buffers)


def _check_finite(what: str, value: float) -> None:
    if not math.isfinite(value):
        raise TrialFailed(f"the {what} became {value}")
