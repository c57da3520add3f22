"""Pictures damaged as those that people have, for training and testing the damage estimator.

Beside the family of `mmsr_core.degradation.synthesis` (which has kernels as truth), this one has
what cameras, phones, editors and web sites do: noise that is grey, correlated or follows the light,
JPEG off the grid, resized or twice, sharpening halos, drawings, and grey or undamaged pictures.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter, uniform_filter1d
from torch import Tensor

from mmsr_core.image.luma import LUMA_WEIGHTS

from .drawings import drawing
from .photos import Photo

NoiseKind = Literal["none", "independent", "grey", "correlated", "light"]
NOISE_KINDS: tuple[NoiseKind, ...] = get_args(NoiseKind)
"""Independent in each channel, the same in all, correlated over 2 to 5 px, following the light."""
JpegKind = Literal["none", "grid", "off", "resized", "twice"]
JPEG_KINDS: tuple[JpegKind, ...] = get_args(JpegKind)
"""On the grid of the picture, cropped off it, resized afterwards, twice with two qualities."""
_FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)
_MARGIN = 16
"""Px around the picture that cropping and blurring use up."""
_SHRINK_MOST = 5.0


@dataclass(frozen=True)
class DamageShares:
    """How often each kind of damage comes."""

    drawings: float = 0.4
    grey: float = 0.15
    noise: tuple[float, ...] = (0.4, 0.18, 0.13, 0.18, 0.11)
    """In the order of `NOISE_KINDS`."""
    jpeg: tuple[float, ...] = (0.42, 0.26, 0.16, 0.1, 0.06)
    """In the order of `JPEG_KINDS`."""
    blur: float = 0.45
    halo: float = 0.08
    """Sharpened by unsharp masking..."""
    halo_amount: tuple[float, float] = (0.3, 1.5)
    halo_radius_px: tuple[float, float] = (0.6, 2.0)
    """...log-uniform..."""
    noisy_halo: float = 0.0
    """...with its noise, as cameras do it, not before it."""
    faded: float = 0.15
    """Less contrast, at any brightness."""
    harsh: float = 0.12
    """More contrast: much of the picture is black or white, and hides its noise."""
    bars: float = 0.08
    """A border or bars, drawn over the noise. What counts is the noise of the picture."""
    noise_std: tuple[float, float] = (0.8, 60.0)
    """Log-uniform, grey levels of 255."""
    jpeg_quality: tuple[float, float] = (10.0, 96.0)
    blur_std_px: tuple[float, float] = (0.25, 4.5)


@dataclass(frozen=True)
class Damaged:
    """A batch of damaged pictures and the truth about them."""

    pictures: Tensor
    """`(B,3,h,w)`, 0..1, rounded to 8 bits."""
    noise_std: Tensor
    """`(B,1,h/4,w/4)`, 0..1 units: of each cell, before JPEG."""
    jpeg_quality: Tensor
    """`(B,)`, 100 where there is none."""
    blur_std_px: Tensor
    """`(B,)`, px of the picture."""
    sharpening: Tensor
    """`(B,2)`: amount of unsharp masking (0: none), and its radius, px of the picture."""


def damaged_batches(
    photos: list[Photo],
    batch: int,
    size: int,
    seed: int,
    shares: DamageShares | None = None,
) -> Iterator[Damaged]:
    """Endless batches.

    Args:
        photos: where three quarters of the pictures are cut from.
        batch: pictures a batch.
        size: px a side, a multiple of 4.
        seed: of everything.
        shares: how often each kind comes.
    """
    rng = np.random.default_rng(seed)
    shares = shares or DamageShares()
    while True:
        items = [_one(photos, size, rng, shares) for _ in range(batch)]
        pictures, noise, quality, blur, sharpening = zip(*items, strict=True)
        yield Damaged(
            torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(255).contiguous(),
            torch.from_numpy(np.stack(noise))[:, None].float() / 255,
            torch.tensor(quality, dtype=torch.float32),
            torch.tensor(blur, dtype=torch.float32),
            torch.tensor(sharpening, dtype=torch.float32),
        )


def _one(
    photos: list[Photo], size: int, rng: np.random.Generator, shares: DamageShares
) -> tuple[np.ndarray, np.ndarray, float, float, tuple[float, float]]:
    """Pixels `(size,size,3)` uint8, noise `(size/4,size/4)` in grey levels, quality, blur, halo."""
    jpeg_kind = JPEG_KINDS[_pick(rng, shares.jpeg)]
    noise_kind = NOISE_KINDS[_pick(rng, shares.noise)]
    resize = rng.uniform(0.55, 1.5) if jpeg_kind == "resized" else 1.0
    before = math.ceil((size + 2 * _MARGIN) / resize) + 2
    before += -before % 2
    if rng.random() < shares.drawings:
        clean = drawing(before, rng).astype(np.float32)
    else:
        clean = photo_crop(photos[int(rng.integers(len(photos)))], before, rng)
    grey = rng.random() < shares.grey
    clean = to_grey(clean) if grey else clean

    blur = 0.0
    if rng.random() < shares.blur:
        low, high = (math.log(v) for v in shares.blur_std_px)
        blur = math.exp(rng.uniform(low, high))
        clean = blurred(clean, blur, rng)
    amount, radius = 0.0, 1.0
    if rng.random() < shares.halo:
        amount, radius = (
            math.exp(rng.uniform(math.log(least), math.log(most)))
            for least, most in (shares.halo_amount, shares.halo_radius_px)
        )
    before_noise = rng.random() >= shares.noisy_halo
    if before_noise:
        clean = with_halo(clean, amount, radius)
    if shares.faded + shares.harsh:
        clean = with_contrast(clean, rng, shares)
    low, high = (math.log(v) for v in shares.noise_std)
    std = math.exp(rng.uniform(low, high))
    noise = make_noise(clean, noise_kind, std, rng)
    noise = to_grey(noise) if grey else noise
    quality = float(rng.uniform(*shares.jpeg_quality)) if jpeg_kind != "none" else 100.0
    if not before_noise:
        clean, noise = (with_halo(part, amount, radius) for part in (clean, noise))
    shown = clean + noise
    if shares.bars and rng.random() < shares.bars:
        shown = with_bars(shown, rng)
    pixels = coded(shown, jpeg_kind, quality, rng, grey)
    if resize != 1:
        pixels, noise = _resized(pixels, noise, resize, rng)
        blur, radius = blur * resize, radius * resize

    off = jpeg_kind in ("off", "resized")
    top, left = (int(v) for v in (rng.integers(0, 8, 2) if off else (0, 0)))
    top, left = top + _MARGIN, left + _MARGIN  # the margin is two blocks of 8: still on the grid
    window = np.s_[top : top + size, left : left + size]
    cells = np.square(noise[window]).mean(2).reshape(size // 4, 4, size // 4, 4)
    local = np.sqrt(uniform_filter(cells.mean((1, 3)), 9, mode="nearest"))
    return np.ascontiguousarray(pixels[window]), local, quality, blur, (amount, radius)


def photo_crop(photo: Photo, size: int, rng: np.random.Generator) -> np.ndarray:
    """`(size,size,3)` float32, 0..255: reduced by 1.6 to 5.

    That leaves little damage, and of cloth, grass and gravel a texture as fine as noise.
    """
    height, width = photo.pixels.shape[:2]
    factor = min(
        math.exp(rng.uniform(math.log(1.6), math.log(_SHRINK_MOST))), min(height, width) / size
    )
    span = min(math.ceil(size * factor), height, width)
    top, left = int(rng.integers(height - span + 1)), int(rng.integers(width - span + 1))
    image = Image.fromarray(photo.pixels[top : top + span, left : left + span])
    kind = _FILTERS[int(rng.integers(len(_FILTERS)))]
    pixels = np.asarray(image.resize((size, size), kind), np.float32)
    turned = np.rot90(pixels, int(rng.integers(4)))
    return np.ascontiguousarray(turned[:, ::-1] if rng.integers(2) else turned)


def to_grey(picture: np.ndarray) -> np.ndarray:
    """`(h,w,3)` with equal channels: the luma."""
    luma = picture @ np.array(LUMA_WEIGHTS, np.float32)
    return np.repeat(luma[..., None], 3, 2)


def blurred(picture: np.ndarray, std_px: float, rng: np.random.Generator) -> np.ndarray:
    """Blur `(h,w,3)` by a Gaussian, round or not, or by a motion, of this mean std."""
    if rng.random() < 0.5:
        return gaussian_filter(picture, (std_px, std_px, 0), mode="reflect", truncate=3)
    ratio = math.exp(rng.uniform(0, math.log(3)))  # along the axes; pictures are turned at random
    along, across = std_px * math.sqrt(ratio), std_px / math.sqrt(ratio)
    if rng.random() < 0.3:  # a motion of length l has std l / sqrt(12)
        length = max(1, round(along * math.sqrt(12)))
        moved = uniform_filter1d(picture, length, 0, mode="reflect")
        return gaussian_filter(moved, (across, across, 0), mode="reflect", truncate=3)
    return gaussian_filter(picture, (along, across, 0), mode="reflect", truncate=3)


def with_halo(picture: np.ndarray, amount: float, radius_px: float) -> np.ndarray:
    """`(h,w,3)` after unsharp masking, as cameras and editors do it; not clamped."""
    if not amount:
        return picture
    soft = gaussian_filter(picture, (radius_px, radius_px, 0), mode="reflect")
    return picture + amount * (picture - soft)


def with_contrast(
    picture: np.ndarray, rng: np.random.Generator, shares: DamageShares
) -> np.ndarray:
    """`(h,w,3)`: faded, or so harsh that much of it is black or white, or as it is."""
    kind = rng.random()
    if kind < shares.faded:
        gain = rng.uniform(0.25, 1)
        return gain * picture + (1 - gain) * rng.uniform(0, 255)
    if kind < shares.faded + shares.harsh:
        gain, middle = rng.uniform(1.2, 4), rng.choice(picture.reshape(-1))
        return np.clip(128 + gain * (picture - middle), 0, 255)
    return picture


def with_bars(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`(h,w,3)` with one to four of its sides covered: black, white, grey or coloured."""
    covered = picture.copy()
    side = len(picture)
    colour = rng.uniform(0, 255, 3) if rng.random() < 0.3 else rng.choice([0.0, 255.0, 128.0])
    for turn in rng.permutation(4)[: rng.integers(1, 5)]:
        wide = _MARGIN + int(rng.uniform(0.03, 0.3) * (side - 2 * _MARGIN))
        np.rot90(covered, turn)[:wide] = colour
    return covered


def make_noise(
    picture: np.ndarray, kind: NoiseKind, std: float, rng: np.random.Generator
) -> np.ndarray:
    """Noise `(h,w,3)` of this standard deviation in grey levels; "light": at middle grey."""
    h, w, _ = picture.shape
    if kind == "none":
        return np.zeros_like(picture)
    noise = rng.standard_normal((h, w, 3)).astype(np.float32)
    if kind == "grey" or (kind != "independent" and rng.random() < 0.4):
        noise = np.repeat(noise[..., :1], 3, 2)
    if kind == "correlated" or (kind == "light" and rng.random() < 0.3):
        if rng.random() < 0.5:
            wide = rng.uniform(0.4, 1.4)
            noise = gaussian_filter(noise, (wide, wide, 0), mode="wrap")
        else:
            for axis, side in enumerate(rng.integers(2, 5, 2)):
                noise = uniform_filter1d(noise, int(side), axis, mode="wrap")
        noise /= noise.std()
    if kind == "light":
        fixed = rng.uniform(0, 0.5)
        light = (
            gaussian_filter(picture, (1, 1, 0)).clip(0) / 127.5
        )  # halos may be darker than black
        noise *= np.sqrt(fixed + (1 - fixed) * light)
    return noise * std


def coded(
    picture: np.ndarray,
    kind: JpegKind,
    quality: float,
    rng: np.random.Generator,
    grey: bool = False,
) -> np.ndarray:
    """`(h,w,3)` uint8: rounded, and coded by JPEG at this quality unless the kind is "none"."""
    pixels = np.clip(picture.round(), 0, 255).astype(np.uint8)
    if kind == "none":
        return pixels
    if kind == "twice":  # the second, better one leaves the damage of the first
        pixels = _jpeg(pixels, quality, rng, grey)
        shift = int(rng.integers(0, 8))
        pixels = np.roll(pixels, (shift, shift), (0, 1))
        return np.roll(_jpeg(pixels, rng.uniform(quality, 98), rng, grey), (-shift, -shift), (0, 1))
    return _jpeg(pixels, quality, rng, grey)


def _jpeg(pixels: np.ndarray, quality: float, rng: np.random.Generator, grey: bool) -> np.ndarray:
    image = Image.fromarray(pixels)
    if grey and rng.random() < 0.7:
        image = image.convert("L")
    buffer = io.BytesIO()
    subsampling = 2 if rng.random() < 0.6 else 0
    image.save(buffer, "JPEG", quality=round(quality), subsampling=subsampling)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _resized(
    pixels: np.ndarray, noise: np.ndarray, factor: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The picture and its noise, resized alike."""
    side = round(pixels.shape[0] * factor)
    kind = _FILTERS[int(rng.integers(len(_FILTERS)))]
    planes = (Image.fromarray(np.ascontiguousarray(noise[..., c])) for c in range(3))
    small = [np.asarray(plane.resize((side, side), kind)) for plane in planes]
    image = Image.fromarray(pixels).resize((side, side), kind)
    return np.asarray(image), np.stack(small, 2)


def _pick(rng: np.random.Generator, shares: tuple[float, ...]) -> int:
    weights = np.array(shares, float)
    return int(rng.choice(len(shares), p=weights / weights.sum()))
