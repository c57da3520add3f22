"""Transparency, enlarged as its picture is: its edges stay smooth lines instead of stairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ..image import resize_alpha, resize_bicubic
from ..types import MAX_BLUR_SIGMA_PX, ProgressCallback
from .results import Overrides

if TYPE_CHECKING:
    from .engine import MMSREngine

_PIXEL_STD = math.sqrt(1 / 12)
"""Std of a square pixel, in pixels: all the blur that an alpha has. What is soft is meant to be."""
_EXACT, _EDGE = 1.5 / 255, 0.1
"""At edges with at least this contrast, what is nearer to opaque or clear than the first is so."""
_MARGIN_PX = 16
"""What is looked at around the places where an alpha changes."""
_KNOWN = Overrides(noise_std=0.0, jpeg_quality=100.0, sharpening=0.0)


def enlarge_alpha(
    pipeline: MMSREngine,
    alpha: Tensor | None,
    scale: int,
    size: tuple[int, int] | None = None,
    tile: int | None = None,
    progress: ProgressCallback | None = None,
) -> Tensor | None:
    """Enlarge an alpha channel by the mean net; at scale 1, and where all is alike, it is resized.

    No value leaves the range of its neighbours, so panes and shadows keep their strength.

    Args:
        pipeline: that of the picture.
        alpha: `(B,1,h,w)`, 0..1; one that has `size` already stays as it is. None stays None.
        scale: SR factor at which the picture was restored, 1..16.
        size: (height, width) of the result; None is `scale` times that of `alpha`.
        tile: see `MMSREngine.__call__`.
        progress: told of every alpha anew; it may raise to end the work.

    Returns:
        `(B,1,*size)`, 0..1.

    Raises:
        ShapeError: `alpha` is not `(B,1,h,w)`.
    """
    if alpha is None:
        return None
    size = size or (alpha.shape[-2] * scale, alpha.shape[-1] * scale)
    if scale == 1 or alpha.ndim != 4 or tuple(alpha.shape[-2:]) == tuple(size):
        return resize_alpha(alpha, size)
    # One after the other: those of a clip would take the memory of all its frames at once.
    made = [_enlarged(pipeline, one, scale, tile, progress) for one in alpha.split(1)]
    return torch.cat([resize_alpha(one, size) for one in made])


def _enlarged(
    pipeline: MMSREngine,
    alpha: Tensor,
    scale: int,
    tile: int | None,
    progress: ProgressCallback | None,
) -> Tensor:
    """One alpha `(1,1,h,w)`, `scale` times larger."""
    low, high = -F.max_pool2d(-alpha, 3, 1, 1), F.max_pool2d(alpha, 3, 1, 1)
    height, width = alpha.shape[-2:]
    out = resize_bicubic(alpha, (height * scale, width * scale))
    places = (high > low)[0, 0].nonzero()
    if len(places):
        starts = (places.amin(0) - _MARGIN_PX).clamp_min(0).tolist()
        stops = (places.amax(0) + 1 + _MARGIN_PX).tolist()
        rows, cols = (slice(a, b) for a, b in zip(starts, stops, strict=True))
        blur = min(_PIXEL_STD * scale, MAX_BLUR_SIGMA_PX)
        made = pipeline(
            alpha[..., rows, cols].expand(-1, 3, -1, -1),
            scale=scale,
            steps=0,
            blur_sigma_px=blur,
            overrides=_KNOWN,
            tile=tile,
            progress=progress,
        ).images[:, :1]
        top, left = (start * scale for start in starts)
        out[..., top : top + made.shape[-2], left : left + made.shape[-1]] = made
    low, high = (F.interpolate(bound, scale_factor=scale) for bound in (low, high))
    edge = high - low > _EDGE
    out = out.masked_fill(edge & (low == 0) & (out < _EXACT), 0.0)
    out = out.masked_fill(edge & (high == 1) & (out > 1 - _EXACT), 1.0)
    return torch.maximum(torch.minimum(out, high), low)
