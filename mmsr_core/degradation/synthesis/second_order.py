"""Second-order degradation: blur, resize, noise and JPEG, twice, as pictures from the web have it.

The model and the ranges are those published with Real-ESRGAN (arXiv 2107.10833, section 3 and its
training configuration): generalised and plateau Gaussians, sinc filters for ringing, resizing in
both directions with area, bilinear and bicubic (no antialias), Gaussian or shot noise, grey in 40 %
of the pictures. The blur of such a picture is no single kernel at its LR pixels, so none is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import InputError
from ...image import luminance
from ..jpeg import jpeg
from ..kernels import KERNEL_RADIUS, KERNEL_SIZE, check_scale

RESIZE_MODES = ("area", "bilinear", "bicubic")
_GREY_SHARE = 0.4
_POISSON_LEVELS = 256.0  # photons of full white at strength 1


@dataclass(frozen=True)
class Order:
    """Ranges of one of the two rounds."""

    blur_share: float
    """Pictures that are blurred at all."""
    blur_sigma_px: tuple[float, float]
    """Standard deviations, px of the picture as it comes into the round."""
    resize_shares: tuple[float, float, float]
    """Up, down, keep."""
    resize: tuple[float, float]
    """Smallest and largest factor: of the HR size in round one, of the LR size in round two."""
    noise_std: tuple[float, float]
    """Of the Gaussian noise, 0..1 units."""
    poisson: tuple[float, float]
    """Strength of the shot noise: std `strength * sqrt(value / 256)`."""
    poisson_share: float = 0.5
    jpeg_quality: tuple[float, float] = (30.0, 95.0)
    sinc_share: float = 0.1
    """Of the blurred pictures: a sinc filter (ringing) instead of a Gaussian."""


@dataclass(frozen=True)
class SecondOrderConfig:
    """Ranges of both rounds; the defaults are Real-ESRGAN's."""

    first: Order = Order(
        1.0, (0.2, 3.0), (0.2, 0.7, 0.1), (0.15, 1.5), (1 / 255, 30 / 255), (0.05, 3.0)
    )
    second: Order = Order(
        0.8, (0.2, 1.5), (0.3, 0.4, 0.3), (0.3, 1.2), (1 / 255, 25 / 255), (0.05, 2.5)
    )
    final_sinc_share: float = 0.8
    """Pictures that end with a sinc filter, before or after the last JPEG."""


@dataclass(frozen=True)
class SecondOrder:
    """A degraded batch, and what can be said about its damage."""

    lr: Tensor
    """`(B,3,h,w)`, 0..1, rounded to 8 bits."""
    noise_std: Tensor
    """`(B,)` of the second noise at middle grey, 0..1 units, before the last resize."""
    jpeg_quality: Tensor
    """`(B,)` of the last JPEG."""


def degrade_second_order(
    hr: Tensor, scale: int, generator: torch.Generator, config: SecondOrderConfig | None = None
) -> SecondOrder:
    """Degrade a batch twice, at random.

    Blur, noise and JPEG are drawn for every picture; the sizes, filters of the resizes and the
    order of the last two operations once for the batch, which so stays one tensor.

    Args:
        hr: `(B,3,H,W)`, 0..1, sides multiples of `scale`, on any device.
        scale: SR factor, 1..16.
        generator: source of randomness; its device may be another than the pictures'.
        config: ranges.

    Raises:
        InputError: sides that are not multiples of `scale`.
    """
    config = config or SecondOrderConfig()
    check_scale(scale)
    b, _, height, width = hr.shape
    if height % scale or width % scale:
        raise InputError(f"hr is {height}x{width}; its sides must be multiples of scale {scale}.")
    h, w = height // scale, width // scale
    draw = _Draw(generator, hr.device, b)

    x = _blurred(hr, config.first, draw)
    x = _resized(x, _round_size((height, width), config.first, draw), draw)
    x, _ = _noised(x, config.first, draw)
    x = jpeg(x, draw.uniform(*config.first.jpeg_quality))

    x = _blurred(x, config.second, draw)
    x = _resized(x, _round_size((h, w), config.second, draw), draw)
    x, noise_std = _noised(x, config.second, draw)
    quality = draw.uniform(*config.second.jpeg_quality)
    rings = sinc_kernels(draw.uniform(math.pi / 3, math.pi), draw.radii())
    ringing = (draw.uniform() < config.final_sinc_share).view(-1, 1, 1, 1)
    filter_first = draw.once() < 0.5
    if not filter_first:
        x = jpeg(x, quality)
    x = _resized(x, (h, w), draw)
    x = torch.where(ringing, _filter(x, rings), x).clamp(0, 1)
    if filter_first:
        x = jpeg(x, quality)
    return SecondOrder((x.clamp(0, 1) * 255).round() / 255, noise_std, quality)


def sinc_kernels(cutoff_rad: Tensor, radius_px: Tensor) -> Tensor:
    """Circular low-pass filters, which ring: `w J1(w r) / (2 pi r)` cut to a square window.

    Args:
        cutoff_rad: `(B,)` cut-off frequency w, rad per px, up to pi.
        radius_px: `(B,)` half side of the window, 3..10 px.

    Returns:
        `(B,21,21)`, summing to 1, with negative lobes.
    """
    x, y = _offsets()
    distance = torch.sqrt(x * x + y * y)
    w = cutoff_rad.cpu().double().view(-1, 1, 1)  # MPS has neither float64 nor Bessel functions
    safe = distance.clamp_min(1e-6)
    values = w * torch.special.bessel_j1(w * safe) / (2 * math.pi * safe)
    values = torch.where(distance > 0, values, w * w / (4 * math.pi))
    return _cut(values, radius_px)


def mixed_gaussians(
    sigma_u_px: Tensor,
    sigma_v_px: Tensor,
    theta_rad: Tensor,
    shape: Tensor,
    plateau: Tensor,
    radius_px: Tensor,
) -> Tensor:
    """Gaussians with a shape: `exp(-q^shape / 2)`, or `1 / (1 + q^shape)` where it is a plateau.

    `q = (u / sigma_u)^2 + (v / sigma_v)^2`; shape 1 without plateau is the ordinary Gaussian.

    Args:
        sigma_u_px: `(B,)` standard deviation along the angle, px.
        sigma_v_px: `(B,)` across it.
        theta_rad: `(B,)`.
        shape: `(B,)` above 0.
        plateau: `(B,)` bool.
        radius_px: `(B,)` half side of the window, 3..10 px.

    Returns:
        `(B,21,21)`, non-negative, summing to 1.
    """
    x, y = _offsets()

    def column(value: Tensor) -> Tensor:
        return value.cpu().double().view(-1, 1, 1)

    cos, sin = torch.cos(column(theta_rad)), torch.sin(column(theta_rad))
    u, v = (cos * x + sin * y) / column(sigma_u_px), (cos * y - sin * x) / column(sigma_v_px)
    q = (u * u + v * v).clamp_min(1e-12) ** column(shape)
    values = torch.where(plateau.cpu().view(-1, 1, 1), 1 / (1 + q), torch.exp(-0.5 * q))
    return _cut(values, radius_px)


def _offsets() -> tuple[Tensor, Tensor]:
    line = torch.arange(-KERNEL_RADIUS, KERNEL_RADIUS + 1, dtype=torch.float64)
    return line.view(1, 1, -1), line.view(1, -1, 1)


def _cut(values: Tensor, radius_px: Tensor) -> Tensor:
    x, y = _offsets()
    reach = radius_px.cpu().double().view(-1, 1, 1)
    values = values * ((x.abs() <= reach) & (y.abs() <= reach))
    return (values / values.sum((1, 2), keepdim=True)).float()


class _Draw:
    """Random numbers for each picture of a batch, or once for all of it."""

    def __init__(self, generator: torch.Generator, device: torch.device, batch: int) -> None:
        self.generator = generator
        self.device = device
        self.batch = batch

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        drawn = torch.rand(self.batch, generator=self.generator, device=self.generator.device)
        return (low + (high - low) * drawn).to(self.device)

    def radii(self) -> Tensor:
        """Half sides 3..10 of the windows 7..21."""
        return (3 + (self.uniform() * 8).floor()).clamp_max(KERNEL_RADIUS)

    def once(self) -> float:
        return float(torch.rand(1, generator=self.generator, device=self.generator.device))

    def normal(self, like: Tensor) -> Tensor:
        device = self.generator.device
        return torch.randn(like.shape, generator=self.generator, device=device).to(like.device)


def _blurred(x: Tensor, order: Order, draw: _Draw) -> Tensor:
    low, high = order.blur_sigma_px
    sigma_u, sigma_v = draw.uniform(low, high), draw.uniform(low, high)
    theta = draw.uniform(0, math.pi)
    isotropic = draw.uniform() < 0.69  # 0.45 + 0.12 + 0.12 of the published kinds
    sigma_v = torch.where(isotropic, sigma_u, sigma_v)
    kind = draw.uniform()  # 70 % Gaussian, 15 % generalised, 15 % plateau
    shaped, plateau = (kind >= 0.70) & (kind < 0.85), kind >= 0.85
    # half of the shapes below 1 (heavy tails), half above (box-like), as published
    below = draw.uniform() < 0.5
    spread = draw.uniform()
    generalised = torch.where(below, 0.5 + 0.5 * spread, 1 + 3 * spread)
    flat = torch.where(below, 1 + 0 * spread, 1 + spread)
    shape = torch.where(plateau, flat, torch.where(shaped, generalised, torch.ones_like(kind)))
    kernels = mixed_gaussians(sigma_u, sigma_v, theta, shape, plateau, draw.radii())
    rings = sinc_kernels(draw.uniform(math.pi / 3, math.pi), draw.radii())
    use_sinc = (draw.uniform() < order.sinc_share).cpu().view(-1, 1, 1)
    made = _filter(x, torch.where(use_sinc, rings, kernels)).clamp(0, 1)
    return torch.where((draw.uniform() < order.blur_share).view(-1, 1, 1, 1), made, x)


def _filter(x: Tensor, kernels: Tensor) -> Tensor:
    """Each picture with its own kernel `(B,21,21)`, reflected borders (replicated when tiny)."""
    b, c, h, w = x.shape
    mode = "reflect" if min(h, w) > KERNEL_RADIUS else "replicate"
    wide = F.pad(x, (KERNEL_RADIUS,) * 4, mode=mode).reshape(1, b * c, h + 20, w + 20)
    weights = kernels.to(x).repeat_interleave(c, 0).view(b * c, 1, KERNEL_SIZE, KERNEL_SIZE)
    return F.conv2d(wide, weights, groups=b * c).view(b, c, h, w)


def _round_size(size: tuple[int, int], order: Order, draw: _Draw) -> tuple[int, int]:
    up, down, _ = order.resize_shares
    kind, share = draw.once(), draw.once()
    low, high = order.resize
    factor = 1.0
    if kind < up:
        factor = 1 + (high - 1) * share
    elif kind < up + down:
        factor = low + (1 - low) * share
    return max(1, int(size[0] * factor)), max(1, int(size[1] * factor))


def _resized(x: Tensor, size: tuple[int, int], draw: _Draw) -> Tensor:
    mode = RESIZE_MODES[int(draw.once() * len(RESIZE_MODES))]
    if tuple(x.shape[-2:]) == size:
        return x
    if mode == "area":
        return F.interpolate(x, size=size, mode="area")
    return F.interpolate(x, size=size, mode=mode, align_corners=False).clamp(0, 1)


def _noised(x: Tensor, order: Order, draw: _Draw) -> tuple[Tensor, Tensor]:
    """Noise of one kind for each picture, and its std `(B,)` at middle grey."""
    std, strength = draw.uniform(*order.noise_std), draw.uniform(*order.poisson)
    shot, grey = draw.uniform() < order.poisson_share, draw.uniform() < _GREY_SHARE
    noise = draw.normal(x)
    noise = torch.where(grey.view(-1, 1, 1, 1), noise[:, :1].expand_as(noise), noise)
    level = torch.where(grey.view(-1, 1, 1, 1), luminance(x).expand_as(x), x)
    shot_std = strength.view(-1, 1, 1, 1) * (level.clamp_min(0) / _POISSON_LEVELS).sqrt()
    own = torch.where(shot.view(-1, 1, 1, 1), shot_std, std.view(-1, 1, 1, 1))
    at_grey = torch.where(shot, strength * math.sqrt(0.5 / _POISSON_LEVELS), std)
    return (x + own * noise).clamp(0, 1), at_grey
