"""Losses of the fusion net. Fusion has no truth: it is to keep what is strongest in each source.

So the target is what the net's own rule makes of the two sources at full size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.image import luminance
from mmsr_core.models.fusion_net import PREFERENCE
from mmsr_core.models.starlet import fuse_starlets


@dataclass(frozen=True)
class FusionWeights:
    """Weights beside the intensity loss (1)."""

    gradient: float
    """L1 to the gradient of the target, with its sign."""
    strength: float
    """L1 between gradient magnitudes: detail whose place is uncertain keeps its contrast."""
    ssim: float
    """1 - the SSIM to the target."""


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


def fusion_target(visible: Tensor, guide: Tensor, levels: int) -> Tensor:
    """What an untrained net makes of two HR sources: `(B,1,H,W)`, 0..1.

    Of whole pictures: the coarsest of 5 levels looks 94 px far, and a crop has borders.

    Args:
        visible: `(B,3,H,W)`.
        guide: `(B,1,H,W)`.
        levels: of the starlet, as the net has.
    """
    even = [visible.new_zeros(())] * (levels + 1)
    preference = visible.new_full((2,), PREFERENCE)
    return fuse_starlets(luminance(visible), guide, even, preference).clamp(0, 1)


def fusion_loss(
    fused: Tensor, target: Tensor, fusable: Tensor, weights: FusionWeights
) -> dict[str, Tensor]:
    """L1, gradients and SSIM to the target.

    Args:
        fused: `(B,1,H,W)` luminance.
        target: `(B,1,H,W)`, see `fusion_target`.
        fusable: `(B,)` bool: the others, whose guide shows something else, do not count.
        weights: see `FusionWeights`.
    """
    keep = fusable.to(fused)
    total = keep.sum().clamp_min(1)

    def mean(values: Tensor) -> Tensor:
        return (values.flatten(1).mean(1) * keep).sum() / total

    intensity = mean((fused - target).abs())
    wanted, ours = gradients(target), gradients(fused)
    size = ours.square().sum(1, keepdim=True).add(1e-8).sqrt()
    gradient = mean((ours - wanted).abs())
    strength = mean((size - wanted.norm(dim=1, keepdim=True)).abs())
    alike = mean(ssim_map(fused, target))
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
