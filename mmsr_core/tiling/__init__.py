"""Exact tiling: tile geometry, the tile runner, and windows of derived canvases."""

from .plan import Span, Tile, plan_spans, plan_tiles
from .run import TileRunner
from .windows import bicubic_window, enlarge_bicubic, grid_window

__all__ = [
    "Span",
    "Tile",
    "TileRunner",
    "bicubic_window",
    "enlarge_bicubic",
    "grid_window",
    "plan_spans",
    "plan_tiles",
]
