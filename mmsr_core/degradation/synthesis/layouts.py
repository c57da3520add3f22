"""Made-up degradations for test pictures: blur laid out over a picture, and the whole damage."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from ...errors import InputError, ShapeError
from ...types import MAX_BLUR_SIGMA_PX
from ..field import KernelField
from ..jpeg import jpeg
from ..kernels import KERNEL_TAPS, check_scale, disk_kernels, gaussian_kernels, motion_kernels
from ..noise import add_gaussian_noise
from ..sharpening import Sharpening, sharpen

BlurShape = Literal["gaussian", "defocus", "motion"]
BLUR_SHAPES: tuple[BlurShape, ...] = ("gaussian", "defocus", "motion")
BlurLayout = Literal["even", "left to right", "top to bottom", "centre to edge"]
BLUR_LAYOUTS: tuple[BlurLayout, ...] = ("even", "left to right", "top to bottom", "centre to edge")
_STRIP = 64  # rows of kernels made at a time


def layout_map(layout: BlurLayout, height: int, width: int) -> Tensor:
    """`(1,height,width)` in 0..1: 0 where a layout begins and 1 where it ends."""
    if layout not in BLUR_LAYOUTS:
        raise InputError(f"layout must be one of {', '.join(BLUR_LAYOUTS)}, not {layout!r}.")
    y = ((torch.arange(height) + 0.5) / height).view(-1, 1).expand(height, width)
    x = ((torch.arange(width) + 0.5) / width).view(1, -1).expand(height, width)
    if layout == "even":
        return torch.zeros(1, height, width)
    if layout == "left to right":
        return x[None].clone()
    if layout == "top to bottom":
        return y[None].clone()
    return (torch.hypot(2 * x - 1, 2 * y - 1) / math.sqrt(2)).clamp(0, 1)[None]


def blur_field(
    blur_sigma_px: Tensor, scale: int, shape: BlurShape = "gaussian", angle_rad: float = 0.0
) -> KernelField:
    """A field of one family of kernels with a width for each LR pixel.

    Args:
        blur_sigma_px: `(B,h,w)` standard deviation in HR px, above 0, up to 4.5. A disk of radius r
            has r / 2; of a motion of length l it is l / sqrt(12) along the angle.
        scale: SR factor, 1..16.
        shape: "gaussian" (round), "defocus" (disk) or "motion" (straight, along `angle_rad`).
        angle_rad: direction of the motion, from x towards y (downwards).

    Raises:
        ShapeError: the map is not `(B,h,w)`.
        InputError: unknown shape, or a width out of range.
    """
    check_scale(scale)
    if blur_sigma_px.ndim != 3 or 0 in blur_sigma_px.shape:
        raise ShapeError("blur_sigma_px", "(B,h,w)", tuple(blur_sigma_px.shape))
    if shape not in BLUR_SHAPES:
        raise InputError(f"shape must be one of {', '.join(BLUR_SHAPES)}, not {shape!r}.")
    low, high = float(blur_sigma_px.min()), float(blur_sigma_px.max())
    if not 0 < low <= high <= MAX_BLUR_SIGMA_PX + 1e-4:
        raise InputError(
            f"blur_sigma_px must be above 0 and at most {MAX_BLUR_SIGMA_PX}, but goes from "
            f"{low:.3g} to {high:.3g}."
        )
    b, h, w = blur_sigma_px.shape
    out = torch.empty((b, KERNEL_TAPS, h, w), dtype=torch.float16, device=blur_sigma_px.device)
    for top in range(0, h, _STRIP):
        sigma = blur_sigma_px[:, top : top + _STRIP].float()
        turn = torch.full_like(sigma, angle_rad)
        if shape == "gaussian":
            made = gaussian_kernels(sigma, sigma, torch.zeros_like(sigma), scale)
        elif shape == "defocus":
            made = disk_kernels(2 * sigma, scale)
        else:
            made = motion_kernels(math.sqrt(12) * sigma, turn, scale)
        out[:, :, top : top + _STRIP] = made.half()
    return KernelField(out, scale, None, checked=True)


def add_damage(
    lr: Tensor,
    noise_std: float = 0.0,
    jpeg_quality: float | None = None,
    seed: int = 0,
    sharpening: Sharpening | None = None,
) -> Tensor:
    """Noise, then sharpening, then JPEG, as in a camera, then clamping to 0..1.

    Args:
        lr: `(B,3,h,w)`, 0..1.
        noise_std: standard deviation of white Gaussian noise, 0..1 units.
        jpeg_quality: 1..100; None leaves JPEG out.
        seed: seed of the noise, drawn on the CPU: the same on every device.
        sharpening: it raises the noise, too; None for none.
    """
    if noise_std > 0:
        lr = add_gaussian_noise(lr, noise_std, torch.Generator().manual_seed(seed))
    if sharpening:
        lr = sharpen(lr.clamp(0, 1), sharpening)
    lr = lr.clamp(0, 1)
    return lr if jpeg_quality is None else jpeg(lr, jpeg_quality).clamp(0, 1)
