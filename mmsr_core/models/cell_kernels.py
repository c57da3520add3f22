"""One blur kernel for each cell of 4x4 LR pixels: DKENet where pixels need none of their own.

At scale 1 a cell is as large as the grid that the other networks work on, and the U-Net would cost
sixteen times as much for each pixel of the result as at scale 4. This body never leaves the cells.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import pixels_to_grid
from .blur_statistics import CELL, statistics_radius
from .kernel_blocks import DepthAwareBlock, StatisticsBranch, damage_head, kernel_head, read_heads
from .kernel_features import KernelEstimatorOutput, KernelFeatures

_DEPTH_WIDTH = 16
_HEAD_WIDTH = 96


class CellKernels(nn.Module):
    """Statistics and the pixels of each cell, some blocks that depth steers, and the heads."""

    def __init__(self, width: int, windows: tuple[int, ...], blocks: int = 3) -> None:
        """Build the net.

        Args:
            width: channels, even.
            windows: window sides of the statistics, see `StatisticsBranch`.
            blocks: how many blocks.
        """
        super().__init__()
        self.statistics = StatisticsBranch(width, windows)
        self.conv_in = nn.Conv2d(51, width, 3, padding=1)
        self.depth_conv_in = nn.Conv2d(1, _DEPTH_WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList([DepthAwareBlock(width, _DEPTH_WIDTH) for _ in range(blocks)])
        self.head = kernel_head(width, _HEAD_WIDTH, 0.15)
        self.damage = damage_head(width)

    @property
    def receptive_radius(self) -> int:
        """How far, in LR px, an output looks at most, with the phase of the cell."""
        read = max(statistics_radius(self.statistics.windows), CELL)
        return read + 2 * CELL * len(self.blocks) + CELL

    def forward(
        self, lr: Tensor, scale: int, inverse_depth: Tensor | None = None
    ) -> KernelEstimatorOutput:
        """The estimate at cells: `lr (B,3,h,w)`, 0..1, to maps of `h/4 x w/4`."""
        return self.read_out(self.features(lr, scale, inverse_depth))

    def features(self, lr: Tensor, scale: int, inverse_depth: Tensor | None) -> KernelFeatures:
        """What the heads read; see `KernelEstimator.features`."""
        added, read = self.statistics(self.statistics.inputs(lr, scale))
        body = self.conv_in(pixels_to_grid(lr)) + added
        depth = None
        if inverse_depth is not None:
            cells = F.avg_pool2d((inverse_depth - 0.5) * 4, CELL)
            depth = F.relu(self.depth_conv_in(cells))
        for block in self.blocks:
            body = block(body, depth)
        return KernelFeatures(body, read, CELL)

    def read_out(self, features: KernelFeatures) -> KernelEstimatorOutput:
        """The heads, at every cell of the features' body."""
        return read_heads(self.head, self.damage, self.statistics, features)
