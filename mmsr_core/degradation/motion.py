"""Straight motion of the whole picture: found in its spectrum, taken back by deconvolution.

A uniform motion multiplies the spectrum by a sinc, whose zeros lie at equal distances along the
motion. In the cepstrum, the transform of the spectrum's logarithm, they make one sharp negative
peak: its distance from the middle is the motion's length, its direction the motion's (Rom, On the
cepstrum of two-dimensional functions, 1975).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..image.luma import luminance
from ..precision import as_float64
from .field import KernelField, constant_kernel_field
from .field_operator import degrade_canvas
from .kernels import motion_kernels
from .solvers import conjugate_gradient_from

LENGTHS_PX = (4.5, 20.0)
"""Motions that are looked for; a longer one does not fit the window of the kernels."""
CERTAIN = 4.8
"""Peaks this many standard deviations deep may be motions. Still pictures have 2 to 5.6..."""
SMOOTHER = 0.85
"""...but their differences along and across the peak's direction are alike: .8 to 1.7. Those of
moving ones have this ratio at most."""
LEAST_SIDE = 64
_LARGEST_SIDE = 1024
_EMPTY = 1e-7
"""Median over mean of a power spectrum below which most of it is empty. Photographs in 8 bits,
blurred as they may be, have 1e-6 and more."""
UNEXPLAINED = 6 / 255
"""What a motion may leave of a picture beside its noise, taken back and done again (rms).
True ones leave up to 3 of 255, others, whose deconvolution runs out of 0..1, 15 and more."""
_BAND = 0.45
_RINGS = 64
_ITERATIONS = 20
_LEAST_DAMPING = 5e-3
_PICTURE_STD = 0.05


@dataclass(frozen=True)
class MotionBlur:
    """A straight, even motion."""

    length_px: float
    angle_rad: float
    """From x towards y (downwards), 0..pi."""
    certainty: float
    """Depth of the cepstrum's peak in standard deviations around it."""


def find_motion(picture: Tensor, noise_std: Tensor | None = None) -> MotionBlur | None:
    """The motion that one picture was blurred by; None where there is none, or no certainty.

    Args:
        picture: `(1,3,h,w)`, 0..1. Of a large one the middle is looked at.
        noise_std: `(1,)`, its noise, 0..1 units; None for none.
    """
    height, width = picture.shape[-2:]
    if min(height, width) < LEAST_SIDE:
        return None
    rows, cols = (min(side, _LARGEST_SIDE) for side in (height, width))
    top, left = (height - rows) // 2, (width - cols) // 2
    picture = picture[..., top : top + rows, left : left + cols]
    grey = as_float64(luminance(picture))[0, 0]
    if float(grey.std()) < 1e-3:
        return None
    if _is_pattern(grey):
        return None
    cepstrum = F.avg_pool2d(_cepstrum(grey)[None, None], 3, 1, 1)[0, 0]
    down = (torch.arange(rows, device=grey.device) - rows // 2)[:, None].double()
    across = (torch.arange(cols, device=grey.device) - cols // 2).double()
    distance = torch.hypot(down, across)
    ring = (distance >= LENGTHS_PX[0]) & (distance <= LENGTHS_PX[1])
    place = int(torch.where(ring, cepstrum, math.inf).argmin())
    y, x = place // cols - rows // 2, place % cols - cols // 2
    certainty = float(-cepstrum.flatten()[place] / cepstrum[ring].std())
    angle = math.atan2(y, x) % math.pi
    if certainty < CERTAIN or _smoothness_ratio(grey, angle) > SMOOTHER:
        return None
    motion = MotionBlur(math.hypot(y, x), angle, certainty)
    noise_std = picture.new_zeros(1) if noise_std is None else noise_std
    return motion if _explains(motion, picture, noise_std) else None


def _is_pattern(grey: Tensor) -> bool:
    """Whether most of the spectrum is empty, as of stripes: its gaps are no motion's."""
    power = torch.fft.fft2(grey - grey.mean()).abs().square()
    return float(power.median()) < _EMPTY * float(power.mean())


def _smoothness_ratio(grey: Tensor, angle_rad: float) -> float:
    """Differences along a direction over those across it, root mean squares."""
    across, down = (grey[1:-1, 2:] - grey[1:-1, :-2]), (grey[2:, 1:-1] - grey[:-2, 1:-1])
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    along, beside = cos * across + sin * down, cos * down - sin * across
    return float((along.square().mean() / beside.square().mean().clamp_min(1e-12)).sqrt())


def _cepstrum(grey: Tensor) -> Tensor:
    """`(h,w)` to `(h,w)`, the origin in the middle; what all directions share is taken off."""
    rows, cols = grey.shape
    kind = {"dtype": grey.dtype, "device": grey.device}
    taper = torch.hann_window(rows, **kind)[:, None] * torch.hann_window(cols, **kind)
    power = torch.fft.fft2((grey - grey.mean()) * taper).abs().square()
    logarithm = torch.log(power + 1e-4 * power.median() + 1e-12)
    radius = torch.hypot(
        torch.fft.fftfreq(rows, **kind)[:, None],
        torch.fft.fftfreq(cols, **kind),
    )
    ring = (radius * _RINGS).long()
    total = torch.zeros(int(ring.max()) + 1, **kind)
    total = total.index_add(0, ring.flatten(), logarithm.flatten())
    mean = total / torch.bincount(ring.flatten()).clamp_min(1)
    flat = (logarithm - mean[ring]) * (radius < _BAND)
    return torch.fft.fftshift(torch.fft.ifft2(flat).real)


def undo_motion(picture: Tensor, motion: MotionBlur, noise_std: Tensor) -> Tensor:
    """The picture before the motion, `(1,C,h,w)`, clamped to 0..1.

    Tikhonov-regularised deconvolution, `min |A x - y|^2 + lam |x - y|^2`, by conjugate gradient.

    Args:
        picture: `(1,C,h,w)`, 0..1.
        motion: from `find_motion`.
        noise_std: `(1,)`, 0..1 units; more noise is sharpened less.
    """
    field = _motion_field(picture, motion)
    damping = (noise_std.to(picture) / _PICTURE_STD).square().clamp_min(_LEAST_DAMPING)
    made = conjugate_gradient_from(
        picture.clone(), picture, field, _ITERATIONS, damping.view(-1, 1, 1, 1)
    )
    return made.clamp_(0, 1)


def redo_motion(picture: Tensor, motion: MotionBlur) -> Tensor:
    """The picture as the motion blurs it, `(1,C,h,w)`: what `undo_motion` takes back."""
    return degrade_canvas(picture, _motion_field(picture, motion))


def _explains(motion: MotionBlur, picture: Tensor, noise_std: Tensor) -> bool:
    """Whether a picture can have been blurred so: taken back and done again, it is the same."""
    left = redo_motion(undo_motion(picture, motion, noise_std), motion) - picture
    return float(left.square().mean().sqrt()) < UNEXPLAINED + float(noise_std)


def _motion_field(picture: Tensor, motion: MotionBlur) -> KernelField:
    length = torch.full((1, 1, 1), motion.length_px)
    angle = torch.full((1, 1, 1), motion.angle_rad)
    kernel = motion_kernels(length, angle, 1)[..., 0, 0].to(picture)
    return constant_kernel_field(kernel, picture.shape[-2], picture.shape[-1], 1)
