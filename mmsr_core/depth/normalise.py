"""Bringing depth of any origin to the common form: inverse depth, 0..1, near = 1."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, ShapeError

_QUANTILE_SAMPLES = 1 << 18


def normalise_depth(inverse_depth: Tensor, low: float = 0.01, high: float = 0.99) -> Tensor:
    """Map inverse depth to 0..1 between two quantiles, each picture for itself.

    The result does not change when the input is multiplied by a positive number or shifted. A
    picture of constant depth becomes 0.5 everywhere.

    Args:
        inverse_depth: `(B,1,h,w)`, finite, larger is nearer.
        low: quantile that becomes 0.
        high: quantile that becomes 1.

    Returns:
        `(B,1,h,w)` float32 in 0..1.
    """
    _check_map(inverse_depth, "inverse_depth")
    if not 0 <= low < high <= 1:
        raise InputError(f"low and high must satisfy 0 <= low < high <= 1, not {low} and {high}.")
    depth = inverse_depth.float()
    if not torch.isfinite(depth).all():
        raise InputError(
            "inverse_depth has NaN or infinite values; give a finite value for every pixel."
        )
    flat = depth.flatten(1)
    known = flat[:, :: max(1, flat.shape[1] // _QUANTILE_SAMPLES)].sort(1).values
    first, last = _sorted_quantile(known, low), _sorted_quantile(known, high)
    narrow = last - first <= 1e-6 * torch.maximum(first.abs(), last.abs())
    first = torch.where(narrow, flat.amin(1), first).view(-1, 1, 1, 1)
    last = torch.where(narrow, flat.amax(1), last).view(-1, 1, 1, 1)
    constant = last - first <= 1e-6 * torch.maximum(first.abs(), last.abs())
    scaled = ((depth - first) / torch.where(constant, 1.0, last - first)).clamp(0, 1)
    return torch.where(constant, 0.5, scaled)


def depth_from_picture(
    picture: Tensor, size: tuple[int, int], invert: Literal["auto"] | bool = "auto"
) -> Tensor:
    """Inverse depth from a depth picture of any source.

    Args:
        picture: `(B,1|3|4,H,W)`, grey or colour of any range; alpha is ignored.
        size: `(h,w)` of the result.
        invert: True for pictures in which near is black. `auto` takes near as white, as most tools
            write it.

    Returns:
        `(B,1,h,w)` in 0..1, near = 1.
    """
    if picture.ndim != 4 or picture.shape[1] not in (1, 3, 4) or picture.numel() == 0:
        raise ShapeError("picture", "(B,1|3|4,H,W)", tuple(picture.shape))
    if min(size) < 1:
        raise InputError(f"size must be at least (1,1), not {tuple(size)}.")
    if invert not in ("auto", True, False):
        raise InputError(f"invert must be 'auto', True or False, not {invert!r}.")
    grey = picture[:, :3].float().mean(1, keepdim=True)
    if not torch.isfinite(grey).all():
        raise InputError(
            "The depth picture has NaN or infinite values; write it again without them."
        )
    depth = normalise_depth(resize_picture(grey, size))
    return 1 - depth if invert is True else depth


def resize_picture(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize `(B,C,H,W)`, antialiased when it shrinks."""
    if tuple(picture.shape[-2:]) == tuple(size):
        return picture
    return F.interpolate(picture, size=size, mode="bilinear", align_corners=False, antialias=True)


def _sorted_quantile(ordered: Tensor, share: float) -> Tensor:
    position = share * (ordered.shape[1] - 1)
    below = int(position)
    above = min(below + 1, ordered.shape[1] - 1)
    return torch.lerp(ordered[:, below], ordered[:, above], position - below)


def _check_map(depth: Tensor, name: str) -> None:
    if depth.ndim != 4 or depth.shape[1] != 1 or depth.numel() == 0:
        raise ShapeError(name, "(B,1,h,w)", tuple(depth.shape))
