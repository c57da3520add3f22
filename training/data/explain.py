"""The one blur that explains most of a picture whose making no single blur describes."""

from __future__ import annotations

import torch
from torch import Tensor

from mmsr_core.degradation import degrade, isotropic_gaussian
from mmsr_core.degradation.synthesis.first_order import sigma_range_px

CANDIDATES = 7


@torch.no_grad()
def closest_gaussian(hr: Tensor, lr: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """The isotropic Gaussian for which `degrade(hr)` comes closest to `lr`, and what it leaves.

    Args:
        hr: `(B,3,H,W)`, 0..1.
        lr: `(B,3,h,w)`, 0..1, made from it in any way.
        scale: SR factor.

    Returns:
        Kernels `(B,441,h,w)`, one for each picture, and the standard deviation of the rest `(B,)`,
        0..1 units: noise, compression and whatever else is no blur.
    """
    low, high = sigma_range_px(scale)
    kernels = torch.stack(
        [
            isotropic_gaussian(low * (high / low) ** (i / (CANDIDATES - 1)), scale, hr.device)
            for i in range(CANDIDATES)
        ]
    )
    lr_pixels = lr.shape[-2:]
    errors = torch.stack(
        [
            (degrade(hr, k.view(1, -1, 1, 1).expand(len(hr), -1, *lr_pixels), scale) - lr)
            .square()
            .mean((1, 2, 3))
            for k in kernels
        ]
    )
    least, best = errors.min(0)
    return kernels[best][:, :, None, None].expand(-1, -1, *lr_pixels), least.sqrt()
