"""Windows of derived canvases, made on demand: the bicubic base, and site maps on the grid."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .plan import Span, Tile


def base_window(lr: Tensor, scale: int, rows: Span, cols: Span) -> Tensor:
    """The window (in HR px) of the bicubic enlargement of `lr`, repeated beyond its border.

    Args:
        lr: `(B,C,h,w)`.
        scale: SR factor.
        rows: rows of the HR canvas; may reach beyond `h * scale`, where the last row is repeated.
        cols: columns, likewise.
    """
    top, bottom, above, below = _reach(rows, scale, lr.shape[-2])
    left, right, before, after = _reach(cols, scale, lr.shape[-1])
    part = F.interpolate(
        lr[..., top:bottom, left:right], scale_factor=scale, mode="bicubic", align_corners=False
    )
    part = part[..., above:below, before:after]
    missing_rows = rows.high - rows.low - part.shape[-2]
    missing_cols = cols.high - cols.low - part.shape[-1]
    if missing_rows or missing_cols:
        part = F.pad(part, (0, missing_cols, 0, missing_rows), mode="replicate")
    return part


def _reach(span: Span, scale: int, sites: int) -> tuple[int, int, int, int]:
    """LR range a window needs (a cubic looks 2 sites away), and where the window lies in it."""
    low = min(span.low, sites * scale - 1)
    high = min(span.high, sites * scale)
    first = max(0, low // scale - 3)
    last = min(sites, -(-high // scale) + 3)
    return first, last, low - first * scale, high - first * scale


def grid_window(site_map: Tensor, scale: int, tile: Tile) -> Tensor:
    """A map at the LR sites, `(B,C,h,w)`, resampled to a window of the HR / 4 grid (bilinear).

    Cell `j` of the grid is centred on HR coordinate `4 j + 1.5`, site `i` on `s i + (s - 1) / 2`.
    At scale 4 the two grids are the same and the values are copied.
    """
    out = _along(site_map, scale, tile.rows, -2)
    return _along(out, scale, tile.cols, -1)


def _along(site_map: Tensor, scale: int, span: Span, dim: int) -> Tensor:
    size = site_map.shape[dim]
    cells = torch.arange(span.low, span.high, dtype=torch.float64)
    at = ((cells * 4 + 2) / scale - 0.5).clamp(0, size - 1)
    below = at.floor()
    share = (at - below).to(site_map.dtype)
    first = below.long().to(site_map.device)
    low = site_map.index_select(dim, first)
    if not bool(share.any()):
        return low
    high = site_map.index_select(dim, (first + 1).clamp_max(size - 1))
    shape = [1] * site_map.ndim
    shape[dim] = -1
    return torch.lerp(low, high, share.view(shape).to(site_map.device))
