"""Statistics of a picture's differences, from which blur, noise and JPEG damage can be read.

How much sharper fine differences are than coarse ones says how wide the blur is, and in which
direction. The strongest edges show it best, the quietest places show the noise. A classical idea
(Crete and others 2007; Zhu and others 2013 for fields of blur), here as input of a network.
"""

from __future__ import annotations

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
    squares = differences(lr.float()).square()
    second = F.avg_pool2d(squares, CELL)
    fourth = F.avg_pool2d(squares.square(), CELL)
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


def differences(lr: Tensor) -> Tensor:
    """First and second differences in four directions over 1, 2 and 4 px, `(B,23,h,w)`.

    The last three are Laplacian-like differences of luma and of two colour differences: blur leaves
    little in them, noise much.
    """
    red, green, blue = lr.unbind(1)
    r, g, b = LUMA_WEIGHTS
    grey = (r * red + g * green + b * blue).unsqueeze(1)
    out = []
    for step in _STEPS:
        smooth = F.pad(grey, (0, step - 1, 0, step - 1), mode="replicate")
        smooth = smooth if step == 1 else F.avg_pool2d(smooth, step, 1)
        for dy, dx in _DIRECTIONS:
            ahead = _moved(smooth, step * dy, step * dx)
            out.append(ahead - smooth)
            if step < _STEPS[-1]:
                out.append(ahead - 2 * smooth + _moved(smooth, -step * dy, -step * dx))
    colours = (grey, (red - green).unsqueeze(1), (blue - green).unsqueeze(1))
    return torch.cat((*out, *(_checker(plane) for plane in colours)), 1)


def _moved(x: Tensor, down: int, right: int) -> Tensor:
    """`x` seen `down` and `right` px further; the border is repeated."""
    h, w = x.shape[-2:]
    reach = max(abs(down), abs(right))
    wide = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    return wide[..., reach + down : reach + down + h, reach + right : reach + right + w]


def _checker(plane: Tensor) -> Tensor:
    """Second difference across of the second difference down, over 4: flat for any edge along them.

    Immerkaer 1996 measures noise by it.
    """
    wide = F.pad(plane, (1, 1, 1, 1), mode="replicate")
    down = wide[..., 1:-1, :] - 0.5 * (wide[..., :-2, :] + wide[..., 2:, :])
    return down[..., 1:-1] - 0.5 * (down[..., :-2] + down[..., 2:])


def _mean(x: Tensor, side: int) -> Tensor:
    """Means over square windows, which end at the border: along the columns, then the rows."""
    pad = side // 2
    down = F.avg_pool2d(x, (side, 1), 1, (pad, 0), count_include_pad=False)
    return F.avg_pool2d(down, (1, side), 1, (0, pad), count_include_pad=False)


def _highest(x: Tensor, side: int) -> Tensor:
    """Maxima over the same windows."""
    pad = side // 2
    return F.max_pool2d(F.max_pool2d(x, (side, 1), 1, (pad, 0)), (1, side), 1, (0, pad))


def _log(energy: Tensor) -> Tensor:
    return 0.5 * torch.log(energy + _FLOOR)
