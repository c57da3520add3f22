"""Textures for the procedural scenes: noise, stripes, checks, bricks and crops of photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.floating]
SIZE = 256
LEVELS = 7
MASK_SIZE = 64


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
    value = rng.uniform(0.1, 0.95)
    tint = rng.normal(0, rng.choice([0.04, 0.15]), 3)
    return np.clip(value + tint, 0.02, 1).astype(np.float32)


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
        if rng.random() < 0.5:
            mix = (mix > rng.uniform(0.3, 0.7)).astype(np.float32)
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
    return np.asarray(
        crop.resize(
            (SIZE, SIZE), Image.Resampling.BOX if side > SIZE else Image.Resampling.BILINEAR
        )
    )


class TextureBank:
    """Textures and cut-out masks, made once and shared by many scenes.

    Textures are stored as one flat mip pyramid: all pixels of a picture are looked up at once.
    """

    def __init__(
        self,
        photos: Sequence[NDArray[np.uint8]] = (),
        procedural: int = 48,
        seed: int = 0,
    ) -> None:
        """Build the bank.

        Args:
            photos: `(h,w,3)` uint8 pictures; one crop of each becomes a texture.
            procedural: number of generated textures.
            seed: of the generated textures and the crops.
        """
        rng = np.random.default_rng(seed)
        textures = [procedural_texture(rng) for _ in range(procedural)]
        textures += [photo_crop(photo, rng) for photo in photos]
        self.procedural = procedural
        self.count = len(textures)
        level = np.stack(textures)
        levels, self._offsets, total = [], [], 0
        for _ in range(LEVELS):
            self._offsets.append(total)
            levels.append(level.reshape(-1, 3))
            total += levels[-1].shape[0]
            half = level.astype(np.uint16)
            half = (
                half[:, 0::2, 0::2]
                + half[:, 1::2, 0::2]
                + half[:, 0::2, 1::2]
                + half[:, 1::2, 1::2]
            )
            level = ((half + 2) // 4).astype(np.uint8)
        self._texels = np.concatenate(levels)
        self.masks = np.stack([_blob_mask(rng) for _ in range(24)])

    def sample(
        self, index: NDArray, u: FloatArray, v: FloatArray, footprint: FloatArray
    ) -> FloatArray:
        """Bilinear look-up, mirrored outside 0..1.

        Args:
            index: texture of each sample, `(n,)`.
            u: horizontal coordinate, one texture per unit.
            v: vertical coordinate.
            footprint: width of the sample in texture units; chooses the mip level.

        Returns:
            Colours `(n,3)` in 0..1.
        """
        wanted = np.log2(np.maximum(footprint * SIZE, 1e-6))
        level = np.clip(np.ceil(wanted - 0.3), 0, LEVELS - 1).astype(np.int32)
        size = (SIZE >> level).astype(np.int32)
        base = np.asarray(self._offsets, np.int64)[level] + index.astype(np.int64) * size * size
        x0, x1, ax = _mirrored(u, size)
        y0, y1, ay = _mirrored(v, size)
        row0, row1 = base + y0 * size, base + y1 * size
        texels = self._texels
        top = texels[row0 + x0] * (1 - ax) + texels[row0 + x1] * ax
        bottom = texels[row1 + x0] * (1 - ax) + texels[row1 + x1] * ax
        return (top * (1 - ay) + bottom * ay) * np.float32(1 / 255)


def _mirrored(
    coordinate: FloatArray, size: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]:
    folded = 1 - np.abs(np.mod(coordinate, 2) - 1)
    position = np.clip(folded * size - 0.5, 0, size - 1).astype(np.float32)
    low = position.astype(np.int32)
    return low, np.minimum(low + 1, size - 1), (position - low)[:, None]


def _blob_mask(rng: np.random.Generator) -> NDArray[np.bool_]:
    """A leafy or rounded outline, `(MASK_SIZE,MASK_SIZE)`."""
    y, x = np.mgrid[0:MASK_SIZE, 0:MASK_SIZE] / (MASK_SIZE - 1) * 2 - 1
    radius = (np.abs(x) ** rng.uniform(1.5, 4) + np.abs(y) ** rng.uniform(1.5, 4)) * rng.uniform(
        0.9, 1.3
    )
    return (
        radius
        + rng.uniform(0.2, 2.0) * (fractal_noise(rng, MASK_SIZE, rng.uniform(0.8, 1.6)) - 0.5)
        < 0.9
    )
