"""Losses of the fusion net. Fusion has no truth: it is to keep what is strongest in each source."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.models.fusion_net import luminance


@dataclass(frozen=True)
class FusionWeights:
    """Weights beside the intensity loss (1)."""

    gradient: float
    """L1 to the gradient of the stronger source, with its sign."""
    strength: float
    """L1 between gradient magnitudes: detail whose place is uncertain keeps its contrast."""
    ssim: float
    """1 - the mean SSIM to both sources."""


def guide_loss(guided: Tensor, hr: Tensor, visible: Tensor) -> dict[str, Tensor]:
    """L1 plus MSE to the HR visible picture, both against the restored one without a guide.

    Args:
        guided: `(B,3,H,W)` output.
        hr: the truth.
        visible: the restored picture; it only scales the MSE, so that all scales count alike.
    """
    error = guided - hr
    scale = (visible - hr).square().mean((1, 2, 3)).clamp_min(1e-5)
    relative = (error.square().mean((1, 2, 3)) / scale).mean()
    l1 = error.abs().mean()
    return {"guide": 2 * l1 + 0.05 * relative, "l1": l1, "relative_mse": relative}


def gradients(plane: Tensor) -> Tensor:
    """Sobel gradients / 4 of `(B,1,H,W)`: `(B,2,H-2,W-2)`, about the difference of neighbours."""
    x = plane.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    return F.conv2d(plane, torch.stack((x, x.T)).unsqueeze(1))


def fusion_loss(
    fused: Tensor, hr_visible: Tensor, hr_guide: Tensor, fusable: Tensor, weights: FusionWeights
) -> dict[str, Tensor]:
    """Intensity and gradient of the stronger source, and SSIM to both.

    Args:
        fused: `(B,1,H,W)` luminance.
        hr_visible: `(B,3,H,W)`.
        hr_guide: `(B,1,H,W)`.
        fusable: `(B,)` bool: the others, whose guide shows something else, do not count.
        weights: see `FusionWeights`.
    """
    keep = fusable.to(fused)
    total = keep.sum().clamp_min(1)

    def mean(values: Tensor) -> Tensor:
        return (values.flatten(1).mean(1) * keep).sum() / total

    own = luminance(hr_visible)
    intensity = mean((fused - torch.maximum(own, hr_guide)).abs())
    first, second, ours = gradients(own), gradients(hr_guide), gradients(fused)
    size1, size2 = first.norm(dim=1, keepdim=True), second.norm(dim=1, keepdim=True)
    target = torch.where(size1 >= size2, first, second)
    size = ours.square().sum(1, keepdim=True).add(1e-8).sqrt()
    gradient = mean((ours - target).abs())
    strength = mean((size - torch.maximum(size1, size2)).abs())
    alike = 0.5 * (mean(ssim_map(fused, own)) + mean(ssim_map(fused, hr_guide)))
    loss = (
        intensity
        + weights.gradient * gradient
        + weights.strength * strength
        + weights.ssim * (1 - alike)
    )
    return {"fuse": loss, "intensity": intensity, "gradient": gradient, "strength": strength,
            "ssim": alike}  # fmt: skip


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of `(B,1,H,W)` pictures in 7x7 boxes (quicker than the Gaussian), `(B,1,H-6,W-6)`."""
    stack = torch.cat((a, b, a * a, b * b, a * b), 1)
    ma, mb, aa, bb, ab = F.avg_pool2d(stack, 7, 1).split(1, 1)
    va, vb, cov = aa - ma * ma, bb - mb * mb, ab - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    return (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
