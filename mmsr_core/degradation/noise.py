"""Sensor noise, seeded."""

from __future__ import annotations

import torch
from torch import Tensor


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
