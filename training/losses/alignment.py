"""M3ESR's router losses (arXiv 2605.10470): weights that follow what each modality contributes.

A modality's contribution at a place is how much larger the error becomes without it. The router's
weights are drawn to a softmax of the contributions by a KL divergence; the predicted log-errors
`s_m` are fitted to the error with that modality alone, as the log-scale of a Laplace distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.models import DenoiserOutput

GRID = 4
SMOOTHING = 5
"""Errors are averaged over this many grid cells a side before they are compared."""
SHARPNESS = 0.02
"""A contribution of 2 % of the error is worth one unit of log-weight."""

Amounts = Mapping[str, Tensor]
Evaluate = Callable[[Amounts], DenoiserOutput]
"""Runs the denoiser with other amounts and everything else the same."""


@dataclass(frozen=True)
class Contributions:
    """What each modality is worth at each place, measured without gradients."""

    names: tuple[str, ...]
    gains: Tensor
    """`(B,M,h,w)`: relative growth of the error without the modality; positive: it helps."""
    alone: Tensor
    """`(B,M,h,w)`: error with this modality only."""
    present: Tensor
    """`(B,M,1,1)`: 1 where the item has the modality."""


def local_error(picture: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error around each grid cell: `(B,3,H,W)` twice to `(B,1,H/4,W/4)`."""
    error = (picture.float() - truth).abs().mean(1, keepdim=True)
    pad = SMOOTHING // 2
    cells = F.avg_pool2d(error, GRID)
    return F.avg_pool2d(cells, SMOOTHING, 1, pad, count_include_pad=False)


@torch.no_grad()
def measure_contributions(
    evaluate: Evaluate, names: tuple[str, ...], amounts: Amounts, truth: Tensor
) -> Contributions:
    """Leave each modality out, and keep each alone.

    Args:
        evaluate: see `Evaluate`.
        names: the denoiser's modalities, in its order.
        amounts: those in use: `(B,1,1,1)`, 0 where an item lacks one.
        truth: `(B,3,H,W)`.
    """
    full = local_error(evaluate(amounts).sample, truth)
    gains, alone, present = [], [], []
    for name in names:
        if name not in amounts:
            gains.append(torch.zeros_like(full))
            alone.append(torch.zeros_like(full))
            present.append(torch.zeros_like(full[..., :1, :1]))
            continue
        without = {k: v * 0 if k == name else v for k, v in amounts.items()}
        single = {k: v if k == name else v * 0 for k, v in amounts.items()}
        gains.append((local_error(evaluate(without).sample, truth) - full) / (full + 1e-3))
        alone.append(local_error(evaluate(single).sample, truth))
        present.append((amounts[name] > 0).float().expand_as(full[..., :1, :1]))
    return Contributions(names, torch.cat(gains, 1), torch.cat(alone, 1), torch.cat(present, 1))


def target_weights(measured: Contributions) -> Tensor:
    """`(B,M,h,w)`: softmax of the contributions over the modalities that are there."""
    scores = measured.gains / SHARPNESS
    scores = scores.masked_fill(measured.present == 0, -1e4)
    return torch.softmax(scores, 1) * measured.present


def alignment_loss(out: DenoiserOutput, measured: Contributions) -> tuple[Tensor, Tensor]:
    """The two losses of a forward pass with all amounts: KL (all levels), Laplace NLL (finest).

    Returns:
        `(kl, nll)`, scalars with gradients.
    """
    target = target_weights(measured)
    # Strengths of 1 are assumed: at log a_m = 0 the weights are the router's own opinion.
    terms = []
    for level, routing in enumerate(out.routings):
        goal = target if level == 0 else F.avg_pool2d(target, 2**level)
        ratio = goal.clamp_min(1e-6).log() - routing.weights.clamp_min(1e-6).log()
        terms.append((goal * ratio).sum(1).mean())
    scale = out.routings[0].log_errors
    there = measured.present.expand_as(scale)
    nll = (measured.alone * torch.exp(-scale) + scale) * there
    return torch.stack(terms).mean(), nll.sum() / there.sum().clamp_min(1)
