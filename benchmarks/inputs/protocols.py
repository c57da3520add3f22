"""How the inputs of each protocol are made from full-size pictures.

p1   isotropic Gaussian, std 1.3 px at HR, then antialiased bicubic reduction
p2   smooth field of rotating anisotropic Gaussians, std sqrt(0.175 s)..sqrt(2.5 s) px
p2n  p2 plus Gaussian noise of std 5/255
p3   defocus driven by a depth map, then JPEG 80 (`defocus`: without the JPEG)
p4   real-world mix: second-order degradation in Real-ESRGAN's ranges

All end with rounding to 8 bit. Everything random is seeded by the seed and the picture's name.
"""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mmsr_core.degradation import (
    KernelField,
    add_gaussian_noise,
    degrade,
    degrade_second_order,
    gaussian_kernels,
)
from mmsr_core.errors import InputError
from mmsr_core.metrics import round_to_uint8

PROTOCOLS = ("p1", "p2", "p2n", "p3", "p4")
P1_BLUR_SIGMA_PX = 1.3
P2N_NOISE_STD = 5 / 255
P3_JPEG_QUALITY = 80
_RADIUS = 10


@dataclass(frozen=True)
class Sample:
    """One input and what is known about it."""

    lr: Tensor
    """`(1,3,h,w)`, 8-bit values in 0..1."""
    true_field: KernelField | None
    """The kernels it was made with; None where the protocol has none on this window (p1, p4)."""
    inverse_depth: Tensor | None
    """`(1,1,h,w)` that drove the defocus (p3), else None."""


def blur_sigma_range_px(scale: int) -> tuple[float, float]:
    """Smallest and largest std in HR px; MANet publishes the variances 0.175 s and 2.5 s."""
    return math.sqrt(0.175 * scale), math.sqrt(2.5 * scale)


def seeded(seed: int, *words: str) -> torch.Generator:
    """A CPU generator that depends on the seed and the words only."""
    digest = hashlib.sha256("\0".join((str(seed), *words)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def make_sample(
    protocol: str,
    hr: Tensor,
    name: str,
    scale: int,
    seed: int,
    *,
    inverse_depth: Tensor | None = None,
    parameters: dict[str, Tensor] | None = None,
) -> Sample:
    """Degrade one picture.

    Args:
        protocol: One of `PROTOCOLS`, or `defocus`.
        hr: `(1,3,H,W)` in 0..1, sides multiples of `scale`.
        name: The picture's name; with the seed it fixes everything random.
        scale: SR factor.
        seed: Seed of the whole benchmark.
        inverse_depth: `(1,1,h,w)` in 0..1 for p3 and defocus, else a seeded layout.
        parameters: `s1`, `s2`, `theta` maps for p2 and p2n instead of random ones.
    """
    size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
    if protocol == "p1":
        return Sample(_p1(hr, size), None, None)
    if protocol in ("p2", "p2n"):
        field = p2_field(parameters or p2_parameters(name, size, scale, seed), scale)
        lr = degrade(hr, field.dense(), scale)
        if protocol == "p2n":
            lr = add_gaussian_noise(lr, P2N_NOISE_STD, seeded(seed, "noise", name))
        return Sample(round_to_uint8(lr), field, None)
    if protocol in ("p3", "defocus"):
        depth = scene_layout(name, size, seed) if inverse_depth is None else inverse_depth
        field = defocus_field(depth, name, scale, seed)
        lr = round_to_uint8(degrade(hr, field.dense(), scale))
        lr = jpeg_file(lr, P3_JPEG_QUALITY) if protocol == "p3" else lr
        return Sample(lr, field, depth)
    if protocol == "p4":
        return Sample(degrade_second_order(hr, scale, seeded(seed, "p4", name)).lr, None, None)
    raise InputError(f"Unknown protocol {protocol!r}. Choose from {', '.join(PROTOCOLS)}.")


def p2_parameters(name: str, size: tuple[int, int], scale: int, seed: int) -> dict[str, Tensor]:
    """`s1`, `s2`, `theta` `(1,h,w)`: random 4x4 grids, enlarged bicubically and clamped."""
    low, high = blur_sigma_range_px(scale)
    generator = seeded(seed, "p2", name)
    maps: dict[str, Tensor] = {}
    for key, bottom, top in (("s1", low, high), ("s2", low, high), ("theta", 0.0, math.pi)):
        grid = bottom + (top - bottom) * torch.rand(1, 1, 4, 4, generator=generator)
        wide = F.interpolate(grid, size=size, mode="bicubic", align_corners=True)
        maps[key] = wide.clamp(bottom, top)[:, 0]
    return maps


def p2_field(parameters: dict[str, Tensor], scale: int) -> KernelField:
    """The true field of the given maps."""
    kernels = gaussian_kernels(parameters["s1"], parameters["s2"], parameters["theta"], scale)
    return KernelField.from_dense(kernels, scale)


def defocus_field(inverse_depth: Tensor, name: str, scale: int, seed: int) -> KernelField:
    """Defocus of a thin lens: the blur grows linearly with the distance in inverse depth.

    The focal plane is drawn per picture from 0..1. In focus the std is the smallest of p2's range,
    farthest from focus the largest. Gaussian kernels; occlusion at depth edges is not modelled.

    Args:
        inverse_depth: `(1,1,h,w)` in 0..1.
        name: The picture's name.
        scale: SR factor.
        seed: Seed of the whole benchmark.
    """
    low, high = blur_sigma_range_px(scale)
    focus = float(torch.rand(1, generator=seeded(seed, "focus", name)))
    distance = (inverse_depth[:, 0] - focus).abs() / max(focus, 1 - focus)
    blur_sigma_px = low + (high - low) * distance.clamp(0, 1)
    kernels = gaussian_kernels(blur_sigma_px, blur_sigma_px, torch.zeros_like(blur_sigma_px), scale)
    return KernelField.from_dense(kernels, scale)


def scene_layout(name: str, size: tuple[int, int], seed: int) -> Tensor:
    """A seeded stand-in for a depth map: tilted ground with three upright objects. `(1,1,h,w)`."""
    generator = seeded(seed, "layout", name)

    def draw(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand(1, generator=generator))

    rows = torch.linspace(0, 1, size[0])[:, None]
    cols = torch.linspace(0, 1, size[1])[None, :]
    depth = (rows - draw(0.2, 0.5)).clamp_min(0) + draw(-0.2, 0.2) * (cols - 0.5)
    depth = depth.clamp_min(0)
    for _ in range(3):
        x, y, radius = draw(0, 1), draw(0.3, 0.9), draw(0.08, 0.25)
        inside = ((cols - x) / radius) ** 2 + ((rows - y) / (1.5 * radius)) ** 2 < 1
        depth = torch.where(inside, depth.new_tensor(draw(0.1, 0.8)), depth)
    depth = (depth - depth.min()) / (depth.max() - depth.min()).clamp_min(1e-6)
    return depth[None, None]


def jpeg_file(image: Tensor, quality: int) -> Tensor:
    """`(1,3,h,w)` through a real JPEG file (4:2:0), in memory."""
    array = image[0].mul(255).round().byte().permute(1, 2, 0).numpy()
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format="JPEG", quality=quality)
    stream.seek(0)
    with Image.open(stream) as decoded:
        values = np.asarray(decoded.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(values).permute(2, 0, 1)[None].contiguous()


def _p1(hr: Tensor, size: tuple[int, int]) -> Tensor:
    line = torch.arange(-_RADIUS, _RADIUS + 1, dtype=hr.dtype)
    taps = torch.exp(-0.5 * (line / P1_BLUR_SIGMA_PX).square())
    taps = taps / taps.sum()
    planes = F.pad(hr, (_RADIUS,) * 4, mode="reflect").transpose(0, 1)
    planes = F.conv2d(F.conv2d(planes, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    blurred = planes.transpose(0, 1)
    small = F.interpolate(blurred, size=size, mode="bicubic", align_corners=False, antialias=True)
    return round_to_uint8(small)
