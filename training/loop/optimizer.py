"""Muon for the weight matrices, torch's AdamW for the rest: what the training loop steps with.

Muon (K. Jordan and others, 2024, https://kellerjordan.github.io/posts/muon/) replaces the momentum
of a matrix by the nearest semi-orthogonal one. The step is scaled by
`0.2 sqrt(max(rows, columns))`, which gives it AdamW's usual size (arXiv 2502.16982, equation 4),
so one learning rate serves both. Muon stays here because torch's own takes matrices alone, not
convolutions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

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
    """The embedding tables of a model. Their rows are looked up, not multiplied: not for Muon."""
    tables = (m for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag))
    return [p for table in tables for p in table.parameters(recurse=False)]


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
        shares: Mapping[float, Iterable[nn.Parameter]] | None = None,
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
            shares: the parameters that learn at another rate, by its share of `lr`. A group's
                `share` says which it is; the loop that sets `lr` multiplies by it.
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
        share_of = {id(p): share for share, some in (shares or {}).items() for p in some}
        groups = []
        for chosen, rule in ((matrices, "muon"), (others, "adamw")):
            for share in sorted({share_of.get(id(p), 1.0) for p in chosen}, reverse=True):
                some = [p for p in chosen if share_of.get(id(p), 1.0) == share]
                groups.append({"params": some, "rule": rule, "share": share, "lr": lr * share})
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
            if group["rule"] == "muon":
                self._muon(used, group)
            else:
                self._adamw(used, group)
        return loss

    def _muon(self, params: list[nn.Parameter], group: dict[str, Any]) -> None:
        by_shape: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
        for p in params:
            assert p.grad is not None
            p.mul_(1 - group["lr"] * group["weight_decay"])
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
        for p in params:
            if not self.state[p]:
                self.state[p] = {
                    "step": torch.zeros((), dtype=torch.float32, device=p.device),
                    "exp_avg": torch.zeros_like(p),
                    "exp_avg_sq": torch.zeros_like(p),
                }
        states = [self.state[p] for p in params]
        first, second = group["betas"]
        adamw(
            list(params),
            [p.grad for p in params if p.grad is not None],
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            fused=bool(params) and all(p.is_cuda for p in params),
            amsgrad=False,
            beta1=first,
            beta2=second,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
