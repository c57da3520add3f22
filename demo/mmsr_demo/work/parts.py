"""A part of a picture to try a restoration on, and what around it is measured with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 128
"""Px a side that are shown."""
MARGIN = 32
"""Px around them that are restored with them: what is shown then agrees with the restoration of
the whole picture to 50 dB or more (Kodak24; even and growing blur, noise, JPEG)."""
_GRID = 16
"""Parts begin at its multiples: where the blocks of a JPEG file do, and the strides of networks."""
Box = tuple[int, int, int, int]
"""Top, left, bottom, right in px."""


@dataclass(frozen=True)
class Part:
    """A part of a picture of the size `whole` (height, width), px."""

    whole: tuple[int, int]
    shown: Box
    worked: Box
    """`shown` with its margin."""

    @property
    def is_all(self) -> bool:
        """Whether it is the whole picture."""
        return self.shown == (0, 0, *self.whole)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is shown."""
        return _size(self.shown)

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """`shown` as shares of the picture."""
        height, width = self.whole
        top, left, bottom, right = self.shown
        return top / height, left / width, bottom / height, right / width

    def cut(self, picture: Tensor) -> Tensor:
        """What is worked on of a picture `(B,C,H,W)` of the same view, of any size."""
        size = (int(picture.shape[-2]), int(picture.shape[-1]))
        top, left, bottom, right = _scaled(self.worked, self.whole, size)
        return picture[..., top:bottom, left:right]

    def worked_size(self, result: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of what is worked on, where the whole result has the size `result`."""
        return _size(_scaled(self.worked, self.whole, result))

    def shown_size(self, result: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of what is shown, likewise."""
        return _size(self.shown_box(result))

    def shown_box(self, result: tuple[int, int]) -> Box:
        """Where what is shown lies in the whole result, of the size `result`."""
        return _scaled(self.shown, self.whole, result)

    def inner(self, worked: Tensor, result: tuple[int, int]) -> Tensor:
        """What is shown, of the result `(B,C,H,W)` of what was worked on.

        Args:
            worked: of `worked_size(result)`.
            result: (height, width) that the whole result has.
        """
        from_top, from_left, _, _ = _scaled(self.worked, self.whole, result)
        top, left, bottom, right = self.shown_box(result)
        return worked[..., top - from_top : bottom - from_top, left - from_left : right - from_left]

    def words(self, middle: bool) -> str:
        """Which part it is, for people.

        Args:
            middle: it was not chosen.
        """
        if self.is_all:
            return "all of your picture, since it is small"
        height, width = self.size
        return f"{width}×{height} px {'in the middle' if middle else 'around the place you chose'}"


def part_around(size: tuple[int, int], place: tuple[float, float]) -> Part:
    """The part around a place of a picture.

    Args:
        size: (height, width) of the picture, px.
        place: (x, y) as shares of width and height.
    """
    rows, cols = (
        _span(length, share * length) for length, share in zip(size, place[::-1], strict=True)
    )
    shown = (rows[0], cols[0], rows[1], cols[1])
    worked = (
        max(0, rows[0] - MARGIN), max(0, cols[0] - MARGIN),
        min(size[0], rows[1] + MARGIN), min(size[1], cols[1] + MARGIN),
    )  # fmt: skip
    return Part(size, shown, worked)


def _span(length: int, centre: float) -> tuple[int, int]:
    start = min(max(0, int(centre) - SIDE // 2), max(0, length - SIDE)) // _GRID * _GRID
    end = start + SIDE
    return start, length if length - end < _GRID else end


def _size(box: Box) -> tuple[int, int]:
    return box[2] - box[0], box[3] - box[1]


def _scaled(box: Box, whole: tuple[int, int], size: tuple[int, int]) -> Box:
    """A box of a picture of the size `whole`, on one of the size `size`."""
    down, across = size[0] / whole[0], size[1] / whole[1]
    top, left = round(box[0] * down), round(box[1] * across)
    bottom, right = round(box[2] * down), round(box[3] * across)
    return top, left, max(top + 1, bottom), max(left + 1, right)
