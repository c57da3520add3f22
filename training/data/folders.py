"""Folders of ordinary picture files, made ready for training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from mmsr_core.errors import InputError
from mmsr_core.image import INPUT_SUFFIXES, load_image, resize_bicubic
from mmsr_core.image.plugins import BY_SUFFIX


@dataclass(frozen=True)
class PictureRules:
    """What is taken, and how much of it."""

    min_side: int = 256
    """Shorter side in px below which a picture is left out."""
    short_side: int = 1080
    """Larger pictures are reduced to this shorter side."""
    longest: float = 2.0
    """Longest side as a multiple of the shorter; the middle of longer pictures is kept."""
    min_quality: float = 80.0
    """JPEG files of a lower quality (1..100) are reduced to half, which hides their blocks."""
    max_megapixels: float = 64.0
    """Larger files are left out unread: reading takes some 36 bytes a pixel."""


def find_pictures(folder: Path) -> list[Path]:
    """Picture files in a folder and below it, sorted; hidden files and folders are passed over."""
    suffixes = INPUT_SUFFIXES | BY_SUFFIX.keys()  # without its plugin a file is named, not hidden
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in suffixes
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def to_image(rgb: Tensor) -> Image.Image:
    """A picture `(1,3,H,W)` in 0..1, rounded to 8 bits."""
    values = rgb[0].permute(1, 2, 0).clamp(0, 1).mul(255).round()
    return Image.fromarray(values.numpy().astype(np.uint8))


def read_training_picture(path: Path, rules: PictureRules) -> Image.Image:
    """Read a picture file and reduce it to what training needs.

    Args:
        path: any file that `mmsr_core.image.load_image` reads.
        rules: see `PictureRules`.

    Returns:
        RGB, 8 bits; the shorter side is at least `min_side` and at most `short_side` px. Under
        transparent pixels lies the visible colour around them.

    Raises:
        InputError: the file cannot be read, is cut off, or is too small.
    """
    loaded = load_image(path, round(rules.max_megapixels * 1e6))
    if not loaded.complete:
        raise InputError(f"{path} ends too soon. Expected a whole picture.")
    height, width = loaded.size
    coarse = loaded.jpeg_quality is not None and loaded.jpeg_quality < rules.min_quality
    factor = min(1.0, rules.short_side / min(height, width), 0.5 if coarse else 1.0)
    size = (round(height * factor), round(width * factor))
    if min(size) < rules.min_side:
        after = f", {size[1]}x{size[0]} after halving a coarse JPEG" if coarse else ""
        raise InputError(
            f"{path} has {width}x{height} px{after}. Expected a shorter side of at least "
            f"{rules.min_side} px (--min-side)."
        )
    whole = to_image(resize_bicubic(loaded.visible_rgb, size))
    longest = round(min(size) * rules.longest)
    left, top = max(0, whole.width - longest) // 2, max(0, whole.height - longest) // 2
    right, bottom = min(whole.width, left + longest), min(whole.height, top + longest)
    return whole.crop((left, top, right, bottom))
