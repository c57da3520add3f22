"""The size that is wanted of a result: a factor, a side, both sides, megapixels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError
from ..types import MAX_SCALE

NAMED_SIDES = {"HD": 1920, "2K": 2048, "4K": 3840, "5K": 5120, "8K": 7680}
"""Names of sizes and their longest side, px."""
_PATTERN = re.compile(r"(?:(?P<letter>[wh])?(?P<value>\d+(?:\.\d+)?)(?P<unit>x|mp|px|p)?)", re.I)

_BOTH_SIDES = re.compile(r"(?P<width>\d+)x(?P<height>\d+)(?:px)?", re.I)
_PIXEL, _SHARE = 1, 0.01
"""Two sides have a picture's proportions if one is off by no more than this."""


def next_whole_factor(factor: float, tolerance: float = 1e-6) -> int:
    """The whole factor at which to restore for any factor: the next one, at least 1.

    Args:
        factor: above 0; more than 16 is not refused here.
        tolerance: how far above a whole factor still counts as that one.
    """
    return max(1, math.ceil(factor - tolerance))


@dataclass(frozen=True)
class TargetSize:
    """A wanted size. The proportions of the picture stay."""

    kind: Literal["factor", "longest", "shortest", "width", "height", "pixels", "sides"]
    value: float
    """A factor, px, or a number of pixels in all; of both sides, the width."""
    height: int = 0
    """Of both sides."""

    @classmethod
    def parse(cls, text: str) -> TargetSize:
        """Read a size as people write it.

        Args:
            text: `4K` and the other `NAMED_SIDES`, `3000` or `3000px` (the longest side),
                `1080p` (the shorter side), `w3000`, `h2000`, `1600x1200` (width and height, in the
                picture's proportions), `12MP`, `1.5x` (also `x1.5`).

        Raises:
            InputError: it is none of these.
        """
        plain = text.strip().replace("×", "x")
        if plain[:1].lower() == "x":
            plain = f"{plain[1:]}x"
        side = NAMED_SIDES.get(plain.upper())
        if side is not None:
            return cls("longest", side)
        sides = _BOTH_SIDES.fullmatch(plain)
        if sides is not None and int(sides["width"]) and int(sides["height"]):
            return cls("sides", int(sides["width"]), int(sides["height"]))
        match = _PATTERN.fullmatch(plain)
        if match is not None:
            value, letter = float(match["value"]), (match["letter"] or "").lower()
            unit = (match["unit"] or "").lower()
            if letter and unit in ("", "px") and value >= 1:
                return cls("width" if letter == "w" else "height", value)
            if not letter and unit == "x" and value > 0:
                return cls("factor", value)
            if not letter and unit == "p" and value >= 1:
                return cls("shortest", value)
            if not letter and unit == "mp" and value > 0:
                return cls("pixels", value * 1e6)
            if not letter and unit in ("", "px") and value >= 1:
                return cls("longest", value)
        names = ", ".join(NAMED_SIDES)
        raise InputError(
            f"A size is one of {names}, 3000 (the longest side), 1080p (the shorter one), w3000, "
            f"h2000, 1600x1200, 12MP or 1.5x; got {text!r}."
        )

    def of(self, size: tuple[int, int]) -> tuple[int, int]:
        """The wanted (height, width) for a picture of this (height, width).

        Raises:
            InputError: two sides are wanted that have not the picture's proportions.
        """
        height, width = size
        if self.kind == "sides":
            return self._sides(height, width)
        factor = {
            "factor": self.value,
            "longest": self.value / max(size),
            "shortest": self.value / min(size),
            "width": self.value / width,
            "height": self.value / height,
            "pixels": math.sqrt(self.value / (height * width)),
        }[self.kind]
        return max(1, round(height * factor)), max(1, round(width * factor))

    def _sides(self, height: int, width: int) -> tuple[int, int]:
        asked = (self.height, round(self.value))
        by_width = (max(1, round(asked[1] * height / width)), asked[1])
        by_height = (asked[0], max(1, round(asked[0] * width / height)))
        for other in (by_width, by_height):
            for own, fitting in zip(asked, other, strict=True):
                if own != fitting and abs(own - fitting) > max(_PIXEL, _SHARE * fitting):
                    raise InputError(
                        f"{asked[1]}x{asked[0]} pixels have not the proportions of the picture, "
                        f"{width}x{height}; give {by_width[1]}x{by_width[0]} or "
                        f"{by_height[1]}x{by_height[0]}."
                    )
        return asked

    def scale(self, size: tuple[int, int]) -> int:
        """The whole factor at which to restore: the next one, at least 1.

        Raises:
            InputError: more than 16 would be needed, or see `of`.
        """
        wanted = self.of(size)
        needed = max(w / s for w, s in zip(wanted, size, strict=True))
        # A side is rounded, so the factor may be off by half a pixel.
        scale = next_whole_factor(needed, 0.5 / max(size))
        if scale > MAX_SCALE:
            raise InputError(
                f"{wanted[1]}x{wanted[0]} pixels are more than {MAX_SCALE} times "
                f"{size[1]}x{size[0]} along a side; ask for {MAX_SCALE}x at most, which is "
                f"{MAX_SCALE * size[1]}x{MAX_SCALE * size[0]}."
            )
        return scale
