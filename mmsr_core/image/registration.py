"""Where one picture lies on another: whole and parts of pixels.

In torch, not OpenCV: in ComfyUI nothing else has to be installed.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .luma import luminance
from .smoothing import smooth

LARGEST_SHIFT_PX = 16
"""Shifts are looked for up to this far."""
SENSOR_SHIFT_PX = 24
"""The same between two sensors, px of the picture at most `SENSOR_SIDE` long."""
SENSOR_SIDE = 512
_SENSOR_SURENESS = 1.3
"""Two sensors lie apart where edges fit this much better elsewhere than in place. This is said
of 5 % of 37 pairs of RoadScene (some are off by a few pixels), of 46 % shifted by 4 px, of 95 % by
8, and of all by 16."""
_SENSOR_LIKENESS = 0.1
_CERTAIN_LIKENESS, _CERTAIN_SURENESS, _CERTAIN_LEAD = 0.25, 1.5, 1.2
"""It is certain where they fit so well, so much better than in place, and than anywhere further
than `_PEAK_PX` away. Of 60 pairs of visible and infrared pictures, whole and a third as large, that
is none as they are and none with another scene's picture; of those shifted by 5 and 8 px 67 of 117,
and 66 of these are found to 2 px."""
_PEAK_PX = 3
_EDGE_SMOOTHING_PX, _EDGE_WINDOW_PX = 1.5, 12.0
_SMOOTHING_PX = 2.0  # std; what two upscalers draw differently does not count
_LEAST_SHIFT_PX = 0.1
_REFINEMENTS = 5


class SensorShift(NamedTuple):
    """By how much one sensor's picture lies off another's, px."""

    down: int
    right: int
    certain: bool
    """Whether it may be moved by that without a look at it."""


def register(moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
    """Moves a picture onto another of the same size; whole pictures, no rotation.

    Phase correlation finds the whole pixels (Kuglin & Hines 1975), least squares on the gradients
    the parts of them (Lucas & Kanade 1981). A shift that brings the pictures no closer, or one of
    less than a tenth of a pixel, is left.

    Args:
        moving: `(B,3,H,W)`.
        fixed: `(B,3,H,W)`.

    Returns:
        The moved picture, and by how much it lay below and to the right, `(B,2)` px.
    """
    smoothed = [smooth(luminance(picture), _SMOOTHING_PX) for picture in (moving, fixed)]
    shift = torch.stack(
        [
            _found_shift(one[None], other[None])
            for one, other in zip(*(s.cpu().double() for s in smoothed), strict=True)
        ]
    )
    return _moved(moving, shift.to(moving)), shift.to(moving)


def sensor_shift(moving: Tensor, fixed: Tensor) -> SensorShift | None:
    """By how much one sensor's picture seems to lie below and to the right of another's.

    What is bright for one sensor may be dark for the other: so the places of edges are compared,
    by normalised cross-correlation.

    Args:
        moving: `(1,3,H,W)`.
        fixed: `(1,3,H,W)` of the same size.

    Returns:
        It, or None where they lie on each other, or nothing is found.
    """
    shrink = max(1.0, max(fixed.shape[-2:]) / SENSOR_SIDE)
    size = [round(side / shrink) for side in fixed.shape[-2:]]
    if min(size) < 3 * SENSOR_SHIFT_PX:
        return None
    one, other = (
        _edges(F.interpolate(picture.cpu().float(), size, mode="area"))
        for picture in (moving, fixed)
    )
    scores = _correlation(one, other)
    middle = SENSOR_SHIFT_PX
    here = float(scores[middle - 1 : middle + 2, middle - 1 : middle + 2].max())
    best, place = float(scores.max()), int(scores.argmax())
    down, right = place // scores.shape[1] - middle, place % scores.shape[1] - middle
    apart = max(abs(down), abs(right)) > 1
    if not apart or best < _SENSOR_LIKENESS or best < _SENSOR_SURENESS * max(here, 0.01):
        return None
    return SensorShift(
        round(down * shrink), round(right * shrink), _is_certain(scores, best, here, (down, right))
    )


def _is_certain(scores: Tensor, best: float, here: float, shift: tuple[int, int]) -> bool:
    """Whether the highest of all correlations stands alone, and not at the edge of the search."""
    if max(map(abs, shift)) >= SENSOR_SHIFT_PX:
        return False
    others = scores.clone()
    rows, cols = (
        slice(max(0, place - _PEAK_PX), place + _PEAK_PX + 1)
        for place in (value + SENSOR_SHIFT_PX for value in shift)
    )
    others[rows, cols] = -1
    surely = max(_CERTAIN_SURENESS * here, _CERTAIN_LEAD * float(others.max()))
    return best >= max(_CERTAIN_LIKENESS, surely)


def moved_back(picture: Tensor, down: float, right: float) -> Tensor:
    """A picture `(B,C,H,W)`, moved up by `down` px and to the left by `right`.

    What comes in at the edges repeats the outermost pixels.
    """
    shift = picture.new_tensor([[down, right]]).expand(picture.shape[0], -1)
    return _moved(picture, shift)


def _edges(picture: Tensor) -> Tensor:
    """How steep a picture is for its surroundings: `(1,3,H,W)` to `(H-2,W-2)` float64."""
    plane = smooth(luminance(picture), _EDGE_SMOOTHING_PX)
    down = plane[..., 2:, 1:-1] - plane[..., :-2, 1:-1]
    right = plane[..., 1:-1, 2:] - plane[..., 1:-1, :-2]
    steep = (down.square() + right.square()).sqrt()
    usual = smooth(steep, _EDGE_WINDOW_PX) + 0.5 * steep.mean() + 1e-6
    return (steep / usual).clamp(max=4)[0, 0].double()


def _correlation(moving: Tensor, fixed: Tensor) -> Tensor:
    """Normalised cross-correlation at shifts of up to `SENSOR_SHIFT_PX`; no shift in the middle."""
    rows, cols = moving.shape
    taper = torch.hann_window(rows).double()[:, None] * torch.hann_window(cols).double()
    one, other = ((p - p.mean()) * taper for p in (moving, fixed))
    energy = (one.square().sum() * other.square().sum()).sqrt().clamp_min(1e-12)
    cross = torch.fft.ifft2(torch.fft.fft2(one) * torch.fft.fft2(other).conj()).real / energy
    reach = SENSOR_SHIFT_PX
    return torch.fft.fftshift(cross)[
        rows // 2 - reach : rows // 2 + reach + 1, cols // 2 - reach : cols // 2 + reach + 1
    ]


def _found_shift(moving: Tensor, fixed: Tensor) -> Tensor:
    """`(1,1,H,W)` twice to `(2,)`: down and right."""
    none = moving.new_zeros(2)
    if min(moving.shape[-2:]) < 16 or min(float(moving.std()), float(fixed.std())) < 1e-3:
        return none
    start = _whole_shift(moving, fixed)
    candidates = [_refined(moving, fixed, guess) for guess in (start, none)]

    def error(shift: Tensor) -> float:
        rows, cols = (LARGEST_SHIFT_PX if side > 4 * LARGEST_SHIFT_PX else 2
                      for side in moving.shape[-2:])  # fmt: skip
        difference = _moved(moving, shift[None]) - fixed
        return float(difference[..., rows:-rows, cols:-cols].square().mean())

    best = min(candidates, key=error)
    if float(best.norm()) < _LEAST_SHIFT_PX or error(best) >= 0.98 * error(none):
        return none
    return best


def _whole_shift(moving: Tensor, fixed: Tensor) -> Tensor:
    rows, cols = moving.shape[-2:]
    taper = torch.hann_window(rows).double()[:, None] * torch.hann_window(cols).double()
    one, other = (torch.fft.fft2((p - p.mean())[0, 0] * taper) for p in (moving, fixed))
    cross = one * other.conj()
    peak = torch.fft.ifft2(cross / cross.abs().clamp_min(1e-12)).real
    reach = [min(LARGEST_SHIFT_PX, side // 4) for side in (rows, cols)]
    near = torch.fft.fftshift(peak)[
        rows // 2 - reach[0] : rows // 2 + reach[0] + 1,
        cols // 2 - reach[1] : cols // 2 + reach[1] + 1,
    ]
    place = int(near.argmax())
    return moving.new_tensor([place // near.shape[1] - reach[0], place % near.shape[1] - reach[1]])


def _refined(moving: Tensor, fixed: Tensor, shift: Tensor) -> Tensor:
    down, right = (
        (fixed.roll(-1, axis) - fixed.roll(1, axis)) / 2 for axis in (-2, -1)
    )  # the outermost pixels are wrong, and left out
    margin = min(int(shift.abs().max()) + 3, min(fixed.shape[-2:]) // 4)
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    slopes = torch.stack((down[inner].flatten(), right[inner].flatten()))
    normal = slopes @ slopes.T + 1e-9 * torch.eye(2, dtype=slopes.dtype)
    for _ in range(_REFINEMENTS):
        rest = (_moved(moving, shift[None]) - fixed)[inner].flatten()
        shift = shift - torch.linalg.solve(normal, slopes @ rest)
        shift = shift.clamp(-LARGEST_SHIFT_PX - 1, LARGEST_SHIFT_PX + 1)
    return shift


def _moved(picture: Tensor, shift: Tensor) -> Tensor:
    """Takes `shift (B,2)` back: the picture is moved up and to the left by it."""
    if not bool(shift.any()):
        return picture
    rows, cols = picture.shape[-2:]
    y = torch.arange(rows, device=picture.device, dtype=picture.dtype)
    x = torch.arange(cols, device=picture.device, dtype=picture.dtype)
    down = (2 * (y + shift[:, :1]) + 1) / rows - 1
    right = (2 * (x + shift[:, 1:]) + 1) / cols - 1
    size = (len(shift), rows, cols)
    grid = torch.stack((right[:, None, :].expand(size), down[:, :, None].expand(size)), -1)
    on = "cpu" if picture.device.type == "mps" else picture.device  # MPS samples bilinearly only
    moved = F.grid_sample(
        picture.to(on), grid.to(on), mode="bicubic", padding_mode="border", align_corners=False
    )
    return moved.to(picture.device)
