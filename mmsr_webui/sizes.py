"""Factors between sizes. No host import."""

from __future__ import annotations

from mmsr_core.types import MAX_SCALE


def whole_scale(scale: float) -> int:
    """The next whole factor, 1..16: a host enlarges by itself what is left."""
    from mmsr_core.image.target import next_whole_factor

    return min(MAX_SCALE, next_whole_factor(scale))


def whole_factor(small: tuple[int, int], large: tuple[int, int]) -> int | None:
    """The whole factor between two sizes (width, height), None where there is none up to 16."""
    factor = large[0] // max(1, small[0])
    fits = (small[0] * factor, small[1] * factor) == tuple(large)
    return factor if fits and 1 <= factor <= MAX_SCALE else None
