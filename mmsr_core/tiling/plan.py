"""Tile geometry: cores that cover a canvas, windows that give each core its halo."""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType

from ..errors import InputError

Index = tuple[EllipsisType, slice, slice]


@dataclass(frozen=True)
class Span:
    """One side of a tile, in cells of the canvas grid."""

    start: int
    """First cell of the core."""
    stop: int
    """One past the last cell of the core."""
    low: int
    """First cell of the window."""
    high: int
    """One past the last cell of the window."""

    @property
    def core(self) -> slice:
        """The core, in canvas coordinates."""
        return slice(self.start, self.stop)

    @property
    def window(self) -> slice:
        """The window, in canvas coordinates."""
        return slice(self.low, self.high)

    @property
    def inner(self) -> slice:
        """The core, in window coordinates."""
        return slice(self.start - self.low, self.stop - self.low)

    def times(self, factor: int) -> Span:
        """The same span on a canvas whose cells are `factor` times finer."""
        return Span(*(v * factor for v in (self.start, self.stop, self.low, self.high)))


@dataclass(frozen=True)
class Tile:
    """A rectangle of the canvas: rows and columns."""

    rows: Span
    cols: Span

    @property
    def core(self) -> Index:
        """Index of the core in a canvas `(...,H,W)`."""
        return (..., self.rows.core, self.cols.core)

    @property
    def window(self) -> Index:
        """Index of the window in a canvas."""
        return (..., self.rows.window, self.cols.window)

    @property
    def inner(self) -> Index:
        """Index of the core in a window."""
        return (..., self.rows.inner, self.cols.inner)

    def times(self, factor: int) -> Tile:
        """The same tile on a finer canvas."""
        return Tile(self.rows.times(factor), self.cols.times(factor))


def plan_spans(length: int, core: int, halo: int, stride: int) -> list[Span]:
    """Cut `length` cells into cores of at most `core`, windows with a halo clipped to the canvas.

    Args:
        length: cells along this side; a multiple of `stride`.
        core: cells of a core; rounded up to a multiple of `stride`.
        halo: cells the network looks beyond its output; rounded up to a multiple of `stride`.
        stride: the network's total stride. Every window starts on a multiple of it, so that the
            strided layers see the same phase as on the whole canvas.
    """
    if length < 1 or length % stride:
        raise InputError(f"A canvas side must be a positive multiple of {stride}, but is {length}.")
    core = -(-max(core, 1) // stride) * stride
    halo = -(-halo // stride) * stride
    spans = []
    for start in range(0, length, core):
        stop = min(start + core, length)
        spans.append(Span(start, stop, max(0, start - halo), min(length, stop + halo)))
    return spans


def plan_tiles(height: int, width: int, core: int, halo: int, stride: int) -> list[Tile]:
    """Tiles of a canvas, row by row; see `plan_spans`."""
    columns = plan_spans(width, core, halo, stride)
    return [Tile(r, c) for r in plan_spans(height, core, halo, stride) for c in columns]
