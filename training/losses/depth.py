"""Losses and figures for relative inverse depth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def aligned(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """The prediction with the scale (not negative) and shift that fit the target best, per picture.

    Least squares over valid pixels. No gradient flows through scale and shift: at the optimum they
    have none for the squared error, and while the prediction is still flat it would be large noise.

    Args:
        prediction: `(B,1,H,W)`.
        target: the same shape.
        valid: bool, the same shape.
    """
    with torch.no_grad():
        p, t, mask = prediction.flatten(1), target.flatten(1), valid.flatten(1)
        count = mask.sum(1, keepdim=True).clamp_min(1)
        mean_p = (p * mask).sum(1, keepdim=True) / count
        mean_t = torch.where(mask, t, 0.0).sum(1, keepdim=True) / count
        p, t = (p - mean_p) * mask, torch.where(mask, t - mean_t, 0.0)
        scale = (
            (p * t).sum(1, keepdim=True) / p.square().sum(1, keepdim=True).clamp_min(1e-6)
        ).clamp_min(0)
        shift = mean_t - scale * mean_p
    return prediction * scale.view(-1, 1, 1, 1) + shift.view(-1, 1, 1, 1)


def scale_shift_invariant_loss(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference after `aligned` (after MiDaS, arXiv 1907.01341)."""
    difference = torch.where(valid, aligned(prediction, target, valid) - target, 0.0).abs()
    return difference.sum() / valid.sum().clamp_min(1)


def gradient_loss(prediction: Tensor, target: Tensor, valid: Tensor, scales: int = 4) -> Tensor:
    """Differences of the gradients at several scales, after `aligned`."""
    residual = torch.where(valid, aligned(prediction, target, valid) - target, 0.0)
    total = residual.new_zeros(())
    for level in range(scales):
        step = 2**level
        part, mask = residual[..., ::step, ::step], valid[..., ::step, ::step]
        for axis in (-1, -2):
            if part.shape[axis] < 2:
                continue
            length = part.shape[axis] - 1
            both = mask.narrow(axis, 1, length) & mask.narrow(axis, 0, length)
            jump = (part.narrow(axis, 1, length) - part.narrow(axis, 0, length)).abs()
            total = total + (jump * both).sum() / both.sum().clamp_min(1)
    return total


def depth_loss(
    prediction: Tensor, target: Tensor, valid: Tensor, gradient_weight: float = 0.5
) -> tuple[Tensor, dict[str, Tensor]]:
    """The training loss: invariant L1 + gradients + a pull towards the 0..1 target range.

    Args:
        prediction: `(B,1,H,W)`.
        target: normalised inverse depth, 0..1.
        valid: bool, where the target is known.
        gradient_weight: of the gradient term; it slows the first steps, so it may start at 0.
    """
    prediction = prediction.float()
    invariant = scale_shift_invariant_loss(prediction, target, valid)
    gradients = gradient_loss(prediction, target, valid)
    absolute = ((prediction - target).abs() * valid).sum() / valid.sum().clamp_min(1)
    loss = absolute + invariant + gradient_weight * gradients
    parts = {"ssi": invariant, "grad": gradients, "abs": absolute}
    return loss, {name: part.detach() for name, part in parts.items()}


@torch.no_grad()
def aligned_figures(
    prediction: Tensor, inverse: Tensor, valid: Tensor, far_m: float
) -> dict[str, float]:
    """AbsRel and delta1 of one picture after the best scale and shift of inverse depth.

    Args:
        prediction: relative inverse depth `(H,W)`.
        inverse: true inverse depth `(H,W)`, 1/m.
        valid: bool `(H,W)`; pixels farther than `far_m` are left out as well.
        far_m: predictions are clamped to this distance.
    """
    keep = valid & (inverse > 1 / far_m)
    p, d = prediction[keep].double(), inverse[keep].double()
    design = torch.stack([p, torch.ones_like(p)], 1)
    gram = design.T @ design + 1e-9 * torch.eye(2, dtype=torch.float64)
    scale, shift = torch.linalg.solve(gram, design.T @ d)
    depth, truth = 1 / (scale * p + shift).clamp_min(1 / far_m), 1 / d
    ratio = torch.maximum(depth / truth, truth / depth)
    return {
        "absrel": ((depth - truth).abs() / truth).mean().item(),
        "delta1": (ratio < 1.25).double().mean().item(),
    }


def resize_masked(inverse: Tensor, valid: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Nearest-neighbour resize of depth and its mask, `(B,1,H,W)`: depth is never averaged."""
    return (
        F.interpolate(inverse, size=size, mode="nearest-exact"),
        F.interpolate(valid.float(), size=size, mode="nearest-exact") > 0.5,
    )
