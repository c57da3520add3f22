"""Gamma of PNG files (gAMA): what it says of their values, and those values in sRGB."""

from __future__ import annotations

import numpy as np
from PIL import Image

_SRGB_GAMMA = 1 / 2.2
_ALIKE = 0.05
"""A gamma that differs from sRGB's by no more than this share is taken for it, as libpng does."""
_SANE = (0.1, 10.0)
_LINEAR_END, _LINEAR_SLOPE = 0.0031308, 12.92
_POWER, _OFFSET = 1 / 2.4, 0.055
"""The transfer curve of sRGB (IEC 61966-2-1)."""


def file_gamma(image: Image.Image) -> float | None:
    """The gamma by which a PNG file's values are to be understood, where that is not sRGB.

    What the file says in an sRGB or iCCP chunk counts instead of its gAMA (PNG specification,
    "Colour space information").

    Args:
        image: an opened picture.

    Returns:
        The exponent from light to values, such as 1 for values in proportion to light; None where
        there is none, or it is sRGB's.
    """
    gamma = image.info.get("gamma")
    if image.format != "PNG" or not isinstance(gamma, (int, float)):
        return None
    if image.info.get("icc_profile") or "srgb" in image.info:
        return None
    if not _SANE[0] <= gamma <= _SANE[1] or abs(gamma / _SRGB_GAMMA - 1) <= _ALIKE:
        return None
    return float(gamma)


def in_srgb(pixels: np.ndarray, gamma: float) -> np.ndarray:
    """Values of a gamma as sRGB has them; alpha stays.

    Args:
        pixels: `(H,W,C)` float32 in 0..1, C = 1 grey, 2 grey+alpha, 3 RGB or 4 RGBA.
        gamma: from `file_gamma`.

    Returns:
        The same shape, float32 in 0..1.
    """
    colours = 1 if pixels.shape[2] < 3 else 3
    light = pixels[..., :colours] ** np.float32(1 / gamma)
    curve = (1 + _OFFSET) * np.maximum(light, _LINEAR_END) ** np.float32(_POWER) - _OFFSET
    made = np.where(light <= _LINEAR_END, _LINEAR_SLOPE * light, curve)
    return np.concatenate((made, pixels[..., colours:]), axis=2).astype(np.float32)
