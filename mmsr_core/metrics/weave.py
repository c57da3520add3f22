"""A number for the weave that samplers draw: fine energy along the axes against the diagonals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import ShapeError

BAND = (0.12, 0.45)
"""Cycles per px: periods of 2.2 to 8 px, where the lattices of convolutional networks lie."""
_SECTOR_RAD = math.pi / 12


def weave(detail: Tensor) -> Tensor:
    """Mean spectral energy within 15 degrees of the axes over that within 15 of the diagonals.

    White noise has 1. What people build has more, since edges are upright: compare with the truth.

    Args:
        detail: `(B,C,H,W)`, what a method adds to a smooth estimate, at least 16 px a side.

    Returns:
        `(B,)` float64.

    Raises:
        ShapeError: another shape, or too small.
    """
    if detail.ndim != 4 or min(detail.shape[-2:]) < 16:
        raise ShapeError("detail", "(B,C,H,W) of at least 16x16", tuple(detail.shape))
    plane = detail.detach().cpu().double().mean(1)
    height, width = plane.shape[-2:]
    taper = torch.hann_window(height, dtype=torch.float64)[:, None] * torch.hann_window(
        width, dtype=torch.float64
    )
    energy = torch.fft.fft2(plane * taper).abs().square()
    down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None].abs()
    across = torch.fft.fftfreq(width, dtype=torch.float64).abs()
    radius = torch.hypot(down, across)
    angle = torch.atan2(down.expand(height, width), across.expand(height, width))
    band = (radius > BAND[0]) & (radius < BAND[1])
    axes = band & ((angle < _SECTOR_RAD) | (angle > math.pi / 2 - _SECTOR_RAD))
    diagonals = band & ((angle - math.pi / 4).abs() < _SECTOR_RAD)
    return energy[:, axes].mean(1) / energy[:, diagonals].mean(1).clamp_min(1e-20)
