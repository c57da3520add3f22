"""PSNR and SSIM as the super-resolution literature reports them."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, ShapeError
from ..image.luma import STUDIO_LUMA_WEIGHTS
from ..precision import as_float64

Channel = Literal["y", "rgb"]

_Y_OFFSET = 16 / 255
_SSIM_WINDOW = 11
_SSIM_STD_PX = 1.5
_C1 = 0.01**2
_C2 = 0.03**2


def rgb_to_y(image: Tensor) -> Tensor:
    """BT.601 studio-range luma, as MATLAB's `rgb2ycbcr` gives it.

    Args:
        image: `(B,3,H,W)` float, sRGB in 0..1.

    Returns:
        `(B,1,H,W)`, 16/255 for black and 235/255 for white; not rounded.
    """
    if image.ndim != 4 or image.shape[1] != 3:
        raise ShapeError("image", "(B,3,H,W)", tuple(image.shape))
    weights = image.new_tensor(STUDIO_LUMA_WEIGHTS).view(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True) + _Y_OFFSET


def round_to_uint8(image: Tensor) -> Tensor:
    """The picture as an 8-bit file would hold it: clamped to 0..1 and rounded to 1/255."""
    return image.clamp(0, 1).mul(255).round().div(255)


def psnr(
    a: Tensor, b: Tensor, *, channel: Channel = "y", crop: int = 0, rounded: bool = True
) -> Tensor:
    """Peak signal-to-noise ratio with peak 1 (255 in 8 bit).

    Args:
        a: `(B,3,H,W)` float, sRGB in 0..1.
        b: The same shape as `a`. The order of the two does not matter.
        channel: `y` for BT.601 luma (studio range, not rounded again), `rgb` for all three
            channels at once.
        crop: Pixels left out along each side (usually the scale).
        rounded: Round both pictures to 8 bit first.

    Returns:
        `(B,)` float64, dB; infinite for equal pictures.
    """
    first, second = _prepare(a, b, channel, crop, rounded)
    mse = (first - second).square().flatten(1).mean(dim=1)
    return -10 * torch.log10(mse)


def ssim(
    a: Tensor, b: Tensor, *, channel: Channel = "y", crop: int = 0, rounded: bool = True
) -> Tensor:
    """Structural similarity (Wang et al. 2004): Gaussian 11x11 window, std 1.5 px, valid region.

    Args:
        a: `(B,3,H,W)` float, sRGB in 0..1.
        b: The same shape as `a`.
        channel: `y` for BT.601 luma, `rgb` for the mean over the three channels.
        crop: Pixels left out along each side.
        rounded: Round both pictures to 8 bit first.

    Returns:
        `(B,)` float64, at most 1.
    """
    first, second = _prepare(a, b, channel, crop, rounded)
    if min(first.shape[-2:]) < _SSIM_WINDOW:
        raise InputError(
            f"ssim needs at least {_SSIM_WINDOW} pixels along each side after cropping, but got "
            f"{first.shape[-1]}x{first.shape[-2]}. Use a larger picture or a smaller crop."
        )
    mean_a, mean_b = _window(first), _window(second)
    var_a = _window(first * first) - mean_a * mean_a
    var_b = _window(second * second) - mean_b * mean_b
    covariance = _window(first * second) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a * mean_a + mean_b * mean_b + _C1)
    structure = (2 * covariance + _C2) / (var_a + var_b + _C2)
    return (luminance * structure).flatten(1).mean(dim=1)


def _window(planes: Tensor) -> Tensor:
    """Separable Gaussian mean over the valid region: `(B,C,H,W)` -> `(B,C,H-10,W-10)`."""
    offsets = torch.arange(_SSIM_WINDOW, dtype=planes.dtype, device=planes.device)
    offsets = offsets - _SSIM_WINDOW // 2
    taps = torch.exp(-0.5 * (offsets / _SSIM_STD_PX).square())
    taps = taps / taps.sum()
    batch, channels, height, width = planes.shape
    flat = planes.reshape(batch * channels, 1, height, width)
    flat = F.conv2d(F.conv2d(flat, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
    return flat.reshape(batch, channels, *flat.shape[-2:])


def _prepare(
    a: Tensor, b: Tensor, channel: Channel, crop: int, rounded: bool
) -> tuple[Tensor, Tensor]:
    """Check the pair, then round, crop and convert it to float64 planes."""
    for name, value in (("a", a), ("b", b)):
        if value.ndim != 4 or value.shape[1] != 3:
            raise ShapeError(name, "(B,3,H,W)", tuple(value.shape))
    if a.shape != b.shape:
        raise ShapeError("b", f"{tuple(a.shape)}, the shape of a", tuple(b.shape))
    if channel not in ("y", "rgb"):
        raise InputError(f"channel must be 'y' or 'rgb', but is {channel!r}.")
    if crop < 0 or 2 * crop >= min(a.shape[-2:]):
        raise InputError(
            f"crop must be at least 0 and leave some of the {a.shape[-1]}x{a.shape[-2]} picture, "
            f"but is {crop}."
        )
    planes: list[Tensor] = []
    for value in (a, b):
        plane = as_float64(value)
        if rounded:
            plane = round_to_uint8(plane)
        if crop:
            plane = plane[..., crop:-crop, crop:-crop]
        planes.append(rgb_to_y(plane) if channel == "y" else plane)
    return planes[0], planes[1]
