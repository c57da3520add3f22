"""Metrics of image fusion, on 8-bit grey: sources A and B at full size, F the fused picture.

None of them needs a truth. Every function takes `(B,1,H,W)` or `(B,3,H,W)` pictures in 0..1 (three
channels become BT.601 luma, full range), rounds them to 8 bit and returns `(B,)` float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, ShapeError
from ..image import luminance
from ..precision import as_float64

_LEVELS = 256


def grey_levels(image: Tensor) -> Tensor:
    """8-bit grey levels as float64: `(B,1,H,W)` or `(B,3,H,W)` in 0..1 to `(B,1,H,W)`, 0..255."""
    if image.ndim != 4 or image.shape[1] not in (1, 3):
        raise ShapeError("image", "(B,1,H,W) or (B,3,H,W)", tuple(image.shape))
    grey = as_float64(image)
    if grey.shape[1] == 3:
        grey = luminance(grey)
    return grey.clamp(0, 1).mul(255).round()


def entropy(fused: Tensor) -> Tensor:
    """EN: Shannon entropy of the 256-bin histogram, bits. 0 for a flat picture, at most 8."""
    grey = grey_levels(fused).long().flatten(1)
    return torch.stack([_entropy(torch.bincount(g, minlength=_LEVELS)) for g in grey])


def contrast(fused: Tensor) -> Tensor:
    """SD: standard deviation of the grey levels (over all pixels, not N - 1)."""
    return grey_levels(fused).flatten(1).std(1, correction=0)


def spatial_frequency(fused: Tensor) -> Tensor:
    """SF: `sqrt(mean dx^2 + mean dy^2)` of the differences of neighbours, in grey levels."""
    grey = grey_levels(fused)
    across = grey.diff(dim=-1).square().mean((1, 2, 3))
    down = grey.diff(dim=-2).square().mean((1, 2, 3))
    return (across + down).sqrt()


def mutual_information(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """MI: I(A;F) + I(B;F) from 256x256 joint histograms, bits."""
    first, second, third = _three(a, b, fused)
    return _information(first, third) + _information(second, third)


def sum_of_correlations(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """SCD (Aslantas & Bendes 2015): `r(F - B, A) + r(F - A, B)`, at most 2."""
    first, second, third = _three(a, b, fused)
    return _correlation(third - second, first) + _correlation(third - first, second)


def visual_information_fidelity(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """VIF: vifp (Sheikh & Bovik 2006, pixel domain, 4 scales, noise 2) of A and F plus B and F."""
    first, second, third = _three(a, b, fused)
    return _vifp(first, third) + _vifp(second, third)


def edge_preservation(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Qabf (Xydeas & Petrovic 2000): how much of the sources' Sobel edges F has, 0..1.

    Strength and direction of every edge are compared through sigmoids (.9994, -15, .5 and .9879,
    -22, .8) and weighted by the strength in the source.
    """
    strengths, angles = zip(*(_sobel(p) for p in _three(a, b, fused)), strict=True)
    kept = [_edges_kept(strengths[i], angles[i], strengths[2], angles[2]) for i in (0, 1)]
    top = sum((q * g).sum((1, 2, 3)) for q, g in zip(kept, strengths[:2], strict=True))
    return top / (strengths[0] + strengths[1]).sum((1, 2, 3)).clamp_min(1e-12)


def ssim_sum(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """SSIM(A,F) + SSIM(B,F): Gaussian 11x11 window, std 1.5 px, valid region, at most 2."""
    first, second, third = _three(a, b, fused)
    return _ssim(first, third) + _ssim(second, third)


FUSION_METRICS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "en": lambda a, b, fused: entropy(fused),
    "sd": lambda a, b, fused: contrast(fused),
    "sf": lambda a, b, fused: spatial_frequency(fused),
    "mi": mutual_information,
    "scd": sum_of_correlations,
    "vif": visual_information_fidelity,
    "qabf": edge_preservation,
    "ssim_sum": ssim_sum,
}
"""Every metric of this page by its key; all are better when higher."""


def fusion_figures(a: Tensor, b: Tensor, fused: Tensor) -> dict[str, Tensor]:
    """All metrics of `FUSION_METRICS`, each `(B,)`; shapes as of the module."""
    return {name: metric(a, b, fused) for name, metric in FUSION_METRICS.items()}


def _three(a: Tensor, b: Tensor, fused: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    planes = (grey_levels(a), grey_levels(b), grey_levels(fused))
    for name, plane in (("a", planes[0]), ("b", planes[1])):
        if plane.shape != planes[2].shape:
            raise ShapeError(name, f"that of fused, {tuple(fused.shape)}", tuple(plane.shape))
    return planes


def _entropy(counts: Tensor) -> Tensor:
    share = counts[counts > 0].double() / counts.sum()
    return -(share * share.log2()).sum().clamp_max(0)


def _information(source: Tensor, fused: Tensor) -> Tensor:
    values = []
    for s, f in zip(source.long().flatten(1), fused.long().flatten(1), strict=True):
        joint = torch.bincount(s * _LEVELS + f, minlength=_LEVELS**2)
        table = joint.view(_LEVELS, _LEVELS)
        values.append(_entropy(table.sum(0)) + _entropy(table.sum(1)) - _entropy(joint))
    return torch.stack(values)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's r; 0 where one of the two is flat."""
    a, b = (v.flatten(1) - v.flatten(1).mean(1, keepdim=True) for v in (a, b))
    norm = (a.square().sum(1) * b.square().sum(1)).sqrt()
    return (a * b).sum(1) / norm.clamp_min(1e-12)


def _gaussian(size: int, std_px: float) -> list[float]:
    line = [i - (size - 1) / 2 for i in range(size)]
    taps = [math.exp(-0.5 * (x / std_px) ** 2) for x in line]
    return [tap / sum(taps) for tap in taps]


def _blur(plane: Tensor, taps: list[float]) -> Tensor:
    """Separable symmetric filter over the valid region; conv2d is slow in float64."""
    for dim in (-2, -1):
        length = plane.shape[dim] - len(taps) + 1
        out = torch.zeros_like(plane.narrow(dim, 0, length))
        for offset, tap in enumerate(taps):
            out.add_(plane.narrow(dim, offset, length), alpha=tap)
        plane = out
    return plane


def _local(
    a: Tensor, b: Tensor, taps: list[float]
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Local means, variances (at least 0) and covariance."""
    ma, mb = _blur(a, taps), _blur(b, taps)
    va = (_blur(a * a, taps) - ma * ma).clamp_min(0)
    vb = (_blur(b * b, taps) - mb * mb).clamp_min(0)
    return ma, mb, va, vb, _blur(a * b, taps) - ma * mb


def _vifp(reference: Tensor, picture: Tensor, noise: float = 2.0) -> Tensor:
    if min(reference.shape[-2:]) < 41:
        raise InputError(
            "VIF needs at least 41 pixels along each side for its four scales, but got "
            f"{reference.shape[-1]}x{reference.shape[-2]}."
        )
    kept = total = torch.zeros(len(reference), dtype=torch.float64, device=reference.device)
    for scale in range(1, 5):
        size = 2 ** (5 - scale) + 1
        taps = _gaussian(size, size / 5)
        if scale > 1:
            reference = _blur(reference, taps)[..., ::2, ::2]
            picture = _blur(picture, taps)[..., ::2, ::2]
        _, _, own, other, cross = _local(reference, picture, taps)
        gain = cross / (own + 1e-10)
        rest = other - gain * cross
        flat = own < 1e-10
        gain, rest = gain.masked_fill(flat, 0), torch.where(flat, other, rest)
        own = own.masked_fill(flat, 0)
        none = other < 1e-10
        gain, rest = gain.masked_fill(none, 0), rest.masked_fill(none, 0)
        against = gain < 0
        rest = torch.where(against, other, rest).clamp_min(1e-10)
        gain = gain.masked_fill(against, 0)
        kept = kept + torch.log10(1 + gain.square() * own / (rest + noise)).sum((1, 2, 3))
        total = total + torch.log10(1 + own / noise).sum((1, 2, 3))
    return torch.where(total > 0, kept / total.clamp_min(1e-12), torch.ones_like(total))


def _sobel(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Strength and angle (in -pi/2..pi/2) of the gradient; the border is repeated."""
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across, down = padded[..., 2:] - padded[..., :-2], padded[..., 2:, :] - padded[..., :-2, :]
    dx = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    dy = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    angle = torch.where(dx == 0, torch.full_like(dx, math.pi / 2), torch.atan(dy / dx))
    return (dx.square() + dy.square()).sqrt(), angle


def _edges_kept(source: Tensor, angle: Tensor, fused: Tensor, fused_angle: Tensor) -> Tensor:
    low, high = torch.minimum(source, fused), torch.maximum(source, fused)
    # Two places without any edge are alike.
    strength = torch.where(high > 0, low / high.clamp_min(1e-12), torch.ones_like(high))
    # As published: not modulo pi, so that 89 and -89 degrees count as far apart.
    direction = 1 - (angle - fused_angle).abs() * 2 / math.pi
    by_strength = 0.9994 / (1 + torch.exp(-15 * (strength - 0.5)))
    return by_strength * 0.9879 / (1 + torch.exp(-22 * (direction - 0.8)))


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    taps = _gaussian(11, 1.5)
    ma, mb, va, vb, cov = _local(a, b, taps)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    made = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return made.mean((1, 2, 3))
