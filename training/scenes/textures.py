"""Textures for the scenes: noise, stripes, checks, bricks, and crops of photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.floating]
SIZE = 256


def fractal_noise(rng: np.random.Generator, size: int, beta: float) -> FloatArray:
    """Periodic noise with amplitude spectrum 1/f^beta, mapped to 0..1, `(size,size)`."""
    fy = np.fft.fftfreq(size)[:, None]
    fx = np.fft.rfftfreq(size)[None, :]
    amplitude = 1.0 / np.maximum(np.hypot(fy, fx), 1.0 / size) ** beta
    spectrum = amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape))
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(size, size))
    return np.clip(0.5 + field / (4.0 * field.std() + 1e-9), 0, 1).astype(np.float32)


def random_colour(rng: np.random.Generator) -> FloatArray:
    """A colour of moderate saturation, `(3,)` in 0..1."""
    value = rng.uniform(0.15, 0.9)
    tint = rng.normal(0, rng.choice([0.04, 0.15]), 3)
    return np.clip(value + tint, 0.05, 0.95).astype(np.float32)


def procedural_texture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """One random `(SIZE,SIZE,3)` texture."""
    kind = rng.choice(
        ["noise", "stripes", "checks", "bricks", "plain"], p=[0.4, 0.12, 0.1, 0.13, 0.25]
    )
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    if kind == "noise":
        mix = fractal_noise(rng, SIZE, rng.uniform(0.5, 1.8))
    elif kind == "stripes":
        along = x if rng.random() < 0.5 else y
        mix = 0.5 + 0.5 * np.sin(2 * np.pi * along * rng.integers(2, 16))
    elif kind == "checks":
        n = int(rng.integers(2, 9))
        mix = ((np.floor(x * 2 * n) + np.floor(y * 2 * n)) % 2).astype(np.float32)
    elif kind == "bricks":
        rows, columns = int(rng.integers(2, 7)) * 2, int(rng.integers(2, 6))
        offset = 0.5 * (np.floor(y * rows) % 2)
        gap = rng.uniform(0.04, 0.15)
        inside = ((y * rows) % 1 > gap) & ((x * columns + offset) % 1 > gap * columns / rows)
        mix = inside.astype(np.float32)
    else:
        mix = 0.15 * fractal_noise(rng, SIZE, rng.uniform(0.8, 2.0))
    first, second = random_colour(rng), random_colour(rng)
    picture = first + (second - first) * mix[..., None]
    picture = picture + rng.uniform(0, 0.15) * (fractal_noise(rng, SIZE, 0.7)[..., None] - 0.5)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def photo_crop(photo: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random square crop of a photograph, resized to `(SIZE,SIZE,3)`."""
    height, width = photo.shape[:2]
    side = int(min(height, width) * rng.uniform(0.25, 1.0))
    top = int(rng.integers(0, height - side + 1))
    left = int(rng.integers(0, width - side + 1))
    crop = Image.fromarray(photo[top : top + side, left : left + side])
    method = Image.Resampling.BOX if side > SIZE else Image.Resampling.BILINEAR
    return np.array(crop.resize((SIZE, SIZE), method))  # Mitsuba takes no read-only array


class TextureBank:
    """Textures, made once and shared by many scenes."""

    def __init__(
        self, photos: Sequence[NDArray[np.uint8]] = (), procedural: int = 48, seed: int = 0
    ) -> None:
        """Build the bank.

        Args:
            photos: `(h,w,3)` uint8 pictures; one crop of each becomes a texture.
            procedural: number of generated textures.
            seed: of the generated textures and the crops.
        """
        rng = np.random.default_rng(seed)
        self.textures = [procedural_texture(rng) for _ in range(procedural)]
        """Each `(SIZE,SIZE,3)` uint8."""
        self.textures += [photo_crop(photo, rng) for photo in photos]
