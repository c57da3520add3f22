"""Blur kernels on the 21x21 window of an LR pixel.

Geometry: LR pixel `i` is centred on HR coordinate `s*i + (s-1)/2`. Its window is anchored at HR
pixel `s*i + (s-1)//2`, so for an even scale the centre lies half a pixel beyond the anchor and
every kernel here is evaluated with that shift.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..types import MAX_SCALE

KERNEL_SIZE = 21
"""Side of a kernel window in HR pixels."""
KERNEL_TAPS = KERNEL_SIZE * KERNEL_SIZE
KERNEL_RADIUS = KERNEL_SIZE // 2
_MIN_SIGMA_PX = 0.1  # narrower than this is a single pixel


def check_scale(scale: int) -> int:
    """Return `scale` if it is an integer in 1..16, raise `InputError` otherwise."""
    if isinstance(scale, bool) or not isinstance(scale, int) or not 1 <= scale <= MAX_SCALE:
        raise InputError(f"scale must be a whole number from 1 to {MAX_SCALE}, but is {scale!r}.")
    return scale


def centre_shift_px(scale: int) -> float:
    """Distance from a window's anchor pixel to the LR pixel's centre: 0.5 HR px for even scales."""
    return (scale - 1) / 2 - (scale - 1) // 2


def window_offsets_px(
    scale: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Offsets (x, y) of the window's pixels from the LR pixel's centre, in HR px, each `(441,)`."""
    line = torch.arange(-KERNEL_RADIUS, KERNEL_RADIUS + 1, device=device, dtype=dtype)
    line = line - centre_shift_px(scale)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x.reshape(-1), y.reshape(-1)


def normalise_kernels(kernels: Tensor, dim: int = 1) -> Tensor:
    """Divide by the sum over `dim`, so that every kernel sums to 1."""
    return kernels / kernels.sum(dim, keepdim=True)


def _axes(theta_rad: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Rotated offsets (u along the angle, v across it), each `(B,441,h,w)`."""
    x, y = window_offsets_px(scale, theta_rad.device, theta_rad.dtype)
    x, y = x.view(1, -1, 1, 1), y.view(1, -1, 1, 1)
    cos, sin = torch.cos(theta_rad).unsqueeze(1), torch.sin(theta_rad).unsqueeze(1)
    return cos * x + sin * y, cos * y - sin * x


def _check_map(name: str, value: Tensor) -> None:
    if value.ndim != 3:
        raise ShapeError(name, "(B,h,w)", value.shape)


def gaussian_kernels(
    sigma_u_px: Tensor, sigma_v_px: Tensor, theta_rad: Tensor, scale: int
) -> Tensor:
    """Anisotropic Gaussian kernels, one per LR pixel.

    `k ~ exp(-((u/sigma_u)^2 + (v/sigma_v)^2) / 2)` with `u = x cos + y sin`, `v = y cos - x sin`.

    Args:
        sigma_u_px: `(B,h,w)` standard deviation along the angle, HR px, above 0. (The ranges that
            MANet publishes are variances.)
        sigma_v_px: `(B,h,w)` standard deviation across the angle, HR px, above 0.
        theta_rad: `(B,h,w)` angle in radians, from x towards y (downwards).
        scale: SR factor, 1..16.

    Returns:
        `(B,441,h,w)`, non-negative, summing to 1 over dimension 1.
    """
    check_scale(scale)
    _check_map("sigma_u_px", sigma_u_px)
    x, y = window_offsets_px(scale, theta_rad.device, theta_rad.dtype)
    powers = torch.stack((x * x, x * y, y * y), 1)
    cos, sin = torch.cos(theta_rad), torch.sin(theta_rad)
    iu, iv = sigma_u_px.clamp_min(_MIN_SIGMA_PX) ** -2, sigma_v_px.clamp_min(_MIN_SIGMA_PX) ** -2
    form = torch.stack(
        (
            cos * cos * iu + sin * sin * iv,
            2 * cos * sin * (iu - iv),
            sin * sin * iu + cos * cos * iv,
        ),
        1,
    )  # the exponent as a quadratic form: one small matrix product for all LR pixels
    b, _, h, w = form.shape
    values = torch.matmul(powers * -0.5, form.reshape(b, 3, h * w)).exp().view(b, -1, h, w)
    return normalise_kernels(values)


def motion_kernels(
    length_px: Tensor, theta_rad: Tensor, scale: int, width_px: float | Tensor = 0.6
) -> Tensor:
    """Straight motion: a segment of `length_px` convolved with a Gaussian of std `width_px`.

    Args:
        length_px: `(B,h,w)` length in HR px, 0 or more (0 is the Gaussian alone).
        theta_rad: `(B,h,w)` direction in radians.
        scale: SR factor.
        width_px: standard deviation of the line's profile, HR px: a number or `(B,h,w)`.

    Returns:
        `(B,441,h,w)`, non-negative, summing to 1.
    """
    check_scale(scale)
    _check_map("length_px", length_px)
    u, v = _axes(theta_rad, scale)
    width = torch.as_tensor(width_px, dtype=u.dtype, device=u.device)
    width = width.unsqueeze(1) if width.ndim == 3 else width
    half = 0.5 * length_px.unsqueeze(1).clamp_min(1e-3)
    root = math.sqrt(2.0)
    along = torch.erf((u + half) / (root * width)) - torch.erf((u - half) / (root * width))
    return normalise_kernels(along.clamp_min(0) * torch.exp(-0.5 * (v / width) ** 2) + 1e-12)


def disk_kernels(radius_px: Tensor, scale: int) -> Tensor:
    """Defocus: a disk with an edge antialiased over one pixel.

    Args:
        radius_px: `(B,h,w)` radius of the circle of confusion in HR px, 0 or more.
        scale: SR factor.

    Returns:
        `(B,441,h,w)`, non-negative, summing to 1.
    """
    check_scale(scale)
    _check_map("radius_px", radius_px)
    x, y = window_offsets_px(scale, radius_px.device, radius_px.dtype)
    distance = torch.sqrt(x * x + y * y).view(1, -1, 1, 1)
    edge = centre_shift_px(scale) * math.sqrt(2.0) + 0.01  # never an empty kernel
    return normalise_kernels((radius_px.clamp_min(edge).unsqueeze(1) + 0.5 - distance).clamp(0, 1))


def resize_line(scale: int, a: float, blur_sigma_px: float, radius: int = KERNEL_RADIUS) -> Tensor:
    """One axis of `resize_kernel` on a window of `2 radius + 1` HR px: float64, sums to 1."""
    check_scale(scale)
    fine = 8  # sub-samples per pixel of the continuous filter
    half = radius + 3
    axis = torch.arange(-half * fine, half * fine + 1, dtype=torch.float64) / fine
    distance = (axis / scale).abs()
    if a == 0:
        weights = ((distance < 0.5).double() + (distance <= 0.5).double()) / 2
    else:
        near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
        far = a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
        weights = torch.where(distance <= 1, near, torch.where(distance < 2, far, 0.0))
    shift = round(centre_shift_px(scale) * fine)
    at = torch.arange(-radius, radius + 1) * fine - shift + half * fine
    line = weights[at]
    if blur_sigma_px > 0:
        offsets = torch.arange(-half, half + 1, dtype=torch.float64)
        gauss = torch.exp(-0.5 * (offsets / blur_sigma_px) ** 2)
        gauss = gauss / gauss.sum()
        reach = torch.arange(-2 * half, 2 * half + 1)
        index = (reach * fine - shift + half * fine).clamp(0, len(weights) - 1)
        padded = weights[index] * ((reach * fine - shift).abs() <= half * fine)
        line = torch.nn.functional.conv1d(padded[None, None], gauss[None, None])[0, 0]
        centre = len(line) // 2
        line = line[centre - radius : centre + radius + 1]
    return line / line.sum()


def resize_kernel(
    scale: int, a: float = -0.5, blur_sigma_px: float = 0.0, device: torch.device | None = None
) -> Tensor:
    """Antialiased bicubic downscaling, after an isotropic Gaussian blur, as one kernel.

    Exact up to scale 5 without blur; what is wider is cut by the window (`degrade_separably`).

    Args:
        scale: SR factor.
        a: the cubic's parameter: -0.5 (Pillow, torch with antialias) or -0.75 (OpenCV); `0` gives
            the box filter (area).
        blur_sigma_px: standard deviation of a Gaussian applied before, HR px.
        device: where to put it.

    Returns:
        `(441,)`, sums to 1; a cubic has negative lobes.
    """
    line = resize_line(scale, a, blur_sigma_px)
    return (line[:, None] * line[None, :]).reshape(-1).float().to(device)


def isotropic_gaussian(
    blur_sigma_px: float, scale: int, device: torch.device | None = None
) -> Tensor:
    """One isotropic Gaussian kernel `(441,)` of standard deviation `blur_sigma_px` HR px."""
    if not (math.isfinite(blur_sigma_px) and blur_sigma_px > 0):
        raise InputError(f"blur_sigma_px must be a number above 0, but is {blur_sigma_px!r}.")
    one = torch.full((1, 1, 1), float(blur_sigma_px), device=device)
    return gaussian_kernels(one, one, torch.zeros_like(one), scale).reshape(-1)
