"""Whether a prior shows what the input shows: found cheaply, before the long run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..image import luminance, resize_bicubic, smooth

_OTHER_LIKENESS, _SURELY_OTHER = 0.5, 0.3
"""Correlation of input and prior, of detail between `_FINE_STD_PX` and `_COARSE_STD_PX`, below
which they seem to show different things, and surely do. Of one picture it is .98 to 1, with noise
50 of 255 still .9, of different ones .2 at most (24 Kodak pictures)."""
_CROP_LIKENESS, _CROP_GAIN = 0.8, 0.1
"""From which likeness on a part of the input is taken for what the prior shows, and how much more
than that of the whole it must be."""
_CHECK_SIDE, _LEAST_SIDE = 192, 24
_FINE_STD_PX, _COARSE_STD_PX = 1.5, 8.0
_FLAT, _NOTHING = 1 / 255, 3 / 255
"""Rms of such detail below which a picture shows nothing, and from which on another one differs."""
_CROPS = tuple(0.98 - 0.02 * step for step in range(20))
"""Shares of the input's sides that a cropped prior is looked for with."""


def shows_another(lr: Tensor, prior: Tensor) -> bool:
    """Whether a prior surely shows another picture than the input, or a part of it.

    Args:
        lr: `(1,3,h,w)`, 0..1.
        prior: `(1,3,ph,pw)`, 0..1.
    """
    size = _compared_size(lr)
    if not _can_be_compared(size):
        return False
    small, other = _shrunk(lr, size), _shrunk(prior, size)
    place = _likeness(small, other)
    if place is None:  # one of them shows nothing
        return float((small - other).square().mean().sqrt()) > _NOTHING
    return place.score < _SURELY_OTHER


def complaint_of_prior(lr: Tensor, prior: Tensor) -> str:
    """Why a prior seems not to show what the input shows; empty where it does.

    Cheap: both are compared at most `_CHECK_SIDE` px large, without noise and brightness: a colour
    cast or another exposure do not count.

    Args:
        lr: `(1,3,h,w)`, 0..1.
        prior: `(1,3,ph,pw)`, 0..1.
    """
    height, width = _compared_size(lr)
    if not _can_be_compared((height, width)):
        return ""
    small, other = _shrunk(lr, (height, width)), _shrunk(prior, (height, width))
    plain = _likeness(small, other)
    if plain is None and float((small - other).square().mean().sqrt()) > _NOTHING:
        empty = "prior" if _is_flat(other) else "input"
        return (
            f"the {empty} shows nothing, unlike the other picture. {_consequence(0)}; look whether "
            "the right file was given."
        )
    if plain is None:
        return ""
    found = []
    for share in _CROPS:
        size = (round(share * height), round(share * width))
        if min(size) >= _LEAST_SIDE:
            place = _likeness(small, _shrunk(prior, size))
            found += [] if place is None else [(place.score, size, place)]
    best = max(found, key=lambda one: one[0], default=None)
    least = max(_CROP_LIKENESS, plain.score + _CROP_GAIN)
    if best is not None and best[0] >= least:
        (rows, cols), place = best[1], best[2]
        down, right = place.down / height, place.right / width
        return (
            f"the prior seems to be cropped: it shows {cols / width:.0%} of the input's width and "
            f"{rows / height:.0%} of its height, from {right:.0%} of the width and {down:.0%} of "
            f"the height on. {_consequence(plain.score)}; give the whole picture, or crop the "
            "input alike."
        )
    if plain.score >= _OTHER_LIKENESS:
        return ""
    return (
        f"the prior seems to show another picture than the input. {_consequence(plain.score)}; "
        "look whether the right file was given."
    )


def _consequence(score: float) -> str:
    if score < _SURELY_OTHER:
        return "It is left out, unless trust is 1"
    return "It is followed less where it does not fit"


def _compared_size(lr: Tensor) -> tuple[int, int]:
    """(height, width) at which an input and a prior are compared."""
    shrink = _CHECK_SIDE / max(lr.shape[-2:])
    shrink = min(1.0, max(shrink, _LEAST_SIDE / min(lr.shape[-2:])))
    height, width = (max(1, round(side * shrink)) for side in lr.shape[-2:])
    return height, width


def _can_be_compared(size: tuple[int, int]) -> bool:
    return min(size) >= _LEAST_SIDE // 2 and size[0] * size[1] >= _LEAST_SIDE**2


@dataclass(frozen=True)
class _Place:
    """Where a picture fits best into another one."""

    score: float
    """Correlation, -1..1."""
    down: int
    right: int


def _shrunk(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """`(H,W)` float64: the luminance at a size, without its finest detail and its brightness."""
    plane = luminance(resize_bicubic(picture[:1].cpu().float(), size))
    return (smooth(plane, _FINE_STD_PX) - smooth(plane, _COARSE_STD_PX))[0, 0].double()


def _is_flat(plane: Tensor) -> bool:
    return float(plane.square().mean()) < _FLAT**2


def _likeness(whole: Tensor, part: Tensor) -> _Place | None:
    """Where `part` correlates best with `whole`, up to a slight shift if of one size.

    None where either shows nothing.
    """
    rows, cols = part.shape
    reach = [
        max(2, side // 16) if own == side else 0
        for own, side in zip(part.shape, whole.shape, strict=True)
    ]
    room = F.pad(whole, (reach[1], reach[1], reach[0], reach[0]))
    ones = torch.ones_like(part)
    size = [a + b - 1 for a, b in zip(room.shape, part.shape, strict=True)]

    def correlated(one: Tensor, other: Tensor) -> Tensor:
        made = torch.fft.irfft2(
            torch.fft.rfft2(one, size) * torch.fft.rfft2(other.flip(0, 1), size), size
        )
        return made[rows - 1 : room.shape[0], cols - 1 : room.shape[1]]

    energy = correlated(room.square(), ones).clamp_min(0)
    own = float(part.square().sum())
    least = rows * cols * _FLAT**2
    if _is_flat(part) or float(energy.max()) < least:
        return None
    scores = correlated(room, part) / (energy * own).clamp_min(least**2).sqrt()
    place = int(scores.argmax())
    return _Place(
        float(scores.max()), place // scores.shape[1] - reach[0], place % scores.shape[1] - reach[1]
    )
