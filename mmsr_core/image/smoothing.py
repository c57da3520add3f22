"""Gaussian smoothing of pictures and maps."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_WIDEST_PX = 4.0  # std; wider ones are made of a smaller picture


def smooth(picture: Tensor, std_px: float) -> Tensor:
    """Gaussian blur with repeated borders, `(B,C,H,W)` to the same size.

    Args:
        picture: `(B,C,H,W)`.
        std_px: standard deviation, above 0, px.
    """
    if std_px > _WIDEST_PX:
        factor = int(std_px // 2)
        height, width = picture.shape[-2:]
        small = F.avg_pool2d(picture, factor, ceil_mode=True, count_include_pad=False)
        blurred = smooth(small, std_px / factor)
        wide = F.interpolate(blurred, scale_factor=factor, mode="bilinear")
        return wide[..., :height, :width]
    radius = math.ceil(3 * std_px)
    offsets = torch.arange(-radius, radius + 1, device=picture.device, dtype=picture.dtype)
    taps = torch.exp(-0.5 * (offsets / std_px) ** 2)
    taps = taps / taps.sum()
    flat = picture.flatten(0, 1)[:, None]
    flat = F.pad(flat, (radius,) * 4, mode="replicate")
    flat = F.conv2d(F.conv2d(flat, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    return flat.view_as(picture)
