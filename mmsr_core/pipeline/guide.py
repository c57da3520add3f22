"""The second sensor's stages: prepare the guide, measure clarity, fuse whole canvases in tiles.

Imported only by runs that have a guide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import KernelField
from ..errors import InputError, ShapeError
from ..image import resize_bicubic
from ..models.blocks import GRID
from ..models.fusion_net import GUIDE_MODES, FusionNet, GuideMode, luminance
from ..tiling import Tile, grid_window
from .evidence import comes_at_low_resolution
from .run import Run

NOISE_HALVING_STD = 20 / 255
"""Noise that halves the clarity: about the contrast of fine texture."""
JPEG_HALVING = 70.0
"""Points below JPEG quality 100 that halve the clarity."""


@dataclass(frozen=True)
class PreparedGuide:
    """A guide brought to one of the two sizes that the stages take."""

    picture: Tensor
    """`(B,3,h,w)` at the LR size, to be restored like the visible picture, or `(B,3,H,W)`."""
    at_low_resolution: bool
    """Whether `picture` is an LR picture: its degradation is estimated, then it is restored."""


def prepare_guide(guide: Tensor, low_size: tuple[int, int], scale: int) -> PreparedGuide:
    """Decide what a guide of any resolution is, and resample it where it fits neither size.

    A guide as large as the LR picture is an LR picture too, unless the scale is 1. Any other is
    resampled (bicubic, antialiased) to the HR size and taken as it is.

    Args:
        guide: `(B,3,gh,gw)` or `(B,1,gh,gw)`, 0..1, showing the same field of view.
        low_size: (height, width) of the visible LR picture.
        scale: SR factor.

    Raises:
        ShapeError: not a picture of 1 or 3 channels.
        InputError: NaN or infinite values.
    """
    if guide.ndim != 4 or guide.shape[1] not in (1, 3) or 0 in guide.shape:
        raise ShapeError("guide", "(B,3,gh,gw) or (B,1,gh,gw)", tuple(guide.shape))
    if not torch.isfinite(guide).all():
        raise InputError("guide holds NaN or infinite values; it must be finite, in 0..1.")
    picture = guide.float().clamp(0, 1).expand(-1, 3, -1, -1)
    if comes_at_low_resolution(picture, low_size, scale):
        return PreparedGuide(picture, True)
    height, width = low_size
    return PreparedGuide(resize_bicubic(picture, (height * scale, width * scale)), False)


def clarity_map(field: KernelField, noise_std: Tensor, jpeg_quality: Tensor) -> Tensor:
    """How clear a source is at every LR site: `(B,1,h,w)` in 0..1, from its degradation.

    The product of three shares, each 1 for an undamaged source and falling with the damage:
    what the blur leaves at the Nyquist frequency of the LR grid, `exp(-(pi std / scale)^2 / 2)`
    for a Gaussian of `std` HR px (the geometric mean of the two axes); `1 / (1 + (noise /
    NOISE_HALVING_STD)^2)`; and `1 / (1 + ((100 - quality) / JPEG_HALVING)^2)`. The last two hold
    for the whole source, the first for a place. Each picture of a batch stands alone.

    Args:
        field: the source's kernels.
        noise_std: `(B,)`, 0..1 units.
        jpeg_quality: `(B,)`, 1..100.
    """
    major, minor = field.moments().blur_sigma_px.unbind(1)
    variance = (major * minor).unsqueeze(1) / field.scale**2
    sharp = torch.exp(-0.5 * math.pi**2 * variance)
    clean = 1 / (1 + (noise_std.to(sharp) / NOISE_HALVING_STD).square())
    whole = 1 / (1 + ((100 - jpeg_quality.to(sharp)) / JPEG_HALVING).square())
    return sharp * (clean * whole).view(-1, 1, 1, 1)


@torch.no_grad()
def fuse_canvas(
    net: FusionNet,
    visible: Tensor,
    guide: Tensor,
    clarity: tuple[Tensor, Tensor | None],
    scale: int,
    prompt: Tensor | None,
    mode: GuideMode,
    run: Run,
    amount: Tensor | None = None,
) -> Tensor:
    """The fusion net over whole HR canvases, in exact tiles.

    Args:
        net: the fusion net.
        visible: `(B,3,H,W)` restored visible picture, sides multiples of 4. The net sees it, and
            the guide, clamped to 0..1; its change is added to `visible` as it is.
        guide: `(B,3,H,W)` or `(B,1,H,W)`, the restored (or resampled) guide on the same canvas.
        clarity: of the visible picture and of the guide, each `(B,1,h,w)` at the LR sites, see
            `clarity_map`; None: a guide given at HR, taken as clear everywhere.
        scale: SR factor.
        prompt: `(B,512)` or `(1,512)` embedding, None for no prompt.
        mode: "guide" or "fuse".
        run: where and in which tiles.
        amount: strength x mask of the guide, `(B,1,1,1)` or `(B,1,h,w)` at the LR sites. 0 is
            exactly the visible picture, 1 (also None) the net's answer, 2 twice the change.

    Returns:
        `(B,3,H,W)`, not clamped.

    Raises:
        InputError: unknown mode.
    """
    if mode not in GUIDE_MODES:
        raise InputError(f"mode must be one of {', '.join(GUIDE_MODES)}, but is {mode!r}.")
    b, _, height, width = visible.shape
    if height % GRID or width % GRID or guide.shape[-2:] != visible.shape[-2:]:
        expected = "canvases of one size, sides multiples of 4"
        raise ShapeError("guide", expected, tuple(guide.shape))
    unit = GRID * net.total_stride
    pad = (0, -width % unit, 0, -height % unit)
    before = F.pad(visible, pad, mode="replicate")
    own, other = before.clamp(0, 1), F.pad(luminance(guide.clamp(0, 1)), pad, mode="replicate")
    meaning = None if prompt is None else prompt.to(own).expand(b, -1)
    out = torch.empty_like(own)

    def process(tile: Tile) -> None:
        fine = tile.times(GRID)
        rows, cols = fine.rows, fine.cols
        part = own[..., rows.window, cols.window]
        with run.autocast():
            made = net(
                part,
                other[..., rows.window, cols.window],
                _clarity_window(clarity, scale, tile),
                scale,
                mode,
                meaning,
            )
        change = (made - part)[..., rows.inner, cols.inner]
        if amount is not None:
            change = change * _amount_core(amount, scale, tile)
        out[..., rows.core, cols.core] = before[..., rows.core, cols.core] + change

    run.runner.run(
        own.shape[-2] // GRID, own.shape[-1] // GRID, net.receptive_radius, net.total_stride,
        process, run.advance,
    )  # fmt: skip
    return out[..., :height, :width]


def _clarity_window(clarity: tuple[Tensor, Tensor | None], scale: int, tile: Tile) -> Tensor:
    own = grid_window(clarity[0], scale, tile)
    other = clarity[1]
    given = torch.ones_like(own) if other is None else grid_window(other, scale, tile)
    return torch.cat((own, given.to(own)), 1)


def _amount_core(amount: Tensor, scale: int, tile: Tile) -> Tensor:
    """Strength x mask on the HR pixels of a tile's core."""
    if tuple(amount.shape[-2:]) == (1, 1):
        return amount
    rows, cols = tile.rows, tile.cols
    on_grid = grid_window(amount, scale, tile)[..., rows.inner, cols.inner]
    return F.interpolate(on_grid, scale_factor=GRID, mode="nearest")
