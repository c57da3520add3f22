"""Pictures of sensors that use a small part of their range."""

from __future__ import annotations

import torch
from torch import Tensor

from .luma import luminance

NARROW = 0.5
"""A grey picture that uses less of 0..1 than this is taken for counts of a sensor."""
_TAILS = 0.001
"""Share of the pixels at either end that may be cut: hot and dead pixels."""
_LEAST = 1e-6
_TINT = 2.5 / 255
"""Channels may differ by this much in a grey picture: rounding, and JPEG."""


def stretch_narrow_grey(picture: Tensor, like: Tensor | None = None) -> Tensor:
    """Grey pictures that use a small part of the range, stretched to all of it, or as another one.

    An infrared camera's counts say what is warmer, not how bright a picture is. The same counts as
    8 bits, as raw 16 bits or as floats so give the same picture. Colour, and grey of a usual range,
    stay as they are. Each picture of a batch stands alone.

    Args:
        picture: `(B,3,H,W)`, 0..1.
        like: `(B,3,h,w)`, 0..1: pictures whose range of brightness they get; None is 0..1.
    """
    made = []
    for index, item in enumerate(picture.split(1)):
        used = _counts_range(item)
        if used is None:
            made.append(item)
            continue
        low, high = used
        stretched = ((item - low) / (high - low)).clamp(0, 1)
        if like is not None:
            dark, bright = brightness_range(like[index : index + 1])
            stretched = dark + stretched * (bright - dark)
        made.append(stretched)
    return torch.cat(made)


def brightness_range(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Darkest and brightest luma of a picture `(1,3,H,W)`, but for a thousandth at either end."""
    values = luminance(picture).flatten().sort().values
    cut = int(_TAILS * (len(values) - 1))
    return values[cut], values[len(values) - 1 - cut]


def is_narrow_grey(picture: Tensor) -> bool:
    """Whether a picture `(1,3,H,W)` is grey and uses a small part of its range, as counts do."""
    return _counts_range(picture) is not None


def _counts_range(picture: Tensor) -> tuple[Tensor, Tensor] | None:
    """The range of a sensor's counts; None for other pictures, most of which are not sorted."""
    if float((picture.amax(1) - picture.amin(1)).max()) > _TINT:
        return None
    low, high = brightness_range(picture)
    return (low, high) if _LEAST < float(high - low) < NARROW else None
