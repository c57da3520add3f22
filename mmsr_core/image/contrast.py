"""Pictures of sensors that use a small part of their range."""

from __future__ import annotations

import torch
from torch import Tensor

NARROW = 0.5
"""A grey picture that uses less of 0..1 than this is taken for counts of a sensor."""
_TAILS = 0.001
"""Share of the pixels at either end that may be cut: hot and dead pixels."""
_LEAST = 1e-6


def stretch_narrow_grey(picture: Tensor) -> Tensor:
    """Grey pictures that use a small part of the range, stretched to all of it.

    An infrared camera's counts say what is warmer, not how bright a picture is. The same counts as
    8 bits, as raw 16 bits or as floats so give the same picture. Colour, and grey of a usual range,
    stay as they are.

    Args:
        picture: `(B,3,H,W)`, 0..1.
    """
    if not bool((picture == picture[:, :1]).all()):
        return picture
    made = []
    for item in picture.split(1):
        values = item[:, 0].flatten().sort().values
        cut = int(_TAILS * (len(values) - 1))
        low, high = values[cut], values[len(values) - 1 - cut]
        narrow = _LEAST < float(high - low) < NARROW
        made.append(((item - low) / (high - low)).clamp(0, 1) if narrow else item)
    return torch.cat(made)
