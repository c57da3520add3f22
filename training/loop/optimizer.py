"""Muon for the weight matrices, AdamW for the rest: what the training loop steps with.

Muon (K. Jordan and others, 2024, https://kellerjordan.github.io/posts/muon/) replaces the momentum
of a matrix by the nearest semi-orthogonal one. The step is scaled by
`0.2 sqrt(max(rows, columns))`, which gives it AdamW's usual size (arXiv 2502.16982, equation 4),
so one learning rate serves both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

_QUINTIC = (3.4445, -4.7750, 2.0315)
_SMALLEST_SIDE = 8
"""A matrix with fewer rows or columns is left to AdamW."""


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Singular values of `(N,rows,columns)` moved to about 1 by a quintic Newton-Schulz iteration.

    They end between .7 and 1.2, which is near enough for a step (Jordan 2024).
    """
    a, b, c = _QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def as_matrix(weight: Tensor) -> Tensor:
    """A weight `(out, ...)` with one row per output; convolutions are flattened."""
    return weight.reshape(weight.shape[0], -1)


def embeddings(model: nn.Module) -> list[nn.Parameter]:
    """Tables of a model: a row of theirs is looked up, not multiplied, so Muon has no say in it."""
    tables = (m for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag))
    return [table.weight for table in tables]


class MuonAdamW(torch.optim.Optimizer):
    """Both rules in one optimiser, so that its state is saved and resumed as one."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        momentum: float = 0.95,
        weight_decay: float = 1e-4,
        eps: float = 1e-8,
        plain: Iterable[nn.Parameter] = (),
    ) -> None:
        """Sort `params` by shape into Muon's and AdamW's.

        Args:
            params: what to train.
            lr: learning rate of both.
            betas: AdamW's.
            momentum: Muon's (Nesterov).
            weight_decay: decoupled, of both.
            eps: AdamW's.
            plain: those of `params` that are AdamW's whatever their shape; see `embeddings`.
        """
        trained = list(params)
        left_out = {id(p) for p in plain}
        matrices = [
            p
            for p in trained
            if p.ndim > 1 and min(as_matrix(p).shape) >= _SMALLEST_SIDE and id(p) not in left_out
        ]
        known = {id(p) for p in matrices}
        others = [p for p in trained if id(p) not in known]
        groups = [
            {"params": chosen, "rule": rule}
            for chosen, rule in ((matrices, "muon"), (others, "adamw"))
            if chosen
        ]
        defaults = {
            "lr": lr,
            "betas": betas,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "eps": eps,
        }
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step with the gradients at hand; parameters without one stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            used = [p for p in group["params"] if p.grad is not None]
            for p in used:
                p.mul_(1 - group["lr"] * group["weight_decay"])
            if group["rule"] == "muon":
                self._muon(used, group)
            else:
                self._adamw(used, group)
        return loss

    def _muon(self, params: list[nn.Parameter], group: dict[str, Any]) -> None:
        by_shape: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
        for p in params:
            assert p.grad is not None
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            momentum = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
            wanted = torch.lerp(p.grad, momentum, group["momentum"])
            matrix = as_matrix(wanted)
            by_shape[matrix.shape].append((p, matrix))
        for shape, pairs in by_shape.items():
            steps = orthogonalise(torch.stack([m for _, m in pairs]).float())
            size = group["lr"] * 0.2 * max(shape) ** 0.5
            for (p, _), step in zip(pairs, steps, strict=True):
                p.sub_(step.view(p.shape).to(p.dtype), alpha=size)

    def _adamw(self, params: list[nn.Parameter], group: dict[str, Any]) -> None:
        first, second = group["betas"]
        for p in params:
            assert p.grad is not None
            state = self.state[p]
            if not state:
                state["step"] = 0
                state["mean"] = torch.zeros_like(p)
                state["square"] = torch.zeros_like(p)
            state["step"] += 1
            mean = state["mean"].lerp_(p.grad, 1 - first)
            square = state["square"].mul_(second).addcmul_(p.grad, p.grad, value=1 - second)
            root = (square / (1 - second ** state["step"])).sqrt_().add_(group["eps"])
            p.addcdiv_(mean, root, value=-group["lr"] / (1 - first ** state["step"]))
