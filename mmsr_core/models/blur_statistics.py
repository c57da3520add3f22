"""Statistics of a picture's differences, from which blur, noise and JPEG damage can be read.

How much sharper fine differences are than coarse ones says how wide the blur is, and in which
direction. The strongest edges show it best, the quietest places show the noise. A classical idea
(Crete and others 2007; Zhu and others 2013 for fields of blur), here as input of a network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ..image.luma import LUMA_WEIGHTS

CELL = 4
"""LR px a side of the cells that the statistics are given for."""
_STEPS = (1, 2, 4)
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
_MAPS = 23
_FLOOR = (0.3 / 255) ** 2
_REACH = 8
"""LR px that a difference looks at to each side, at most."""


def statistics_channels(windows: tuple[int, ...]) -> int:
    """Channels of `blur_statistics`."""
    return _MAPS * (3 * len(windows) + 3) + len(windows)


def statistics_radius(windows: tuple[int, ...]) -> int:
    """How far, in LR px, a cell's statistics look beyond the cell at most."""
    return max(windows, default=1) // 2 * CELL + _REACH


def blur_statistics(lr: Tensor, windows: tuple[int, ...]) -> Tensor:
    """Logarithms of local energies, in several windows around each cell of 4x4 px.

    Args:
        lr: `(B,3,h,w)`, 0..1, sides multiples of 4.
        windows: odd sides of the windows in cells, rising.

    Returns:
        `(B,statistics_channels(windows),h/4,w/4)`, float32. For each window: root mean square, root
        of the mean fourth power and geometric mean of 23 differences, about their common level; the
        greatest and least of the cells; the levels.
    """
    second, fourth = (torch.cat(parts, 1) for parts in zip(*_cell_means(lr.float()), strict=True))
    logs = _log(second)
    found, levels = [], []
    for side in windows:
        geometric = _mean(logs, side)
        level = geometric.mean(1, keepdim=True)
        means = (_log(_mean(second, side)), _log(_mean(fourth, side).sqrt()), geometric)
        found += [value - level for value in means]
        levels.append(level)
    last = windows[-1]
    for side in windows[-2:]:
        found.append(_highest(logs, side) - levels[-1])
    found.append(-_highest(-logs, last) - levels[-1])
    return torch.cat((*found, *levels), 1)


def _cell_means(lr: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Mean square and mean fourth power of each difference in every cell, `(B,1,h/4,w/4)` each.

    One map after the other: all of them at once would not fit a CPU's cache.
    """
    for plane in differences(lr):
        square = plane.square()
        yield F.avg_pool2d(square, CELL), F.avg_pool2d(square.square(), CELL)


def differences(lr: Tensor) -> Iterator[Tensor]:
    """First and second differences in four directions over 1, 2 and 4 px, 23 of `(B,1,h,w)`.

    The last three are Laplacian-like differences of luma and of two colour differences: blur leaves
    little in them, noise much.
    """
    red, green, blue = lr.unbind(1)
    r, g, b = LUMA_WEIGHTS
    grey = (r * red + g * green + b * blue).unsqueeze(1)
    for step in _STEPS:
        smooth = F.pad(grey, (0, step - 1, 0, step - 1), mode="replicate")
        smooth = smooth if step == 1 else F.avg_pool2d(smooth, step, 1)
        wide = F.pad(smooth, (step, step, step, step), mode="replicate")
        for dy, dx in _DIRECTIONS:
            ahead = _seen_from(wide, step, step * dy, step * dx)
            yield ahead - smooth
            if step < _STEPS[-1]:
                yield ahead - 2 * smooth + _seen_from(wide, step, -step * dy, -step * dx)
    colours = (grey, (red - green).unsqueeze(1), (blue - green).unsqueeze(1))
    yield from (_checker(plane) for plane in colours)


def _seen_from(wide: Tensor, margin: int, down: int, right: int) -> Tensor:
    """A picture padded by `margin` on all sides, seen `down` and `right` px further."""
    h, w = (side - 2 * margin for side in wide.shape[-2:])
    return wide[..., margin + down : margin + down + h, margin + right : margin + right + w]


def _checker(plane: Tensor) -> Tensor:
    """Second difference across of the second difference down, over 4: flat for any edge along them.

    Immerkaer 1996 measures noise by it.
    """
    wide = F.pad(plane, (1, 1, 1, 1), mode="replicate")
    down = wide[..., 1:-1, :] - 0.5 * (wide[..., :-2, :] + wide[..., 2:, :])
    return down[..., 1:-1] - 0.5 * (down[..., :-2] + down[..., 2:])


def _mean(x: Tensor, side: int) -> Tensor:
    """Means over square windows, which end at the border: along the columns, then the rows."""
    for dim in (-2, -1):
        count = _window_sums(x.new_ones(x.shape[dim]), side, -1)
        shape = (-1, 1) if dim == -2 else (-1,)
        x = _window_sums(x, side, dim) / count.view(shape)
    return x


def _window_sums(x: Tensor, side: int, dim: int) -> Tensor:
    return _over_window(x, side, dim, torch.add, 0.0)


def _highest(x: Tensor, side: int) -> Tensor:
    """Maxima over the same windows."""
    for dim in (-2, -1):
        x = _over_window(x, side, dim, torch.maximum, -math.inf)
    return x


def _over_window(
    x: Tensor, side: int, dim: int, combine: Callable[[Tensor, Tensor], Tensor], outside: float
) -> Tensor:
    """Sums or maxima of `side` neighbours along the last or the last but one dimension.

    Windows of 1, 2, 4, ... neighbours are made of each other, and `side`, which is odd, of them.
    """
    count, reach = x.shape[dim], side // 2
    pad = (reach, reach) if dim == -1 else (0, 0, reach, reach)
    part = F.pad(x, pad, value=outside)  # windows of `length` neighbours
    length, done, out = 1, 1, part.narrow(dim, 0, count)
    while 2 * length <= side:
        short = part.shape[dim] - length
        part = combine(part.narrow(dim, 0, short), part.narrow(dim, length, short))
        length *= 2
        if side & length:
            out = combine(out, part.narrow(dim, done, count))
            done += length
    return out


def _log(energy: Tensor) -> Tensor:
    return 0.5 * torch.log(energy + _FLOOR)
