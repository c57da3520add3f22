"""Transparency, enlarged as its picture is: its edges stay smooth lines instead of stairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from ..image import resize_alpha
from .results import Overrides

if TYPE_CHECKING:
    from .engine import MMSREngine

_PIXEL_STD = math.sqrt(1 / 12)
"""Std of a square pixel, in pixels: all the blur that an alpha has. What is soft is meant to be."""
_EXACT = 1.5 / 255
"""What is nearer to opaque or to clear is so."""
_KNOWN = Overrides(noise_std=0.0, jpeg_quality=100.0, sharpening=0.0)


def enlarge_alpha(
    pipeline: MMSREngine,
    alpha: Tensor | None,
    scale: int,
    size: tuple[int, int] | None = None,
    tile: int | None = None,
) -> Tensor | None:
    """Enlarge an alpha channel by the mean net; at scale 1, and where all is alike, it is resized.

    Args:
        pipeline: that of the picture.
        alpha: `(B,1,h,w)`, 0..1; one that has `size` already stays as it is. None stays None.
        scale: SR factor at which the picture was restored, 1..16.
        size: (height, width) of the result; None is `scale` times that of `alpha`.
        tile: see `MMSREngine.__call__`.

    Returns:
        `(B,1,*size)`, 0..1.

    Raises:
        ShapeError: `alpha` is not `(B,1,h,w)`.
    """
    if alpha is None:
        return None
    size = size or (alpha.shape[-2] * scale, alpha.shape[-1] * scale)
    plain = scale == 1 or alpha.ndim != 4 or tuple(alpha.shape[-2:]) == tuple(size)
    if plain or bool((alpha == alpha[..., :1, :1]).all()):
        return resize_alpha(alpha, size)
    picture = alpha.expand(-1, 3, -1, -1)
    made = pipeline(
        picture, scale=scale, steps=0, blur_sigma_px=_PIXEL_STD * scale, overrides=_KNOWN, tile=tile
    )
    fitted = resize_alpha(made.images[:, :1].to(alpha), size)
    return fitted.masked_fill(fitted < _EXACT, 0.0).masked_fill(fitted > 1 - _EXACT, 1.0)
