"""Stand-ins for a second sensor, made from the photograph itself.

Photographs with a registered infrared picture are few, so the denoiser's guide expert learns from
pictures that share the scene's structure and not its colours: a random mix of the channels under a
random tone curve. A share is wrong on purpose (shifted, foreign, black), so that the router learns
not to trust a guide blindly. The fusion network is trained on real pairs (`train_fusion`).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TONE_POINTS = 5


def synthetic_guides(hr: Tensor, generator: torch.Generator, wrong_share: float = 0.3) -> Tensor:
    """A stand-in guide for every picture.

    Args:
        hr: `(B,3,H,W)`, 0..1.
        generator: on the device of `hr`.
        wrong_share: of guides that are shifted by up to 12 px, of another picture, or black.

    Returns:
        `(B,3,H,W)`, 0..1, three equal channels.
    """
    b, device = hr.shape[0], hr.device

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    mix = rand(b, 3, 1, 1)
    grey = (hr * mix / mix.sum(1, keepdim=True)).sum(1, keepdim=True)
    guide = _tone(grey, rand(b, TONE_POINTS))
    soft = F.interpolate(F.avg_pool2d(guide, 4), scale_factor=4, mode="bicubic")
    guide = torch.lerp(guide, soft, (rand(b, 1, 1, 1) < 0.6).float()).clamp(0, 1)
    kinds = rand(b)
    for i in range(b):
        share = float(kinds[i]) / max(wrong_share, 1e-9)
        if share < 0.5:
            dy, dx = (int(v) for v in (rand(2) * 25 - 12).round())
            guide[i] = guide[i].roll((dy, dx), (-2, -1))
        elif share < 0.85:
            guide[i] = grey[(i + 1) % b] if b > 1 else guide[i].flip(-1)
        elif share < 1:
            guide[i] = 0
    return guide.expand(-1, 3, -1, -1).contiguous()


def _tone(grey: Tensor, levels: Tensor) -> Tensor:
    """A piecewise linear tone curve through random levels: `(B,1,H,W)` to the same shape."""
    low, high = levels.amin(1, keepdim=True), levels.amax(1, keepdim=True)
    levels = (levels - low) / (high - low).clamp_min(1e-3)
    at = grey.clamp(0, 1) * (TONE_POINTS - 1)
    index = at.floor().clamp_max(TONE_POINTS - 2)
    flat = index.flatten(1).long()
    left, right = levels.gather(1, flat), levels.gather(1, flat + 1)
    return torch.lerp(left, right, (at - index).flatten(1)).view_as(grey)
