"""Windows of derived canvases, made on demand: the bicubic base, and LR pixel maps on the grid."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .plan import Span, Tile, plan_tiles


def bicubic_window(lr: Tensor, scale: int, rows: Span, cols: Span) -> Tensor:
    """The window (in HR px) of the bicubic enlargement of `lr`, repeated beyond its border.

    The same filter as `F.interpolate(mode="bicubic")`, whose float32 coordinates depend on where
    the window starts (1e-4 off at scale 3 and 4000 px); here a pixel is the same in every window.

    Args:
        lr: `(B,C,h,w)`.
        scale: SR factor.
        rows: rows of the HR canvas; may reach beyond `h * scale`, where the last row is repeated.
        cols: columns, likewise.
    """
    return _enlarge(_enlarge(lr, scale, rows, 2), scale, cols, 3)


def enlarge_bicubic(
    lr: Tensor, scale: int, size: tuple[int, int], core: int | None = None
) -> Tensor:
    """The bicubic enlargement of `lr` on a canvas `(B,C,*size)`, piece by piece.

    See `bicubic_window`.

    Args:
        lr: `(B,C,h,w)`.
        scale: SR factor.
        size: (height, width); beyond `(h,w) * scale` the border is repeated.
        core: side of a piece, HR px; by default 512 on a CPU, whose cache it fits.
    """
    core = core or (512 if lr.device.type == "cpu" else 4096)
    out = lr.new_empty((*lr.shape[:2], *size))
    for tile in plan_tiles(*size, core, 0, 1):
        out[tile.core] = bicubic_window(lr, scale, tile.rows, tile.cols)
    return out


@lru_cache(maxsize=16)
def _bicubic_taps(scale: int) -> tuple[tuple[tuple[int, float], ...], ...]:
    """For each of the `scale` phases, its (LR pixel offset -2..2, weight) pairs; a = -0.75."""
    a = -0.75
    phases = []
    for phase in range(scale):
        at = (phase + 0.5) / scale - 0.5
        taps = []
        for offset in range(-2, 3):
            d = abs(at - offset)
            if d <= 1:
                weight = ((a + 2) * d - (a + 3)) * d * d + 1
            else:
                weight = (((d - 5) * d + 8) * d - 4) * a if d < 2 else 0.0
            if weight:
                taps.append((offset, weight))
        phases.append(tuple(taps))
    return tuple(phases)


def _enlarge(x: Tensor, scale: int, span: Span, dim: int) -> Tensor:
    """Cells `span.low .. span.high` of `x` enlarged along `dim`."""
    lr_pixels = x.shape[dim]
    low, high = min(span.low, lr_pixels * scale - 1), min(span.high, lr_pixels * scale)
    first, last = low // scale, -(-high // scale)
    index = torch.arange(first - 2, last + 2, device=x.device).clamp_(0, lr_pixels - 1)
    around = x.index_select(dim, index)
    phases = []
    for taps in _bicubic_taps(scale):
        made = None
        for offset, weight in taps:
            part = around.narrow(dim, offset + 2, last - first)
            made = part * weight if made is None else made.add_(part, alpha=weight)
        phases.append(made)
    out = torch.stack(phases, dim + 1).flatten(dim, dim + 1)
    if span.high <= lr_pixels * scale:
        return out.narrow(dim, low - first * scale, high - low)
    cells = torch.arange(span.low, span.high, device=x.device).clamp_(max=lr_pixels * scale - 1)
    return out.index_select(dim, cells - first * scale)


def grid_window(lr_pixel_map: Tensor, scale: int, tile: Tile) -> Tensor:
    """A map at the LR pixels, `(B,C,h,w)`, resampled to a window of the HR / 4 grid (bilinear).

    Cell `j` of the grid is centred on HR coordinate `4 j + 1.5`, LR pixel `i` on
    `s i + (s - 1) / 2`.
    At scale 4 the two grids are the same and the values are copied.
    """
    out = _along(lr_pixel_map, scale, tile.rows, -2)
    return _along(out, scale, tile.cols, -1)


def _along(lr_pixel_map: Tensor, scale: int, span: Span, dim: int) -> Tensor:
    size = lr_pixel_map.shape[dim]
    cells = torch.arange(span.low, span.high, dtype=torch.float64)
    at = ((cells * 4 + 2) / scale - 0.5).clamp(0, size - 1)
    below = at.floor()
    share = (at - below).to(lr_pixel_map.dtype)
    first = below.long().to(lr_pixel_map.device)
    low = lr_pixel_map.index_select(dim, first)
    if not bool(share.any()):
        return low
    high = lr_pixel_map.index_select(dim, (first + 1).clamp_max(size - 1))
    shape = [1] * lr_pixel_map.ndim
    shape[dim] = -1
    return torch.lerp(low, high, share.view(shape).to(lr_pixel_map.device))
