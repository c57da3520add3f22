"""Which size a picture is worked at, so that the page answers within about a minute. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmsr_core.errors import InputError
from mmsr_core.image import TargetSize

_GROWTH = (4, 2)
"""Scales that `Auto` tries, the best trained first."""
_AUTO_PIXELS = {"cpu": 4_000_000}
_AUTO_PIXELS_GPU = 24_000_000


@dataclass(frozen=True)
class SizePlan:
    """How a picture is worked on. Sizes are (height, width) in pixels."""

    given: tuple[int, int]
    work: tuple[int, int]
    """The size it is restored from: `given`, or smaller for large photographs."""
    scale: int
    wanted: tuple[int, int] | None = None
    """The size that was asked for; None for `scale` times `work`."""

    @property
    def result(self) -> tuple[int, int]:
        """The size of the result."""
        return self.wanted or (self.work[0] * self.scale, self.work[1] * self.scale)

    @property
    def is_reduced(self) -> bool:
        """Whether the picture is reduced first."""
        return self.work != self.given

    def words(self, duration: str) -> str:
        """What will be made and how long it takes (`duration`), for people."""
        line = f"{_size(self.given)} → {_size(self.result)}"
        if self.is_reduced:
            return (
                f"{line} · {duration}. Your picture is large: it is reduced to "
                f"{_size(self.work)} first, to be quick. Choose ×1 or more under Enlarge to keep "
                "every pixel."
            )
        if self.wanted is not None:
            return f"{line} · {duration}"
        return f"{line} (×{self.scale}) · {duration}"


def suitable_pixels(device_type: str) -> int:
    """Pixels of the result that suit a machine: `cpu`, `cuda` or `mps`."""
    return _AUTO_PIXELS.get(device_type, _AUTO_PIXELS_GPU)


def plan_size(
    size: tuple[int, int],
    scale: int | None,
    auto_pixels: int,
    max_output_pixels: int,
    target: TargetSize | None = None,
) -> SizePlan:
    """Chooses scale and working size.

    With a scale, the picture is taken as it is. Without one, the largest of ×4 and ×2 whose
    result has at most `auto_pixels`; a picture too large even for ×2 is reduced first.

    Args:
        size: (height, width) of the picture.
        scale: 1..16, or None for `Auto`.
        auto_pixels: what `Auto` aims at.
        max_output_pixels: largest result.
        target: the size that is wanted; then `scale` does not count.

    Raises:
        InputError: The result would be too large.
    """
    height, width = size
    if target is not None:
        plan = SizePlan(size, size, target.scale(size), target.of(size))
        if math.prod(plan.result) > max_output_pixels:
            raise InputError(
                f"{_size(plan.result)} pixels are {math.prod(plan.result) / 1e6:.0f} megapixels; "
                f"the limit is {max_output_pixels / 1e6:.0f}. Ask for less."
            )
        return plan
    if scale is not None:
        plan = SizePlan(size, size, scale)
        if math.prod(plan.result) > max_output_pixels:
            raise InputError(
                f"At ×{scale} the result would have {_size(plan.result)} pixels "
                f"({math.prod(plan.result) / 1e6:.0f} megapixels); the limit is "
                f"{max_output_pixels / 1e6:.0f}. Choose a smaller scale, or Auto."
            )
        return plan
    budget = min(auto_pixels, max_output_pixels)
    for candidate in _GROWTH:
        if height * width * candidate**2 <= budget:
            return SizePlan(size, size, candidate)
    shrink = math.sqrt(budget / (height * width * 4))
    work = (max(1, math.floor(height * shrink)), max(1, math.floor(width * shrink)))
    return SizePlan(size, work, 2)


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]}×{size[0]}"
