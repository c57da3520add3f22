"""DKENet: the blur kernel at every LR pixel, with depth as evidence (SSR, arXiv 2403.05808).

After MANet (arXiv 2108.05302) with depth entering by SFT in every block. The paper has
one level of downsampling, this net has two: a flat patch holds no information about its blur, so
the net has to see further, and a second level is cheaper than twice the blocks. A branch adds
statistics of the picture (`blur_statistics`).

The U-Net: `conv_in`, `encoder0`, `down1`, `encoder1`, `down2`, `bottleneck`, `up1`, `decoder1`,
`up0`, `decoder0`, then the heads. Where one kernel for each 4x4 LR pixels is wanted, as at scale 1,
`CellKernels` takes its place at a fifth of the cost.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..degradation.basis import KernelBasis
from ..degradation.kernels import KERNEL_TAPS
from ..errors import InputError, ShapeError
from .blur_statistics import CELL, statistics_radius
from .cell_kernels import CellKernels
from .kernel_blocks import DepthAwareBlock, StatisticsBranch, damage_head, kernel_head, read_heads
from .kernel_features import KernelEstimatorOutput, KernelFeatures, estimate_from
from .network import Network, records_config

EVIDENCE_CHANNELS = 18
_EVIDENCE_RADIUS = 6  # 1 (smoothing) + 2 (difference) + 3 (local mean)


def sharpness_evidence(lr: Tensor, scale: int) -> Tensor:
    """The input of DKENet, `(B,18,h,w)`.

    The picture, its detail, its detail at unit contrast, the scale, and the local log-energy of
    differences in four directions, one and two px apart. Blur shows in the ratio of fine to coarse
    energy, noise in the floor of the fine one. Both are small beside the picture, so they are
    given apart.
    """
    detail = lr - F.avg_pool2d(lr, 3, 1, 1, count_include_pad=False)
    energy = _local_mean(detail.square()).mean(1, keepdim=True)
    unit = detail * torch.rsqrt(energy + (1 / 255) ** 2)
    level = torch.full_like(lr[:, :1], float(scale)).log2() - 2
    grey = lr.mean(1, keepdim=True)
    smooth = F.avg_pool2d(grey, 3, 1, 1, count_include_pad=False)
    logs = torch.cat((_directional(grey, 1), _directional(smooth, 2)), 1)
    return torch.cat(((lr - 0.5) * 4, detail * 24, unit, level, logs), 1)


def _local_mean(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 7, 1, 3, count_include_pad=False)


def _directional(grey: Tensor, step: int) -> Tensor:
    """Log-energy of differences `step` px apart: across, down, and both diagonals; `(B,4,h,w)`."""
    h, w = grey.shape[-2:]
    wide = F.pad(grey, (0, step, step, step), mode="replicate")
    here = wide[..., step : step + h, :w]
    there = (
        wide[..., step : step + h, step : step + w],
        wide[..., 2 * step : 2 * step + h, :w],
        wide[..., 2 * step : 2 * step + h, step : step + w],
        wide[..., :h, step : step + w],
    )
    squares = torch.cat([(t - here).square() for t in there], 1)
    return (torch.log(_local_mean(squares) + (0.3 / 255) ** 2) + 8) * 0.5


def _for_pixels(cells: KernelEstimatorOutput) -> KernelEstimatorOutput:
    """The estimate of each cell, repeated for its LR pixels."""
    maps = (cells.kernels, cells.log_noise, cells.jpeg_damage)
    return KernelEstimatorOutput(*(F.interpolate(m, scale_factor=CELL) for m in maps))


class KernelEstimator(Network):
    """DKENet with noise and JPEG heads."""

    basis_mean: Tensor
    basis_components: Tensor
    basis_spread: Tensor
    total_stride = 4
    """The picture is padded to a multiple of this; tile origins lie on multiples of it."""

    @records_config
    def __init__(
        self,
        widths: tuple[int, int, int] = (48, 80, 112),
        depth_widths: tuple[int, int, int] = (12, 16, 16),
        head_width: int = 96,
        basis_rank: int = 40,
        statistics_windows: tuple[int, ...] = (),
        shrinkage: float = 0.0,
        cell_width: int = 0,
    ) -> None:
        """Build the net.

        Args:
            widths: channels per level of the picture branch.
            depth_widths: channels per level of the depth branch.
            head_width: channels of the head.
            basis_rank: rank of the basis.
            statistics_windows: window sides of `StatisticsBranch` in cells of 4 LR px; none
                without any.
            shrinkage: amount by which fields of whole pictures are shrunk (`shrink_codes`); the net
                itself does not use it.
            cell_width: channels of `CellKernels`; 0 leaves it out.
        """
        super().__init__()
        if not 0 <= shrinkage < math.inf:
            raise InputError(f"shrinkage must be a number of 0 or more, but is {shrinkage}.")
        w0, w1, w2 = widths
        d0, d1, d2 = depth_widths
        self.conv_in = nn.Conv2d(EVIDENCE_CHANNELS, w0, 3, padding=1)
        self.depth_conv_in = nn.Conv2d(1, d0, 3, padding=1)
        self.depth_down1 = nn.Conv2d(d0, d1, 2, 2)
        self.depth_down2 = nn.Conv2d(d1, d2, 2, 2)
        self.encoder0 = DepthAwareBlock(w0, d0)
        self.down1 = nn.Conv2d(w0, w1, 2, 2)
        self.encoder1 = DepthAwareBlock(w1, d1)
        self.down2 = nn.Conv2d(w1, w2, 2, 2)
        self.statistics = (
            StatisticsBranch(w2, tuple(statistics_windows)) if statistics_windows else None
        )
        self.bottleneck = DepthAwareBlock(w2, d2)
        self.up1 = nn.ConvTranspose2d(w2, w1, 2, 2)
        self.decoder1 = DepthAwareBlock(w1, d1)
        self.up0 = nn.ConvTranspose2d(w1, w0, 2, 2)
        self.decoder0 = DepthAwareBlock(w0, d0)
        self.head = kernel_head(w0, head_width, 0.15 if statistics_windows else 1.5)
        self.damage = damage_head(w0)
        self.cells = CellKernels(cell_width, tuple(statistics_windows)) if cell_width else None
        self.register_buffer("basis_mean", torch.full((KERNEL_TAPS,), 1 / KERNEL_TAPS))
        self.register_buffer("basis_components", torch.eye(basis_rank, KERNEL_TAPS))
        self.register_buffer("basis_spread", torch.ones(basis_rank))

    @property
    def receptive_radius(self) -> int:
        """How far, in LR px, an output looks at most: the halo that makes tiles exact."""
        # (convs at each level) x (its stride), plus the phase of the two stride-2 steps each way
        down = _EVIDENCE_RADIUS + 1 + 2 + 2 * 2 + 2
        if self.statistics is not None:
            down = max(down, statistics_radius(self.statistics.windows))
        return down + (2 + 1) * 4 + 2 * 2 + 2

    def radius_of(self, block: int) -> int:
        """`receptive_radius` where `features` are asked for blocks of so many LR pixels a side."""
        if block == CELL and self.cells is not None:
            return self.cells.receptive_radius
        return self.receptive_radius

    @property
    def basis(self) -> KernelBasis:
        """The PCA basis that kernel codes refer to."""
        return KernelBasis(self.basis_mean, self.basis_components, self.basis_spread)

    def set_basis(self, basis: KernelBasis) -> None:
        """Store `basis` with the weights."""
        self.basis_mean.copy_(basis.mean)
        self.basis_components.copy_(basis.components)
        self.basis_spread.copy_(basis.spread)

    def read_cells(self, inputs: Tensor) -> KernelEstimatorOutput:
        """The estimate from the statistics alone, at cells of 4x4 LR px: fast to train, coarse.

        Args:
            inputs: `(B,K,h/4,w/4)` from `statistics.inputs`.

        Returns:
            Maps of `h/4 x w/4` cells.

        Raises:
            InputError: the net has no statistics.
        """
        if self.statistics is None:
            raise InputError("This kernel estimator was made without statistics.")
        logits, damage = self.statistics.read(self.statistics(inputs)[1])
        bias = self.head[3].bias
        assert isinstance(bias, Tensor)
        kernels = torch.softmax(logits.float() + bias.float().view(1, -1, 1, 1), 1)
        return estimate_from(kernels, damage.float())

    def forward(
        self, lr: Tensor, scale: int, inverse_depth: Tensor | None = None
    ) -> KernelEstimatorOutput:
        """Estimate, as it is used: at scale 1 the pixels of a cell have one kernel (`CellKernels`).

        Args:
            lr: `(B,3,h,w)`, 0..1, sides multiples of 4.
            scale: SR factor, 1..16 (kernels are in HR px).
            inverse_depth: `(B,1,h,w)`, 0..1, near = 1; None leaves depth out exactly.
        """
        if scale == 1 and self.cells is not None:
            return _for_pixels(self.cells(lr, scale, inverse_depth))
        return self.read_out(self.features(lr, scale, inverse_depth))

    def features(
        self, lr: Tensor, scale: int, inverse_depth: Tensor | None = None, block: int = 1
    ) -> KernelFeatures:
        """What the heads read: `forward` without the 441 outputs, which cost the most memory.

        Args:
            lr: see `forward`.
            scale: see `forward`.
            inverse_depth: see `forward`.
            block: 1, 2 or 4: means over blocks of so many LR pixels a side, for one kernel each.
        """
        if lr.ndim != 4 or lr.shape[1] != 3 or lr.shape[-1] % 4 or lr.shape[-2] % 4:
            raise ShapeError("lr", "(B,3,h,w) with sides that are multiples of 4", lr.shape)
        if block == CELL and self.cells is not None:
            return self.cells.features(lr, scale, inverse_depth)
        x = self.conv_in(sharpness_evidence(lr, scale))
        d0 = d1 = d2 = None
        if inverse_depth is not None:
            d0 = F.relu(self.depth_conv_in((inverse_depth - 0.5) * 4))
            d1 = F.relu(self.depth_down1(d0))
            d2 = F.relu(self.depth_down2(d1))
        e0 = self.encoder0(x, d0)
        e1 = self.encoder1(self.down1(e0), d1)
        deep = self.down2(e1)
        read = None
        if self.statistics is not None:
            added, read = self.statistics(self.statistics.inputs(lr, scale))
            deep = deep + added
        m = self.bottleneck(deep, d2)
        l1 = self.decoder1(e1 + self.up1(m), d1)
        body = self.decoder0(e0 + self.up0(l1), d0)
        body = F.avg_pool2d(body, block) if block > 1 else body
        return KernelFeatures(body, read, block)

    def read_out(self, features: KernelFeatures) -> KernelEstimatorOutput:
        """The heads, at every place of the features' body."""
        if features.block == CELL and self.cells is not None:
            return self.cells.read_out(features)
        return read_heads(self.head, self.damage, self.statistics, features)
