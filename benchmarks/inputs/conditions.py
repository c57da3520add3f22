"""Degradations inside and outside what the networks were trained on, for `bench modalities`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmsr_core.degradation import (
    KernelField,
    add_gaussian_noise,
    degrade,
    gaussian_kernels,
    normalise_kernels,
    window_offsets_px,
)
from mmsr_core.errors import InputError
from mmsr_core.metrics import round_to_uint8

from .protocols import Sample, blur_sigma_range_px, make_sample, p2_field, p2_parameters, seeded


@dataclass(frozen=True)
class Condition:
    """One way of damaging the pictures."""

    name: str
    inside: bool
    """Whether training had it in its range."""
    meaning: str


CONDITIONS = (
    Condition("p2", True, "smooth field of rotating Gaussians, std 0.84 to 3.16 px at x4"),
    Condition("defocus", True, "defocus driven by depth, JPEG 80 (p3)"),
    Condition("noise", True, "p2 and noise of std 10/255"),
    Condition("strong-blur", False, "p2 with every std 1.5 times as wide"),
    Condition("strong-noise", False, "p2 and noise of std 25/255; training ends at 14/255"),
    Condition("ring", False, "rings of radius 2 to 5 px: a family of kernels never trained on"),
)
"""What `bench modalities` runs."""


def make_condition(name: str, hr: Tensor, picture: str, scale: int, seed: int) -> Sample:
    """Damage one picture.

    Args:
        name: of one of `CONDITIONS`.
        hr: `(1,3,H,W)` in 0..1, sides multiples of `scale`.
        picture: its name; with the seed it fixes everything random.
        scale: SR factor.
        seed: seed of the benchmark.
    """
    if name == "p2":
        return make_sample("p2", hr, picture, scale, seed)
    if name == "defocus":
        return make_sample("p3", hr, picture, scale, seed)
    size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
    if name in ("noise", "strong-noise"):
        field = p2_field(p2_parameters(picture, size, scale, seed), scale)
        std = (10 if name == "noise" else 25) / 255
        lr = add_gaussian_noise(degrade(hr, field.dense(), scale), std, seeded(seed, name, picture))
        return Sample(round_to_uint8(lr), field, None)
    if name == "strong-blur":
        maps = p2_parameters(picture, size, scale, seed)
        kernels = gaussian_kernels(1.5 * maps["s1"], 1.5 * maps["s2"], maps["theta"], scale)
        field = KernelField.from_dense(kernels, scale)
    elif name == "ring":
        field = ring_field(picture, size, scale, seed)
    else:
        known = ", ".join(c.name for c in CONDITIONS)
        raise InputError(f"Unknown condition {name!r}. Choose from {known}.")
    return Sample(round_to_uint8(degrade(hr, field.dense(), scale)), field, None)


def ring_field(picture: str, size: tuple[int, int], scale: int, seed: int) -> KernelField:
    """Rings (a mirror lens out of focus) whose radius varies smoothly from 2 to 5 px."""
    low, high = blur_sigma_range_px(scale)
    width = p2_parameters(picture, size, scale, seed)["s1"]
    radius = 2 + 3 * (width - low) / (high - low)
    x, y = window_offsets_px(scale)
    distance = (x.square() + y.square()).sqrt().view(1, -1, 1, 1)
    kernels = torch.exp(-0.5 * ((distance - radius[:, None]) / 0.7).square())
    return KernelField.from_dense(normalise_kernels(kernels), scale)
