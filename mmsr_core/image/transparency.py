"""Transparency: the colour that is hidden under it, and the colour that it is laid on."""

from __future__ import annotations

import torch
from PIL import ImageColor
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, ShapeError

WHITE = "white"
"""What transparent places are laid on in a format without transparency: paper, as in most
programs."""
_OPAQUE = 254.5 / 255
"""Alpha from which on nothing shines through in 8 bits."""


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


def parse_colour(text: str) -> tuple[float, float, float]:
    """A colour by its name or as `#rgb`, `#rrggbb`, `rgb(...)`, `hsl(...)`: three of 0..1.

    Raises:
        InputError: it is none of these, or is transparent itself.
    """
    expected = "a name such as white or black, or #rrggbb"
    try:
        values = ImageColor.getrgb(text.strip())
    except ValueError as error:
        raise InputError(f"{text!r} is no colour; expected {expected}.") from error
    if len(values) == 4 and values[3] < 255:
        raise InputError(f"The colour {text!r} is transparent itself; expected {expected}.")
    return values[0] / 255, values[1] / 255, values[2] / 255


def has_transparency(alpha: Tensor | None) -> bool:
    """Whether anything shines through a picture with this alpha, 0..1."""
    return alpha is not None and bool((alpha < _OPAQUE).any())


def lay_on(rgb: Tensor, alpha: Tensor, colour: tuple[float, float, float]) -> Tensor:
    """A picture on a ground of one colour.

    Args:
        rgb: `(...,3,H,W)`, 0..1, not premultiplied.
        alpha: `(...,1,H,W)`, 0..1.
        colour: of the ground, 0..1, in the picture's own colour space.

    Returns:
        `(...,3,H,W)`.
    """
    ground = rgb.new_tensor(colour).view(3, 1, 1)
    return ground + alpha.to(rgb) * (rgb - ground)


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
