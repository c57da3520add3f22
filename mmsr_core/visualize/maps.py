"""Depth and comparison pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ShapeError
from .colours import ColourMap, colourise


def depth_map(inverse_depth: Tensor, colour_map: ColourMap = "grey") -> Tensor:
    """Shows an inverse depth: near is bright.

    In grey the picture is the depth itself and can be read again as a depth picture.

    Args:
        inverse_depth: `(1,1,h,w)`, `(1,h,w)` or `(h,w)` float in 0..1, near = 1.
        colour_map: One of `COLOUR_MAPS`.

    Returns:
        `(3,h,w)` float32 in 0..1.

    Raises:
        ShapeError: It is not one map.
    """
    if inverse_depth.dim() < 2 or inverse_depth.shape[:-2].numel() != 1:
        raise ShapeError("inverse_depth", "(1,1,h,w)", tuple(inverse_depth.shape))
    return colourise(inverse_depth.reshape(inverse_depth.shape[-2:]), colour_map)


def before_after(lr_up: Tensor, sr: Tensor, gap_px: int = 6) -> Tensor:
    """Two pictures of the same size side by side.

    Args:
        lr_up: `(1,3,H,W)` or `(3,H,W)` float in 0..1, the enlarged input.
        sr: The same shape, the result.
        gap_px: Width of the white strip between them.

    Returns:
        `(3,H,2W+gap_px)` float32 in 0..1.

    Raises:
        ShapeError: The shapes are wrong or differ.
    """
    left = lr_up[0] if lr_up.dim() == 4 and lr_up.shape[0] == 1 else lr_up
    right = sr[0] if sr.dim() == 4 and sr.shape[0] == 1 else sr
    if left.dim() != 3 or left.shape[0] != 3:
        raise ShapeError("lr_up", "(1,3,H,W) or (3,H,W)", tuple(lr_up.shape))
    if right.shape != left.shape:
        raise ShapeError("sr", f"{tuple(left.shape)} as lr_up", tuple(sr.shape))
    strip = torch.ones(3, left.shape[1], gap_px)
    parts = [part.detach().float().cpu().clamp(0, 1) for part in (left, right)]
    return torch.cat([parts[0], strip, parts[1]], dim=2)
