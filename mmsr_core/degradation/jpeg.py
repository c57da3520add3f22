"""JPEG compression damage on tensors: 8x8 DCT, the standard quantisation tables, 4:2:0 chroma.

ITU-T T.81, Annex K.1 (tables) and the quality scaling of the Independent JPEG Group. No entropy
coding, which loses nothing; so a whole batch is done at once, on any device.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from ..image.luma import LUMA_WEIGHTS

NO_JPEG_QUALITY = 97.0
"""An estimated quality above this means no JPEG damage."""
_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
) + (99,) * 32  # fmt: skip


@lru_cache(maxsize=1)
def _dct_matrix() -> Tensor:
    """Orthonormal 8-point DCT-II."""
    n = torch.arange(8, dtype=torch.float64)
    basis = torch.cos(math.pi * (2 * n[None] + 1) * n[:, None] / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis.float()


def _to_ycbcr(rgb: Tensor) -> Tensor:
    r, g, b = rgb.unbind(1)
    red, green, blue = LUMA_WEIGHTS
    y = red * r + green * g + blue * b
    return torch.stack((y, (b - y) * 0.564 + 128, (r - y) * 0.713 + 128), 1)


def _to_rgb(ycc: Tensor) -> Tensor:
    y, cb, cr = ycc[:, 0], ycc[:, 1] - 128, ycc[:, 2] - 128
    r, b = y + cr / 0.713, y + cb / 0.564
    red, green, blue = LUMA_WEIGHTS
    return torch.stack((r, (y - red * r - blue * b) / green, b), 1)


def _tables(quality: Tensor) -> tuple[Tensor, Tensor]:
    """Quantisation tables `(B,8,8)` for qualities `(B,)`, 1..100."""
    quality = quality.clamp(1, 100)
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    tables = []
    for values in (_LUMA, _CHROMA):
        base = torch.tensor(values, dtype=torch.float32, device=quality.device).view(1, 8, 8)
        table = ((base * percent.view(-1, 1, 1) + 50) / 100).floor()
        tables.append(table.clamp(1, 255))
    return tables[0], tables[1]


def _quantise(plane: Tensor, table: Tensor) -> Tensor:
    """`(B,H,W)` in 0..255, sides multiples of 8, through DCT, rounding, inverse DCT."""
    b, height, width = plane.shape
    dct = _dct_matrix().to(plane.device)
    blocks = (plane - 128).reshape(b, height // 8, 8, width // 8, 8).transpose(2, 3)
    table = table.view(b, 1, 1, 8, 8)
    coefficients = (dct @ blocks @ dct.T / table).round() * table
    back = dct.T @ coefficients @ dct
    return back.transpose(2, 3).reshape(b, height, width) + 128


def jpeg(image: Tensor, quality: float | Tensor) -> Tensor:
    """What JPEG at `quality` leaves of a picture.

    Args:
        image: `(B,3,h,w)`, 0..1; rounded to 8 bits first.
        quality: 1..100, a number or `(B,)`.

    Returns:
        `(B,3,h,w)`, 0..1, rounded to 8 bits. Not differentiable.
    """
    b, _, h, w = image.shape
    levels = torch.as_tensor(quality, dtype=torch.float32, device=image.device).expand(b)
    luma, chroma = _tables(levels)
    pixels = (image.clamp(0, 1) * 255).round()
    padded = torch.nn.functional.pad(pixels, (0, -w % 16, 0, -h % 16), mode="replicate")
    ycc = _to_ycbcr(padded)
    y = _quantise(ycc[:, 0], luma)
    small = torch.nn.functional.avg_pool2d(ycc[:, 1:], 2)
    halves = [_quantise(small[:, i], chroma) for i in range(2)]
    wide = torch.nn.functional.interpolate(
        torch.stack(halves, 1), scale_factor=2, mode="bilinear", align_corners=False
    )
    rgb = _to_rgb(torch.cat((y[:, None], wide), 1))[..., :h, :w]
    return rgb.round().clamp(0, 255) / 255


def jpeg_error_std(quality: Tensor) -> Tensor:
    """Typical standard deviation of what JPEG changes in a photograph, 0..1 units.

    `1.76 (100 - quality)^0.371` grey levels: a fit to the medians of 256 LR photographs, within
    10 % at qualities 30 to 95; it falls to 0 from `NO_JPEG_QUALITY` to 100.

    Args:
        quality: 1..100, any shape.
    """
    loss = (100 - quality).clamp_min(0)
    return 1.76 / 255 * loss.clamp_min(1e-6) ** 0.371 * (loss / (100 - NO_JPEG_QUALITY)).clamp(0, 1)


def with_jpeg_steps_times(quality: Tensor, gain: Tensor) -> Tensor:
    """The quality whose quantisation steps are `gain` times those of `quality`; 1..100.

    The Independent JPEG Group's rule: steps are `(100 - q) / 50` of its tables' from q = 50 on, and
    `50 / q` below.

    Args:
        quality: 1..100, any shape.
        gain: above 0, of the same shape.
    """
    steps = gain * torch.where(quality < 50, 50 / quality, (100 - quality) / 50)
    return torch.where(steps > 1, 50 / steps, 100 - 50 * steps).clamp(1, 100)
