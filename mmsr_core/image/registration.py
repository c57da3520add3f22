"""Where one picture lies on another: whole and parts of pixels.

In torch, not OpenCV: in ComfyUI nothing else has to be installed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .luma import luminance
from .smoothing import smooth

LARGEST_SHIFT_PX = 16
"""Shifts are looked for up to this far."""
_SMOOTHING_PX = 2.0  # std; what two upscalers draw differently does not count
_LEAST_SHIFT_PX = 0.1
_REFINEMENTS = 5


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
