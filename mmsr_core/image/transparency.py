"""Colour under transparent pixels, which nobody sees and every filter mixes into the edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ShapeError


def spread_colour(rgb: Tensor, alpha: Tensor | None) -> Tensor:
    """Fill transparent pixels with the visible colour around them.

    A pyramid of means weighed by alpha is made and read back from coarse to fine (push-pull:
    Gortler and others, The Lumigraph, 1996). What the file holds under alpha 0 has no influence.

    Args:
        rgb: `(B,3,h,w)` float in 0..1, not premultiplied.
        alpha: `(B,1,h,w)` float in 0..1; None: everything is visible.

    Returns:
        `(B,3,h,w)`: `rgb` where alpha is above 0; grey (0.5) where a whole picture is transparent.

    Raises:
        ShapeError: `alpha` does not fit `rgb`.
    """
    if alpha is None:
        return rgb
    expected = (rgb.shape[0], 1, *rgb.shape[-2:])
    if tuple(alpha.shape) != expected:
        raise ShapeError("alpha", f"{expected} to fit rgb", tuple(alpha.shape))
    hidden = alpha <= 0
    if not bool(hidden.any()):
        return rgb
    return torch.where(hidden, _filled(torch.where(hidden, 0, rgb), alpha.clamp(0, 1)), rgb)


def _filled(rgb: Tensor, weight: Tensor) -> Tensor:
    """`rgb` where `weight` is 1, the coarser level's colour where it is 0, mixed between."""
    height, width = rgb.shape[-2:]
    if max(height, width) == 1:
        return torch.where(weight > 0, rgb, 0.5)
    pooled = F.avg_pool2d(weight, 2, ceil_mode=True)
    colour = F.avg_pool2d(rgb * weight, 2, ceil_mode=True) / pooled.clamp_min(1e-8)
    # A pixel with any visible part has a colour of its own; only its absence is filled.
    coarse = _filled(colour, (4 * pooled).clamp(0, 1))
    wide = F.interpolate(coarse, size=(height, width), mode="nearest")
    return rgb * weight + wide * (1 - weight)
