"""Pictures that are no photographs: text, drawings, screens, pixel art, gradients, print and cloth.

Rendered by Pillow and NumPy. They are clean by construction, which photographs never are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FONT_FOLDERS = ("/usr/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?()-+"
_SMOOTHING = 3
"""Shapes are drawn this much larger and reduced."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]


def drawing(size: int, rng: np.random.Generator) -> np.ndarray:
    """A random picture `(size,size,3)` uint8 of one of the kinds in `KINDS`."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    return np.asarray(kind(size, rng).convert("RGB"))


def text_page(size: int, rng: np.random.Generator) -> Image.Image:
    """Lines of random words in one or two fonts."""
    paper, ink = _paper_and_ink(rng)
    image = Image.new("RGB", (size, size), paper)
    draw = ImageDraw.Draw(image)
    y = int(rng.integers(-6, 6))
    while y < size:
        height = int(rng.integers(9, 34))
        font = _font(height, int(rng.integers(1 << 16)))
        words = ("".join(rng.choice(list(_LETTERS), rng.integers(1, 9))) for _ in range(16))
        draw.text((int(rng.integers(-20, 10)), y), " ".join(words), fill=ink, font=font)
        y += int(height * rng.uniform(1.1, 1.8))
    return image


def line_art(size: int, rng: np.random.Generator) -> Image.Image:
    """Smooth curves in ink, some closed and filled with a flat colour, as in cartoons."""
    big = size * _SMOOTHING
    paper, ink = _paper_and_ink(rng)
    image = Image.new("RGB", (big, big), paper)
    draw = ImageDraw.Draw(image)
    filled = rng.random() < 0.6
    for _ in range(int(rng.integers(4, 14))):
        points = _curve(big, rng)
        if filled and rng.random() < 0.7:
            draw.polygon(points, fill=_colour(rng))
        width = int(rng.integers(1, 4) * _SMOOTHING)
        draw.line([*points, points[0]], fill=ink, width=width, joint="curve")
    return image.resize((size, size), Image.Resampling.BOX)


def screen(size: int, rng: np.random.Generator) -> Image.Image:
    """Windows, buttons and labels with hard edges."""
    image = Image.new("RGB", (size, size), _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(5, 18))):
        x, y = rng.integers(-10, size, 2)
        w, h = rng.integers(8, size // 2 + 9, 2)
        box = (int(x), int(y), int(x + w), int(y + h))
        outline = _colour(rng) if rng.random() < 0.6 else None
        draw.rounded_rectangle(box, int(rng.integers(0, 6)), _colour(rng), outline)
        if rng.random() < 0.6:
            words = "".join(rng.choice(list(_LETTERS), 8))
            font = _font(int(rng.integers(9, 18)), int(rng.integers(1 << 16)))
            draw.text((int(x) + 3, int(y) + 2), words, fill=_colour(rng), font=font)
    return image


def sprite(size: int, rng: np.random.Generator) -> Image.Image:
    """Pixel art: few colours, whole blocks of 1 to 8 px."""
    block = int(rng.choice((1, 1, 2, 3, 4, 6, 8)))
    cells = -(-size // block)
    palette = rng.integers(0, 256, (int(rng.integers(2, 10)), 3), dtype=np.uint8)
    coarse = rng.integers(0, len(palette), (cells // 3 + 2, cells // 3 + 2))
    index = coarse.repeat(3, 0).repeat(3, 1)[:cells, :cells]
    own = rng.random((cells, cells)) < rng.uniform(0.05, 0.4)
    index = np.where(own, rng.integers(0, len(palette), (cells, cells)), index)
    if rng.random() < 0.5:  # symmetric, as characters are
        index[:, cells // 2 :] = index[:, : cells - cells // 2][:, ::-1]
    pixels = palette[index].repeat(block, 0).repeat(block, 1)[:size, :size]
    return Image.fromarray(np.ascontiguousarray(pixels))


def gradient(size: int, rng: np.random.Generator) -> Image.Image:
    """Flat colour or a soft slope, with a few shapes or none."""
    angle, y, x = rng.uniform(0, math.tau), *np.mgrid[0:size, 0:size] / size
    slope = math.cos(angle) * x + math.sin(angle) * y
    low, high = np.array(_colour(rng)), np.array(_colour(rng))
    if rng.random() < 0.3:
        high = low
    level = low + (high - low) * ((slope - slope.min()) / np.ptp(slope))[..., None]
    image = Image.fromarray(level.round().astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 4))):
        x0, y0 = (int(v) for v in rng.integers(0, size, 2))
        side = int(rng.integers(6, size // 2))
        draw.ellipse((x0, y0, x0 + side, y0 + side), fill=_colour(rng))
    return image


def halftone(size: int, rng: np.random.Generator) -> Image.Image:
    """A gradient as a printer's screen of dots shows it, one angle for each ink or one for all."""
    big = size * _SMOOTHING
    tone = np.asarray(gradient(size, rng).resize((big, big)), np.float32) / 255
    period = rng.uniform(2.5, 8) * _SMOOTHING
    angles = rng.uniform(0, math.tau, 3) if rng.random() < 0.5 else [rng.uniform(0, math.tau)] * 3
    y, x = np.mgrid[0:big, 0:big] * (math.tau / period)
    inks = np.empty_like(tone)
    for channel, angle in enumerate(angles):
        across = np.cos(math.cos(angle) * x + math.sin(angle) * y)
        down = np.cos(math.cos(angle) * y - math.sin(angle) * x)
        inks[..., channel] = (across + down) / 4 + 0.5 < tone[..., channel]
    image = Image.fromarray((inks * 255).astype(np.uint8))
    return image.resize((size, size), Image.Resampling.BOX)


def cloth(size: int, rng: np.random.Generator) -> Image.Image:
    """Threads or stitches over and under each other, uneven as cloth is, in up to three colours."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    x, y = x + _waves(size, rng), y + _waves(size, rng)
    angle = rng.uniform(0, math.tau)
    along = math.cos(angle) * x + math.sin(angle) * y
    across = math.cos(angle) * y - math.sin(angle) * x
    wide, high = rng.uniform(2.2, 9, 2)
    shift = rng.choice([0.0, math.pi])  # of every other row: stitches, or a plain weave
    row = np.floor(across / high)
    height = np.cos(math.tau * along / wide + shift * row) * rng.uniform(0.2, 1)
    height += np.cos(math.tau * across / high) * rng.uniform(0.2, 1)
    threads = rng.normal(0, rng.uniform(0, 0.4), 4 * size)
    height += threads[row.astype(int) % len(threads)]
    colours = np.array([_colour(rng) for _ in range(3)], np.float32)
    which = np.clip(np.round(1 + _waves(size, rng) * rng.uniform(0, 2)), 0, 2).astype(int)
    light = 1 + rng.uniform(0.05, 0.35) * height[..., None]
    pixels = (40 + 0.7 * colours[which]) * light
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _waves(size: int, rng: np.random.Generator) -> np.ndarray:
    """`(size,size)` float32: smooth hills and valleys of about one px."""
    coarse = rng.normal(0, 1, (5, 5)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


KINDS: tuple[Callable[[int, np.random.Generator], Image.Image], ...] = (
    text_page,
    line_art,
    screen,
    sprite,
    gradient,
    halftone,
    cloth,
)


def _colour(rng: np.random.Generator) -> Colour:
    if rng.random() < 0.2:
        return ((0, 0, 0), (255, 255, 255))[int(rng.integers(2))]
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def _paper_and_ink(rng: np.random.Generator) -> tuple[Colour, Colour]:
    if rng.random() < 0.6:
        return (255, 255, 255), (0, 0, 0)
    return _colour(rng), _colour(rng)


def _curve(size: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """A closed curve of a few harmonics."""
    turn = np.linspace(0, math.tau, 90, endpoint=False)
    x0, y0, radius = *rng.uniform(0, size, 2), size * rng.uniform(0.05, 0.4)
    x, y = np.cos(turn), np.sin(turn)
    for k in range(2, 5):
        a, b = rng.normal(0, 0.3 / k, 2)
        x, y = x + a * np.cos(k * turn + b * 9), y + b * np.sin(k * turn + a * 9)
    return list(zip((x0 + radius * x).tolist(), (y0 + radius * y).tolist(), strict=True))


@lru_cache(maxsize=1)
def _font_files() -> tuple[Path, ...]:
    files = (f for folder in _FONT_FOLDERS for f in sorted(Path(folder).rglob("*.ttf")))
    return tuple(files)


@lru_cache(maxsize=256)
def _font(height_px: int, pick: int) -> Font:
    files = _font_files()
    if not files:
        return ImageFont.load_default()
    return ImageFont.truetype(str(files[pick % len(files)]), height_px)
