"""Transparency, enlarged as its picture is: its edges stay smooth lines instead of stairs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ..image import resize_alpha, resize_bicubic
from ..types import MAX_BLUR_SIGMA_PX, Progress, ProgressCallback
from .context import LOW_SCALES
from .results import Overrides

if TYPE_CHECKING:
    from .engine import MMSREngine

_PIXEL_STD = math.sqrt(1 / 12)
"""Std of a square pixel, in pixels: all the blur that an alpha has. What is soft is meant to be."""
_EXACT, _EDGE = 1.5 / 255, 0.1
"""At edges with at least this contrast, what is nearer to opaque or clear than the first is so."""
_MARGIN_PX = 16
"""What is looked at around the places where an alpha changes."""
_TIME, _TIME_AT_LOW_SCALES = 0.35, 1.0
"""Time that an alpha takes, times that of a picture with the size of its window."""
_UNITS = 1000
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
        progress: told of all of them as one run; it may raise to end the work. `share_progress`
            makes one run of the picture's and this.

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
    made = [
        _enlarged(pipeline, one, scale, tile, _part(progress, index / len(alpha), 1 / len(alpha)))
        for index, one in enumerate(alpha.split(1))
    ]
    return torch.cat([resize_alpha(one, size) for one in made])


def share_progress(
    progress: ProgressCallback | None,
    alpha: Tensor | None,
    scale: int,
    size: tuple[int, int] | None = None,
) -> tuple[ProgressCallback | None, ProgressCallback | None]:
    """Callbacks for a picture's run and for `enlarge_alpha` after it, which count as one run.

    Args:
        progress: told of both.
        alpha: as `enlarge_alpha` takes it, and so the next two.
        scale: SR factor of both.
        size: (height, width) of the result.

    Returns:
        One for the picture, and one for its alpha; where that takes no time, the first is
        `progress` itself.
    """
    if alpha is None or alpha.ndim != 4 or scale == 1 or tuple(alpha.shape[-2:]) == size:
        return progress, progress
    windows = [window for one in alpha.split(1) if (window := _window(one)) is not None]
    pixels = sum((rows.stop - rows.start) * (cols.stop - cols.start) for rows, cols in windows)
    time = _TIME_AT_LOW_SCALES if scale <= LOW_SCALES else _TIME
    time *= pixels / max(1, alpha.numel())
    share = 1 / (1 + time)
    return _part(progress, 0, share), _part(progress, share, 1 - share)


def _part(progress: ProgressCallback | None, start: float, share: float) -> ProgressCallback | None:
    """A callback for a run that is a share of a longer one."""
    if progress is None or share == 1:
        return progress

    def show(event: Progress) -> None:
        done = start + share * event.done / event.total
        progress(replace(event, done=round(_UNITS * done), total=_UNITS))

    return show


def _window(alpha: Tensor) -> tuple[slice, slice] | None:
    """Rows and columns of an alpha `(1,1,h,w)` around all its edges; None where it has none."""
    low, high = _range_around(alpha)
    places = (high > low)[0, 0].nonzero()
    if not len(places):
        return None
    starts = (places.amin(0) - _MARGIN_PX).clamp_min(0).tolist()
    ends = torch.tensor(alpha.shape[-2:], device=places.device)
    stops = (places.amax(0) + 1 + _MARGIN_PX).minimum(ends).tolist()
    rows, cols = (slice(a, b) for a, b in zip(starts, stops, strict=True))
    return rows, cols


def _range_around(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest value among the neighbours of each place."""
    return -F.max_pool2d(-alpha, 3, 1, 1), F.max_pool2d(alpha, 3, 1, 1)


def _enlarged(
    pipeline: MMSREngine,
    alpha: Tensor,
    scale: int,
    tile: int | None,
    progress: ProgressCallback | None,
) -> Tensor:
    """One alpha `(1,1,h,w)`, `scale` times larger."""
    low, high = _range_around(alpha)
    height, width = alpha.shape[-2:]
    out = resize_bicubic(alpha, (height * scale, width * scale))
    window = _window(alpha)
    if window is not None:
        rows, cols = window
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
        top, left = rows.start * scale, cols.start * scale
        out[..., top : top + made.shape[-2], left : left + made.shape[-1]] = made
    low, high = (F.interpolate(bound, scale_factor=scale) for bound in (low, high))
    edge = high - low > _EDGE
    out = out.masked_fill(edge & (low == 0) & (out < _EXACT), 0.0)
    out = out.masked_fill(edge & (high == 1) & (out > 1 - _EXACT), 1.0)
    return torch.maximum(torch.minimum(out, high), low)
