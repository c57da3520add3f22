"""Exact tiling: tile geometry, the tile runner, and windows of derived canvases."""

from .plan import Span, Tile, plan_spans, plan_tiles
from .run import TileRunner
from .windows import base_window, grid_window

__all__ = ["Span", "Tile", "TileRunner", "base_window", "grid_window", "plan_spans", "plan_tiles"]
