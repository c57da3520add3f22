"""Seeded synthesis of degraded pictures: what training and the test protocols are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from ..jpeg import jpeg
from ..kernels import (
    KERNEL_RADIUS,
    KERNEL_TAPS,
    check_scale,
    disk_kernels,
    gaussian_kernels,
    motion_kernels,
    resize_kernel,
    resize_line,
)
from ..noise import correlated
from ..operator import degrade, degrade_separably

FAMILIES = ("gaussian", "disk", "motion", "resize")
LAYOUTS = ("constant", "smooth", "ramp", "depth")
KNOTS_APART_PX = (80.0, 260.0)
"""HR px between the knots of a smooth field, log-uniform."""

_RESIZE_BLUR_PX = 0.6
"""Before a resize filter a picture is blurred by a std of up to this plus half the scale, HR px."""


@dataclass(frozen=True)
class SynthesisConfig:
    """Shares and ranges of the synthetic degradations."""

    families: tuple[float, ...] = (0.72, 0.10, 0.08, 0.10)
    """Share of each kernel family, in the order of `FAMILIES`."""
    layouts: tuple[float, ...] = (0.20, 0.45, 0.10, 0.25)
    """Share of each spatial layout, in the order of `LAYOUTS`."""
    sigma_widen: float = 1.08
    """The standard deviations reach from sqrt(0.175 s) / widen to sqrt(2.5 s) * widen HR px."""
    clean_share: float = 0.45
    """Pictures with neither noise nor JPEG (still rounded to 8 bits)."""
    noise_std: tuple[float, float] = (0.8 / 255, 14 / 255)
    """Log-uniform range of the Gaussian noise."""
    poisson_share: float = 0.2
    """Of the noisy pictures: shot noise instead of Gaussian."""
    grey_share: float = 0.25
    """Of the noisy pictures: the same noise in all channels."""
    correlated_share: float = 0.3
    """Of the noisy pictures: noise that is smooth over 2 to 5 px, as film's and demosaicing's."""
    correlation_px: tuple[float, float] = (0.4, 1.4)
    """Range of the std of the Gaussian that makes it smooth."""
    jpeg_share: float = 0.4
    """Of the pictures that are not clean: JPEG after the noise."""
    jpeg_quality: tuple[float, float] = (40.0, 95.0)


@dataclass(frozen=True)
class Synthesis:
    """A degraded batch and the truth about it."""

    lr: Tensor
    """`(B,3,h,w)`, 0..1, rounded to 8 bits."""
    kernels: Tensor
    """`(B,441,h,w)`: the true kernels. Of resize filters the part that a kernel can have: negative
    lobes cut, and what reaches beyond the window."""
    noise_std: Tensor
    """`(B,)`, 0..1 units; of shot noise, its value at middle grey."""
    jpeg_quality: Tensor
    """`(B,)`, 100 where there is none."""
    from_depth: Tensor
    """`(B,)` bool: the blur of this picture follows its depth."""


def sigma_range_px(scale: int, widen: float = 1.0) -> tuple[float, float]:
    """Range of the blur's standard deviation in HR px: MANet's variances 0.175 s .. 2.5 s."""
    return math.sqrt(0.175 * scale) / widen, math.sqrt(2.5 * scale) * widen


def smooth_map(
    batch: int, height: int, width: int, generator: torch.Generator, grid: int = 4
) -> Tensor:
    """`(B,h,w)` in 0..1: a random `grid x grid` picture enlarged bicubically and clamped."""
    coarse = torch.rand((batch, 1, grid, grid), generator=generator, device=generator.device)
    fine = torch.nn.functional.interpolate(
        coarse, size=(height, width), mode="bicubic", align_corners=True
    )
    return fine[:, 0].clamp(0, 1)


def _rand(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _on_the_host(generator: torch.Generator) -> torch.Generator:
    """A CPU generator seeded by another one: reading its numbers never waits for a device."""
    if generator.device.type == "cpu":
        return generator
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    return torch.Generator().manual_seed(int(seed))


def _choice(generator: torch.Generator, shares: tuple[float, ...], count: int) -> list[int]:
    weights = torch.tensor(shares, device=generator.device, dtype=torch.float32)
    return torch.multinomial(weights, count, replacement=True, generator=generator).tolist()


def _ramp(height: int, width: int, host: torch.Generator, device: torch.device) -> Tensor:
    """`(h,w)` in 0..1: a linear ramp in a random direction."""
    angle = float(_rand(host, 1)) * 2 * math.pi
    y = torch.linspace(-1, 1, height, device=device).view(-1, 1)
    x = torch.linspace(-1, 1, width, device=device).view(1, -1)
    ramp = math.cos(angle) * x + math.sin(angle) * y
    return (ramp - ramp.min()) / (ramp.max() - ramp.min()).clamp_min(1e-6)


def _unit_maps(
    layout: str,
    size: tuple[int, int],
    scale: int,
    depth: Tensor | None,
    g: torch.Generator,
    host: torch.Generator,
) -> Tensor:
    """`(3,h,w)` in 0..1: how wide along the axis, how wide across it, which angle."""
    h, w = size
    if layout == "smooth":
        # A patch sees a small part of a picture: so few knots that they are far apart.
        apart = KNOTS_APART_PX[0] * (KNOTS_APART_PX[1] / KNOTS_APART_PX[0]) ** float(_rand(host, 1))
        grid = max(2, 1 + round(max(h, w) * scale / apart))
        return smooth_map(3, h, w, g, min(grid, h, w))
    ends = _rand(g, 3, 2)
    if layout == "ramp":
        t = torch.stack([_ramp(h, w, host, g.device) for _ in range(3)])
        return ends[:, :1, None] * (1 - t) + ends[:, 1:, None] * t
    if layout == "depth" and depth is not None:
        focus = float(_rand(host, 1))
        gain = 0.6 + 1.6 * float(_rand(host, 1))
        blur = ((depth - focus).abs() * gain).clamp(0, 1)  # thin lens: |1/d - 1/d_focus|
        return torch.stack((blur, blur, torch.zeros_like(blur)))
    return ends[:, :1, None].expand(3, h, w)


def sample_kernels(
    batch: int,
    height: int,
    width: int,
    scale: int,
    generator: torch.Generator,
    config: SynthesisConfig | None = None,
    depth: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Random kernel fields.

    Args:
        batch: pictures.
        height: LR pixels down.
        width: LR pixels across.
        scale: SR factor.
        generator: source of randomness; its device is where the kernels are made.
        config: shares and ranges.
        depth: optional `(B,h,w)` inverse depth in 0..1; fields of the layout "depth" follow it.

    Returns:
        Kernels `(B,441,h,w)` (a resize filter keeps its negative lobes) and `(B,)` bool: whether
        the field follows the depth.
    """
    made = _sample(batch, height, width, scale, generator, config or SynthesisConfig(), depth)
    return made.kernels, made.follows_depth


@dataclass(frozen=True)
class _Fields:
    kernels: Tensor
    follows_depth: Tensor
    wide_lines: dict[int, Tensor]
    """By picture: the resize filter that the kernels' window has cut."""


def _sample(
    batch: int,
    height: int,
    width: int,
    scale: int,
    generator: torch.Generator,
    config: SynthesisConfig,
    depth: Tensor | None,
) -> _Fields:
    low, high = sigma_range_px(check_scale(scale), config.sigma_widen)
    device = generator.device
    out = torch.empty((batch, KERNEL_TAPS, height, width), device=device)
    host = _on_the_host(generator)
    layouts = _choice(host, config.layouts, batch)
    families = _choice(host, config.families, batch)
    follows = torch.zeros(batch, dtype=torch.bool, device=device)
    wide: dict[int, Tensor] = {}
    for i in range(batch):
        layout, family = LAYOUTS[layouts[i]], FAMILIES[families[i]]
        own_depth = None if depth is None else depth[i]
        if layout == "depth":
            layout = "smooth" if own_depth is None else layout
            follows[i] = own_depth is not None
            if family in ("motion", "resize"):
                family = "disk"
        if family == "resize":
            a = (-0.75, -0.5, 0.0)[int(_rand(host, 1) * 3)]
            sigma = float(_rand(host, 1)) * (0.5 * scale + _RESIZE_BLUR_PX)
            out[i] = resize_kernel(scale, a, sigma, device).view(-1, 1, 1)
            reach = math.ceil(2 * scale + 3 * sigma)
            if reach > KERNEL_RADIUS:
                wide[i] = resize_line(scale, a, sigma, reach)
            continue
        along, across, turn = _unit_maps(layout, (height, width), scale, own_depth, generator, host)
        if family == "gaussian" and layout == "constant" and float(_rand(host, 1)) < 0.4:
            across = along  # isotropic
        su, sv = low + (high - low) * along, low + (high - low) * across
        theta = turn * math.pi
        if family == "gaussian":
            out[i] = gaussian_kernels(su[None], sv[None], theta[None], scale)[0]
        elif family == "disk":
            out[i] = disk_kernels(2 * su[None], scale)[0]  # a disk of radius r has std r / 2
        else:
            length = along * 4 * high
            thick = (low + 0.3 * (high - low) * across)[None]
            out[i] = motion_kernels(length[None], theta[None], scale, thick)[0]
    return _Fields(out, follows, wide)


def synthesise(
    hr: Tensor,
    scale: int,
    generator: torch.Generator,
    config: SynthesisConfig | None = None,
    depth: Tensor | None = None,
) -> Synthesis:
    """Degrade a batch of HR pictures at random, and say how.

    Args:
        hr: `(B,3,H,W)`, 0..1, sides multiples of `scale`, on the generator's device.
        scale: SR factor, 1..16.
        generator: source of randomness.
        config: shares and ranges.
        depth: optional `(B,h,w)` inverse depth at the LR pixels, 0..1.

    Raises:
        InputError: sides that are not multiples of `scale`.
    """
    config = config or SynthesisConfig()
    b, _, height, width = hr.shape
    if height % scale or width % scale:
        raise InputError(f"hr is {height}x{width}; its sides must be multiples of scale {scale}.")
    h, w = height // scale, width // scale
    fields = _sample(b, h, w, scale, generator, config, depth)
    lr = degrade(hr, fields.kernels, scale)
    for i, line in fields.wide_lines.items():
        lr[i : i + 1] = degrade_separably(hr[i : i + 1], line, scale)
    lr, noise_std, quality = damage(lr, generator, config)
    kernels = fields.kernels.clamp_min_(0)
    kernels.div_(kernels.sum(1, keepdim=True))
    return Synthesis(lr, kernels, noise_std, quality, fields.follows_depth)


def damage(
    lr: Tensor, generator: torch.Generator, config: SynthesisConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Noise, then JPEG, then 8 bits. Returns the picture, `noise_std (B,)`, `jpeg_quality (B,)`."""
    b = lr.shape[0]
    dirty = (_rand(generator, b) >= config.clean_share).float()
    low, high = (math.log(v) for v in config.noise_std)
    noise_std = torch.exp(low + (high - low) * _rand(generator, b)) * dirty
    shot = _rand(generator, b) < config.poisson_share
    with_jpeg = (_rand(generator, b) < config.jpeg_share) & (dirty > 0)
    low_q, high_q = config.jpeg_quality
    quality = low_q + (high_q - low_q) * _rand(generator, b)
    unit = torch.randn(lr.shape, generator=generator, device=generator.device).to(lr)
    grey = _rand(generator, b) < config.grey_share
    unit = torch.where(grey.view(-1, 1, 1, 1), unit[:, :1], unit)
    narrow, wide = config.correlation_px
    width = narrow + (wide - narrow) * _rand(generator, b)
    smooth = _rand(generator, b) < config.correlated_share
    unit = correlated(unit, torch.where(smooth, width, torch.zeros_like(width)))
    # Shot noise in its Gaussian limit, with the variance of the other kind at middle grey.
    light = torch.where(shot.view(-1, 1, 1, 1), (2 * lr.clamp_min(0)).sqrt(), torch.ones_like(lr))
    lr = lr + noise_std.view(-1, 1, 1, 1) * light * unit
    lr = (lr.clamp(0, 1) * 255).round() / 255
    lr = torch.where(with_jpeg.view(-1, 1, 1, 1), jpeg(lr, quality), lr)
    return lr, noise_std, torch.where(with_jpeg, quality, torch.full_like(quality, 100.0))
