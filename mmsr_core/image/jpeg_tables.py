"""The quality a JPEG file was saved with, from its quantisation tables."""

from __future__ import annotations

import numpy as np
from PIL import Image

_ANNEX_K = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""The standard's example table for luma (ITU-T T.81, annex K), which libjpeg scales."""


def table_quality(image: Image.Image) -> float | None:
    """The libjpeg quality whose luma table is nearest to the file's.

    Programs with tables of their own get the quality that is as coarse on average.

    Args:
        image: an opened picture.

    Returns:
        1..100; None for files that are no JPEG.
    """
    tables = getattr(image, "quantization", None)
    if image.format not in ("JPEG", "MPO") or not tables:
        return None
    luma = np.sort(np.array(tables[min(tables)], float))  # the order of the entries is no matter
    base = np.sort(np.array(_ANNEX_K, float).ravel())
    if luma.shape != base.shape:
        return None
    inside = (luma > 1) & (luma < 255)  # neither rounded up to 1 nor cut at 255
    if not inside.any():
        return 100.0 if luma.max() <= 1 else 1.0
    percent = 100 * float(np.sum(luma[inside]) / np.sum(base[inside]))
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return float(np.clip(quality, 1, 100))
