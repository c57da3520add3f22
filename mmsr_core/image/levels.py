"""Pictures that are drawn in a few levels: dithers, checkerboards, halftones, scans in two colours.

Noise, blur and JPEG all make more levels than there were. So where there are few, none of them is
to be seen, however much the pattern itself looks like noise.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FEW, HARDLY_ANY = 32, 4
"""A picture is drawn in a few levels if no channel holds more than `FEW`. With `HARDLY_ANY` it has
not been blurred, nor been a JPEG: both could leave some dozen levels of a simple picture."""
APART = 8.0
"""...and if they are this many grey levels apart (median): weak noise on one colour makes a few
levels, too, but they are next to each other."""
_BINS = 1021
"""Quarters of a grey level: more bits than 8 must count as more levels."""
_LOOKED_AT = 1 << 14
"""Of large pictures so many values are looked at first: most hold many levels there already."""
_PLACES_A_LEVEL = 16
"""A picture with fewer pixels for each level is too small to tell."""
_BAND_CELLS, _HALO_CELLS = 64, 3
"""Rows of cells that are looked at together, which bounds the memory, and how far they look."""
_NEAR = 1.5 / 255
_OFTEN = 0.25
"""Share of the neighbours that differ in a dither; where four flat blocks meet it is .08."""


def few_levels(pictures: Tensor, most: int = FEW) -> Tensor:
    """Which of `pictures (B,3,h,w)`, 0..1, are drawn in at most so many levels: bools `(B,)`."""
    return torch.tensor([_has_few(one, most) for one in pictures], device=pictures.device)


def _has_few(picture: Tensor, most: int) -> bool:
    pixels = picture.shape[-2] * picture.shape[-1]
    for values in picture.flatten(1):
        part = values[:: max(1, pixels // _LOOKED_AT)]
        if len(_levels_of(part)) > most:
            return False
        places = _levels_of(values)
        levels = len(places)
        if levels > most or levels * _PLACES_A_LEVEL > pixels:
            return False
        if levels > 1 and float(places.diff().median()) < APART * (_BINS - 1) / 255:
            return False
    return True


def _levels_of(values: Tensor) -> Tensor:
    bins = (values.clamp(0, 1) * (_BINS - 1)).round().int()
    return torch.bincount(bins, minlength=_BINS).nonzero().flatten()


def two_level_cells(pictures: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    """Which cells of `pictures (B,3,h,w)` hold two levels that are apart: bools, twice.

    There and in the cells around, all values of each channel are the lowest or the highest one. The
    second says where these also alternate, as in a dither: then they are no blocks of a JPEG.

    Args:
        pictures: of any range of brightness.
        cell: px a side; what a picture lacks to whole cells is its last row or column, repeated.

    Returns:
        `(B,1,h/cell,w/cell)` each.
    """
    pad = (0, -pictures.shape[-1] % cell, 0, -pictures.shape[-2] % cell)
    pictures = F.pad(pictures, pad, mode="replicate")
    count = pictures.shape[-2] // cell
    bands = []
    for start in range(0, count, _BAND_CELLS):
        stop = min(start + _BAND_CELLS, count)
        low, high = max(start - _HALO_CELLS, 0), min(stop + _HALO_CELLS, count)
        found = _two_levels(pictures[..., low * cell : high * cell, :], cell)
        bands.append([part[..., start - low : stop - low, :] for part in found])
    two, alternating = (torch.cat(parts, -2) for parts in zip(*bands, strict=True))
    return two, alternating


def _two_levels(pictures: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    b, c, height, width = pictures.shape
    cells = pictures.reshape(b, c, height // cell, cell, width // cell, cell)
    columns = cells.flatten(4)  # in two steps: over both sides of the cells at once takes longer
    highest = F.max_pool2d(columns.amax(3).unflatten(3, (-1, cell)).amax(4), 3, 1, 1)
    lowest = -F.max_pool2d(-columns.amin(3).unflatten(3, (-1, cell)).amin(4), 3, 1, 1)
    apart = (highest - lowest).amax(1, keepdim=True) > 2 * APART / 255
    if not bool(apart.any()):
        return apart, apart
    low, high = (bound[:, :, :, None, :, None] for bound in (lowest, highest))
    between = torch.minimum(cells - low, high - cells).amax(1, keepdim=True)
    outside = (between.amax(3).amax(4) > _NEAR).to(pictures)
    two = apart & (F.max_pool2d(outside, 3, 1, 1) == 0)
    if not bool(two.any()):
        return two, two
    changes = torch.zeros_like(pictures[:, :1])
    changes[..., :-1] += (pictures.diff(dim=-1).abs() > _NEAR).any(1, keepdim=True) / 2
    changes[..., :-1, :] += (pictures.diff(dim=-2).abs() > _NEAR).any(1, keepdim=True) / 2
    share = F.avg_pool2d(F.avg_pool2d(changes, cell), 3, 1, 1, count_include_pad=False)
    return two, two & (share > _OFTEN)
