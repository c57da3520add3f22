"""DKENet: the blur kernel at every LR pixel, with depth as evidence (SSR, arXiv 2403.05808).

After MANet (arXiv 2108.05302) with depth entering by SFT in every block. The paper has
one level of downsampling, this net has two: a flat patch holds no information about its blur, so
the net has to see further, and a second level is cheaper than twice the blocks. A branch adds
statistics of the picture (`blur_statistics`).

The U-Net: `conv_in`, `encoder0`, `down1`, `encoder1`, `down2`, `bottleneck`, `up1`, `decoder1`,
`up0`, `decoder0`, then the heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..degradation.basis import KernelBasis
from ..degradation.kernels import KERNEL_SIZE, KERNEL_TAPS, window_offsets_px
from ..errors import InputError, ShapeError
from ..precision import full_precision
from .blocks import ChannelNorm, FeatureTransform, MutualAffineConv
from .blur_statistics import CELL, blur_statistics, statistics_channels, statistics_radius
from .network import Network, records_config


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
    statistics: tuple[Tensor, Tensor] | None
    """`(B,441,h',w')` logits and `(B,2,h',w')` damage at cells, which may reach over the body."""
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
        logits, damage = (part[..., down, across] for part in self.statistics)
        return KernelFeatures(body, (logits, damage), self.block, (top, left))

    def statistics_at_body(self) -> tuple[Tensor, Tensor] | None:
        """The statistics at the places of the body, bilinearly."""
        if self.statistics is None:
            return None
        top, left = (margin * CELL // self.block for margin in self.margins)
        h, w = self.body.shape[-2:]
        logits, damage = (_to_blocks(part, self.block) for part in self.statistics)
        where = (..., slice(top, top + h), slice(left, left + w))
        return logits[where], damage[where]


def _length(span: slice) -> int:
    return span.stop - span.start


def _estimate(kernels: Tensor, damage: Tensor) -> KernelEstimatorOutput:
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


@torch.no_grad()
def _start_smooth(last: nn.Module, amount: float) -> None:
    """Start the softmax from a Gaussian, and its features from smooth patterns over the window.

    Random logits would have to learn first that neighbouring taps belong together.
    """
    if not isinstance(last, nn.Conv2d) or last.bias is None:
        raise TypeError("The head must end in a convolution with a bias.")
    x, y = window_offsets_px(4)
    last.bias.copy_(-(x * x + y * y) / (2 * 2.0**2))
    side = torch.arange(KERNEL_SIZE, dtype=torch.float32)
    lines = torch.cos(math.pi * torch.arange(KERNEL_SIZE)[:, None] * (side + 0.5) / KERNEL_SIZE)
    order = sorted(
        ((i, j) for i in range(KERNEL_SIZE) for j in range(KERNEL_SIZE) if i + j > 0),
        key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair),
    )[: last.in_channels]
    for index, (i, j) in enumerate(order):
        pattern = lines[i][:, None] * lines[j][None, :]
        last.weight[:, index, 0, 0] = pattern.reshape(-1) * amount


def _to_blocks(cells: Tensor, block: int) -> Tensor:
    """From the cells of 4x4 LR pixels to blocks of 1, 2 or 4 LR pixels a side, bilinearly."""
    if block == CELL:
        return cells
    return F.interpolate(cells, scale_factor=CELL // block, mode="bilinear", align_corners=False)


class DepthAwareBlock(nn.Module):
    """DABlock: SFT by depth, then MAConv, ReLU, MAConv, with a skip."""

    def __init__(self, channels: int, depth_channels: int) -> None:
        """Args: channels of the picture branch and of the depth branch at this level."""
        super().__init__()
        self.norm = ChannelNorm()
        self.depth = FeatureTransform(depth_channels, channels)
        self.conv1 = MutualAffineConv(channels)
        self.conv2 = MutualAffineConv(channels)

    def forward(self, x: Tensor, depth: Tensor | None) -> Tensor:
        """`x (B,C,h,w)`, `depth (B,Cd,h,w)` or None (exactly no effect)."""
        y = self.norm(x)
        y = y if depth is None else self.depth(y, depth)
        return x + 0.5 * self.conv2(F.relu(self.conv1(y)))


class StatisticsBranch(nn.Module):
    """`blur_statistics` of the picture, read by a small perceptron at every cell."""

    def __init__(self, channels: int, windows: tuple[int, ...], hidden: int = 192) -> None:
        """Args: channels out, odd window sides in cells of 4 LR px, hidden units."""
        super().__init__()
        if any(side % 2 == 0 for side in windows) or list(windows) != sorted(windows):
            raise InputError(f"Window sides must be odd and rising, but are {windows}.")
        self.windows = windows
        self.mlp = nn.Sequential(
            nn.Conv2d(statistics_channels(windows) + 1, hidden, 1),
            nn.GELU(),
            nn.Conv2d(hidden, hidden, 1),
            nn.GELU(),
        )
        self.features = nn.Conv2d(hidden, channels, 1)
        self.logits = nn.Conv2d(hidden, KERNEL_TAPS, 1)
        self.damage = nn.Conv2d(hidden, 2, 1)
        for last in (self.features, self.logits, self.damage):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def inputs(self, lr: Tensor, scale: int) -> Tensor:
        """What the perceptron reads, `(B,K,h/4,w/4)` float32, from `lr (B,3,h,w)` in 0..1."""
        statistics = blur_statistics(lr, self.windows)
        level = torch.full_like(statistics[:, :1], math.log2(scale) - 2)
        return torch.cat((statistics, level), 1)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read the statistics.

        Args:
            inputs: `(B,K,h/4,w/4)`.

        Returns:
            At the cells: features `(B,C,h/4,w/4)`, what they add to the logits of the kernel's taps
            `(B,441,h/4,w/4)`, and to noise and JPEG `(B,2,h/4,w/4)`.
        """
        # Small differences of large logarithms matter here: bfloat16 is too coarse.
        with full_precision(inputs.device):
            hidden = self.mlp(inputs)
            return self.features(hidden), self.logits(hidden), self.damage(hidden)


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
        self.head = nn.Sequential(
            ChannelNorm(),
            nn.Conv2d(w0, head_width, 1),
            nn.ReLU(),
            nn.Conv2d(head_width, KERNEL_TAPS, 1),
        )
        _start_smooth(self.head[3], 0.15 if statistics_windows else 1.5)
        self.damage = nn.Sequential(
            ChannelNorm(), nn.Conv2d(w0, 32, 1), nn.ReLU(), nn.Conv2d(32, 2, 1)
        )
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
        _, logits, damage = self.statistics(inputs)
        bias = self.head[3].bias
        assert isinstance(bias, Tensor)
        kernels = torch.softmax(logits.float() + bias.float().view(1, -1, 1, 1), 1)
        return _estimate(kernels, damage.float())

    def forward(
        self, lr: Tensor, scale: int, inverse_depth: Tensor | None = None
    ) -> KernelEstimatorOutput:
        """Estimate.

        Args:
            lr: `(B,3,h,w)`, 0..1, sides multiples of 4.
            scale: SR factor, 1..16 (kernels are in HR px).
            inverse_depth: `(B,1,h,w)`, 0..1, near = 1; None leaves depth out exactly.
        """
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
            read = self.statistics(self.statistics.inputs(lr, scale))
        m = self.bottleneck(deep if read is None else deep + read[0], d2)
        l1 = self.decoder1(e1 + self.up1(m), d1)
        body = self.decoder0(e0 + self.up0(l1), d0)
        body = F.avg_pool2d(body, block) if block > 1 else body
        return KernelFeatures(body, None if read is None else read[1:], block)

    def read_out(self, features: KernelFeatures) -> KernelEstimatorOutput:
        """The heads, at every place of the features' body."""
        logits = self.head(features.body).float()
        damage = self.damage(features.body).float()
        read = features.statistics_at_body()
        if read is not None:
            logits, damage = logits + read[0], damage + read[1]
        kernels = torch.softmax(logits.permute(0, 2, 3, 1), -1)  # much faster than over channels
        return _estimate(kernels.permute(0, 3, 1, 2), damage)
