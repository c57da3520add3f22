"""Factors between sizes. No host import."""

from __future__ import annotations

import math

MAX_SCALE = 16


def whole_scale(scale: float) -> int:
    """The next whole factor, 1..16."""
    return min(MAX_SCALE, max(1, math.ceil(scale - 1e-6)))


def whole_factor(small: tuple[int, int], large: tuple[int, int]) -> int | None:
    """The whole factor between two sizes (width, height), None where there is none up to 16."""
    factor = large[0] // max(1, small[0])
    fits = (small[0] * factor, small[1] * factor) == tuple(large)
    return factor if fits and 1 <= factor <= MAX_SCALE else None
