"""Sensor noise, seeded."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def _amount(value: float | Tensor, like: Tensor) -> Tensor:
    amount = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    return amount.view(-1, 1, 1, 1) if amount.ndim == 1 else amount


def _randn(like: Tensor, generator: torch.Generator | None) -> Tensor:
    device = generator.device if generator is not None else like.device
    return torch.randn(like.shape, generator=generator, device=device, dtype=like.dtype).to(
        like.device
    )


def add_gaussian_noise(
    image: Tensor, noise_std: float | Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Add white Gaussian noise; the result is not clamped.

    Args:
        image: `(B,C,h,w)`, 0..1.
        noise_std: standard deviation in 0..1 units (5/255 is 0.0196): a number or `(B,)`.
        generator: source of randomness.
    """
    return image + _amount(noise_std, image) * _randn(image, generator)


def add_poisson_noise(
    image: Tensor, photons: float | Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Add shot noise in its Gaussian limit: variance `image / photons`.

    Args:
        image: `(B,C,h,w)`, 0..1.
        photons: photons that make full white: a number or `(B,)`.
        generator: source of randomness.
    """
    std = (image.clamp_min(0) / _amount(photons, image)).sqrt()
    return image + std * _randn(image, generator)


def correlated(noise: Tensor, width_px: Tensor) -> Tensor:
    """White noise made smooth, as film, demosaicing and resizing leave it, of the same variance.

    Args:
        noise: `(B,C,h,w)`, white.
        width_px: `(B,)` std of the Gaussian that smooths it; 0 leaves it white, at most 3.
    """
    reach = 9
    line = torch.arange(-reach, reach + 1, device=noise.device, dtype=noise.dtype)
    taps = torch.exp(-0.5 * (line / width_px.to(noise).clamp_min(1e-3).view(-1, 1)).square())
    taps = taps / taps.square().sum(1, keepdim=True).sqrt()  # keeps the variance of white noise
    b, c, h, w = noise.shape
    planes = noise.reshape(1, b * c, h, w)
    across = taps.repeat_interleave(c, 0).view(b * c, 1, 1, -1)
    mode = "reflect" if min(h, w) > reach else "replicate"
    wide = F.pad(planes, (reach, reach, reach, reach), mode=mode)
    smooth = F.conv2d(F.conv2d(wide, across, groups=b * c), across.mT, groups=b * c)
    return smooth.view(b, c, h, w)
