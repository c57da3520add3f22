"""What DKENet's heads read and what they say, at every LR pixel or block of LR pixels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from .blur_statistics import CELL


@dataclass(frozen=True)
class KernelEstimatorOutput:
    """The estimate at every LR pixel."""

    kernels: Tensor
    """`(B,441,h,w)`, non-negative, summing to 1."""
    log_noise: Tensor
    """`(B,1,h,w)`: natural logarithm of (noise std + 0.5/255), 0..1 units."""
    jpeg_damage: Tensor
    """`(B,1,h,w)`: (100 - JPEG quality) / 100."""


@dataclass(frozen=True)
class KernelFeatures:
    """What the heads of `KernelEstimator` read."""

    body: Tensor
    """`(B,C,h,w)` from the U-Net, at blocks of LR pixels."""
    statistics: Tensor | None
    """`(B,C',h',w')`, what `StatisticsBranch.read` takes, at cells; it may reach over the body."""
    block: int = 1
    """LR pixels along each side of a block: 1, 2 or 4."""
    margins: tuple[int, int] = (0, 0)
    """Cells by which the statistics begin before the body: above it, and left of it."""

    def window(self, rows: slice, cols: slice) -> KernelFeatures:
        """The features of a window of LR pixels that begins and ends with a cell."""
        body = self.body
        for dim, span in ((-2, rows), (-1, cols)):
            body = body.narrow(dim, span.start // self.block, _length(span) // self.block)
        if self.statistics is None:
            return KernelFeatures(body, None, self.block)
        # Bilinear looks one cell away; a slice ends at the border by itself.
        top, left = (min(1, span.start // CELL) for span in (rows, cols))
        down = slice(rows.start // CELL - top, rows.stop // CELL + 1)
        across = slice(cols.start // CELL - left, cols.stop // CELL + 1)
        return KernelFeatures(body, self.statistics[..., down, across], self.block, (top, left))

    def at_body(self, cells: Tensor) -> Tensor:
        """A map at the cells of the statistics, bilinearly at the places of the body."""
        top, left = (margin * CELL // self.block for margin in self.margins)
        h, w = self.body.shape[-2:]
        return _to_blocks(cells, self.block)[..., top : top + h, left : left + w]


def _length(span: slice) -> int:
    return span.stop - span.start


def estimate_from(kernels: Tensor, damage: Tensor) -> KernelEstimatorOutput:
    """From kernels and the two outputs of the damage heads `(B,2,h,w)`."""
    noise, jpeg_damage = damage.chunk(2, 1)
    return KernelEstimatorOutput(kernels, noise - 4.5, jpeg_damage * 0.25)


def whole_picture_damage(log_noise: Tensor, jpeg_damage: Tensor) -> tuple[Tensor, Tensor]:
    """Noise std (0..1 units) and JPEG quality (1..100) of each picture, `(B,)` each.

    Args:
        log_noise: `(B,)` mean over the picture of `KernelEstimatorOutput.log_noise`.
        jpeg_damage: `(B,)` mean over the picture of `KernelEstimatorOutput.jpeg_damage`.
    """
    noise_std = (log_noise.exp() - 0.5 / 255).clamp(0, 1)
    return noise_std, (100 - 100 * jpeg_damage).clamp(1, 100)


def _to_blocks(cells: Tensor, block: int) -> Tensor:
    """From the cells of 4x4 LR pixels to blocks of 1, 2 or 4 LR pixels a side, bilinearly."""
    if block == CELL:
        return cells
    return F.interpolate(cells, scale_factor=CELL // block, mode="bilinear", align_corners=False)
