"""The blur of a thin lens: its circle of confusion, and the kernels that follow from the depth.

A point at distance z, seen by a lens of radius A that is focused on distance f, lights a disc. In
the plane in focus its radius is A |z - f| / z, by similar triangles (Potmesil and Chakravarty, A
lens and aperture camera model for synthetic image generation, 1981). A picture of W pixels with
field of view w has W / (2 tan(w / 2)) pixels for a slope of 1, so there the radius is
A |1/f - 1/z| W / (2 tan(w / 2)) px. Along an axis the standard deviation of a disc is half of its
radius.

These kernels know nothing of occlusion: a pixel gathers with the disc of its own depth, across
edges of depth as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mmsr_core.degradation import KERNEL_RADIUS, KERNEL_SIZE, KernelField, gaussian_kernels
from mmsr_core.errors import InputError

LARGEST_RADIUS_PX = 7.5
"""Wider discs are cut to this radius: with the area of the pixel a kernel holds no more."""
_FINE = 16  # sub-samples of a pixel along an axis, for the area of a disc in each pixel
_STEP_PX = 0.02  # between the radii of the table
_FIT_PLACES = 5_000  # of a picture to which a lens is fitted
_BAND = 20_000  # kernels made at a time


@dataclass(frozen=True)
class ThinLens:
    """A lens before a picture."""

    aperture_m: float
    """Radius of the lens in metres, 0 or more; 0 is a pinhole."""
    focus_m: float
    """Distance in focus along the optical axis, metres, above 0."""
    fov_deg: float
    """Field of view of the longer side, degrees."""
    longer_px: int
    """Pixels of the longer side."""

    def __post_init__(self) -> None:
        if not (self.aperture_m >= 0 and self.focus_m > 0 and 0 < self.fov_deg < 180):
            raise InputError(
                "A lens needs aperture_m of 0 or more, focus_m above 0 and fov_deg between 0 and "
                f"180, but they are {self.aperture_m!r}, {self.focus_m!r} and {self.fov_deg!r}."
            )

    @property
    def radius_px_by_inverse_m(self) -> float:
        """Radius of the disc, px, for a difference of 1/m between inverse depths."""
        return self.aperture_m * self.longer_px / (2 * math.tan(math.radians(self.fov_deg) / 2))

    def radius_px(self, inverse_depth: Tensor) -> Tensor:
        """Radius of the circle of confusion.

        Args:
            inverse_depth: any shape, 1/m, 0 for what is infinitely far.

        Returns:
            The same shape, px of the picture, 0 or more.
        """
        return (inverse_depth - 1 / self.focus_m).abs() * self.radius_px_by_inverse_m


def pixel_std_px(scale: int) -> float:
    """Std along an axis of the mean over `scale x scale` pixels, HR px: 1.118 at scale 4."""
    return math.sqrt((scale * scale - 1) / 12)


def blur_std_px(radius_px: Tensor, scale: int) -> Tensor:
    """Std along an axis of a disc together with the area of an LR pixel, HR px; any shape."""
    return (radius_px.square() / 4 + (scale * scale - 1) / 12).sqrt()


def at_lr(radius_px: Tensor, scale: int) -> Tensor:
    """Radii `(1,1,H,W)` of HR pixels to those of LR pixels `(1,1,h,w)`: root of the mean square."""
    return F.avg_pool2d(radius_px.square(), scale).sqrt()


def fitted_radius_px(width_px: Tensor, inverse_depth: Tensor, scale: int) -> Tensor:
    """Radii that follow depth as those of a lens do, closest to measured widths of the blur.

    The radius is `b |d - a|` of an inverse depth d on any scale: a lens has one distance in focus a
    and one strength b for the whole picture. Of a grid of both the pair is taken whose widths
    have the least mean absolute error.

    Args:
        width_px: `(h,w)`: measured std of the blur with the area of the LR pixel, HR px.
        inverse_depth: `(1,1,h,w)` in 0..1.
        scale: SR factor.

    Returns:
        `(1,1,h,w)`, HR px, at most `LARGEST_RADIUS_PX`.
    """
    every = max(1, round(math.sqrt(width_px.numel() / _FIT_PLACES)))
    wanted = width_px[::every, ::every].flatten()
    depth = inverse_depth[0, 0, ::every, ::every].flatten()
    strengths = torch.linspace(0, 2 * LARGEST_RADIUS_PX, 61)[:, None]
    best, found = math.inf, (0.0, 0.0)
    for focus in torch.linspace(-0.1, 1.1, 61).tolist():
        radius = (strengths * (depth - focus).abs()).clamp_max(LARGEST_RADIUS_PX)
        errors = (blur_std_px(radius, scale) - wanted).abs().mean(1)
        index = int(errors.argmin())
        if float(errors[index]) < best:
            best, found = float(errors[index]), (focus, float(strengths[index]))
    return (found[1] * (inverse_depth - found[0]).abs()).clamp_max(LARGEST_RADIUS_PX)


def disc_field(radius_px: Tensor, scale: int) -> KernelField:
    """The kernels of a thin lens: a disc of the pixel's own depth over the area of the LR pixel.

    Args:
        radius_px: `(1,1,h,w)` at LR size, HR px; above `LARGEST_RADIUS_PX` it is cut.
        scale: SR factor.

    Returns:
        Dense kernels whose std along an axis is `blur_std_px`.
    """
    table, variances = _discs(scale)
    wanted = (radius_px.clamp(0, LARGEST_RADIUS_PX).square() / 4).flatten().numpy()
    after = np.searchsorted(variances, wanted).clip(1, len(variances) - 1)
    below, above = variances[after - 1], variances[after]
    share = torch.from_numpy((wanted - below) / np.maximum(above - below, 1e-12)).float()[:, None]
    index = torch.from_numpy(after)
    bands = zip(index.split(_BAND), share.clamp(0, 1).split(_BAND), strict=True)
    flat = torch.cat([torch.lerp(table[part - 1], table[part], own) for part, own in bands])
    height, width = radius_px.shape[-2:]
    return KernelField.from_dense(flat.T.reshape(1, -1, height, width).contiguous(), scale)


def gaussian_field(radius_px: Tensor, scale: int) -> KernelField:
    """Gaussian kernels of the same std as `disc_field` has; arguments as there."""
    std = blur_std_px(radius_px.clamp(0, LARGEST_RADIUS_PX), scale)[:, 0]
    return KernelField.from_dense(gaussian_kernels(std, std, torch.zeros_like(std), scale), scale)


@lru_cache(maxsize=2)
def _discs(scale: int) -> tuple[Tensor, NDArray[np.float64]]:
    """Kernels `(N,441)` of growing discs over the pixel's area, and the variance of each disc.

    On pixels a disc becomes a little wider than it is. So a disc is chosen by the variance that it
    has on pixels, not by its radius.
    """
    half = KERNEL_RADIUS
    line = (np.arange(KERNEL_SIZE * _FINE) + 0.5) / _FINE - half - 0.5
    distance = np.hypot(line[:, None], line[None, :])
    cell = np.rint(line).astype(int) + half
    pixel = (cell[:, None] * KERNEL_SIZE + cell[None, :]).ravel()
    step = np.arange(KERNEL_SIZE) - half
    radii = np.arange(0, LARGEST_RADIUS_PX + 0.5, _STEP_PX)
    area = np.zeros((len(radii), KERNEL_SIZE, KERNEL_SIZE))
    for i, radius in enumerate(radii):
        inside = (distance <= max(radius, 1 / _FINE)).ravel()
        count = np.bincount(pixel[inside], minlength=KERNEL_SIZE**2)
        area[i] = (count / count.sum()).reshape(KERNEL_SIZE, KERNEL_SIZE)
    across = area.sum(1)
    variances = np.maximum.accumulate((across * step**2).sum(1))
    # The mean over the LR pixel's own HR pixels: `before` left of (above) the anchor, others right.
    before = (scale - 1) // 2
    shifts = range(-before, scale - before)
    padded = np.pad(area, ((0, 0), (scale, scale), (scale, scale)))

    def moved(y: int, x: int) -> NDArray[np.float64]:
        top, left = scale - y, scale - x
        return padded[:, top : top + KERNEL_SIZE, left : left + KERNEL_SIZE]

    total = sum((moved(y, x) for y in shifts for x in shifts), np.zeros_like(area))
    flat = total.reshape(len(radii), -1)
    return torch.from_numpy(flat / flat.sum(1, keepdims=True)).float(), variances
