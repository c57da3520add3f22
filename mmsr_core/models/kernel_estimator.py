"""DKENet: the blur kernel at every LR site, with depth as evidence (SSR, arXiv 2403.05808).

After MANet (arXiv 2108.05302) with depth entering by SFT in every block. Where the paper goes down
once, this one goes down twice: a flat patch says nothing about its blur, so the answer has to
come from further away, and two levels cost less than twice the blocks.
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
from ..network import Network, records_config
from .blocks import ChannelNorm, FeatureTransform, MutualAffineConv


@dataclass(frozen=True)
class KernelEstimate:
    """What DKENet says about every LR site."""

    kernels: Tensor
    """`(B,441,h,w)`, non-negative, summing to 1."""
    log_noise: Tensor
    """`(B,1,h,w)`: natural logarithm of (noise std + 0.5/255), 0..1 units."""
    jpeg_damage: Tensor
    """`(B,1,h,w)`: (100 - JPEG quality) / 100."""


def whole_picture_damage(log_noise: Tensor, jpeg_damage: Tensor) -> tuple[Tensor, Tensor]:
    """Noise std (0..1 units) and JPEG quality (1..100) of each picture, `(B,)` each.

    Args:
        log_noise: `(B,)` mean over the picture of `KernelEstimate.log_noise`.
        jpeg_damage: `(B,)` mean over the picture of `KernelEstimate.jpeg_damage`.
    """
    noise_std = (log_noise.exp() - 0.5 / 255).clamp(0, 1)
    return noise_std, (100 - 100 * jpeg_damage).clamp(1, 100)


EVIDENCE_CHANNELS = 18
_EVIDENCE_RADIUS = 6  # 1 (smoothing) + 2 (difference) + 3 (local mean)


def sharpness_evidence(lr: Tensor, scale: int) -> Tensor:
    """What DKENet looks at, `(B,18,h,w)`.

    The picture, its detail, its detail at unit contrast, the scale, and the local log-energy of
    differences in four directions, one and two px apart. Blur shows in the ratio of fine to coarse
    energy, noise in the floor of the fine one; both are small beside the picture, and a net fed the
    bare picture had found neither after 260 steps.
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
def _start_smooth(last: nn.Module) -> None:
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
        last.weight[:, index, 0, 0] = pattern.reshape(-1) * 1.5


class DepthAwareBlock(nn.Module):
    """DABlock: SFT by depth, then MAConv, ReLU, MAConv, with a skip."""

    def __init__(self, channels: int, depth_channels: int) -> None:
        """Args: channels of the picture branch and of the depth branch at this level."""
        super().__init__()
        self.norm = ChannelNorm()
        self.depth = FeatureTransform(depth_channels, channels)
        self.first = MutualAffineConv(channels)
        self.second = MutualAffineConv(channels)

    def forward(self, x: Tensor, depth: Tensor | None) -> Tensor:
        """`x (B,C,h,w)`, `depth (B,Cd,h,w)` or None (exactly no effect)."""
        y = self.norm(x)
        y = y if depth is None else self.depth(y, depth)
        return x + 0.5 * self.second(F.relu(self.first(y)))


class EvidencePooling(nn.Module):
    """Averages of what the neighbourhood says, by how sure each place is of it.

    Normalised averages (Knutsson and Westin 1993) over windows of several sizes: an edge is heard
    across a flat sky. Starts without effect.
    """

    def __init__(self, channels: int, windows: tuple[int, ...], values: int = 32) -> None:
        """Args: channels in and out, odd window sides in cells, channels that are averaged."""
        super().__init__()
        if any(side % 2 == 0 for side in windows):
            raise InputError(f"Window sides must be odd, but are {windows}.")
        self.windows = windows
        self.norm = ChannelNorm()
        self.values = nn.Conv2d(channels, values, 1)
        self.certainty = nn.Conv2d(channels, values, 1)
        self.merge = nn.Conv2d(values * len(windows), channels, 1)
        nn.init.zeros_(self.merge.weight)
        nn.init.zeros_(self.merge.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,h,w)` to `(B,C,h,w)`."""
        y = self.norm(x)
        certainty = F.softplus(self.certainty(y).float()) + 1e-3
        both = torch.cat((self.values(y).float() * certainty, certainty), 1)
        heard = []
        for side in self.windows:
            said, sure = F.avg_pool2d(both, side, 1, side // 2).chunk(2, 1)
            heard.append(said / sure)
        return x + self.merge(torch.cat(heard, 1).to(x.dtype))


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
        context: tuple[int, ...] = (),
    ) -> None:
        """Build the net.

        Args:
            widths: channels per level of the picture branch.
            depth_widths: channels per level of the depth branch.
            head_width: channels of the head.
            basis_rank: rank of the basis.
            context: window sides of `EvidencePooling` at the coarsest level, in cells of 4 LR px;
                empty: none.
        """
        super().__init__()
        w0, w1, w2 = widths
        d0, d1, d2 = depth_widths
        self.inlet = nn.Conv2d(EVIDENCE_CHANNELS, w0, 3, padding=1)
        self.depth_inlet = nn.Conv2d(1, d0, 3, padding=1)
        self.depth_down1 = nn.Conv2d(d0, d1, 2, 2)
        self.depth_down2 = nn.Conv2d(d1, d2, 2, 2)
        self.enter0 = DepthAwareBlock(w0, d0)
        self.down1 = nn.Conv2d(w0, w1, 2, 2)
        self.enter1 = DepthAwareBlock(w1, d1)
        self.down2 = nn.Conv2d(w1, w2, 2, 2)
        self.middle = DepthAwareBlock(w2, d2)
        self.context = EvidencePooling(w2, tuple(context)) if context else None
        self.up1 = nn.ConvTranspose2d(w2, w1, 2, 2)
        self.leave1 = DepthAwareBlock(w1, d1)
        self.up0 = nn.ConvTranspose2d(w1, w0, 2, 2)
        self.leave0 = DepthAwareBlock(w0, d0)
        self.head = nn.Sequential(
            ChannelNorm(),
            nn.Conv2d(w0, head_width, 1),
            nn.ReLU(),
            nn.Conv2d(head_width, KERNEL_TAPS, 1),
        )
        _start_smooth(self.head[3])
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
        pooling = max(self.config.context, default=0) // 2 * 4
        return _EVIDENCE_RADIUS + 1 + 2 + (2 + 1) * 2 + (2 + 1) * 4 + 2 * 2 + 2 + pooling

    @property
    def basis(self) -> KernelBasis:
        """The PCA basis that kernel codes refer to."""
        return KernelBasis(self.basis_mean, self.basis_components, self.basis_spread)

    def set_basis(self, basis: KernelBasis) -> None:
        """Store `basis` with the weights."""
        self.basis_mean.copy_(basis.mean)
        self.basis_components.copy_(basis.components)
        self.basis_spread.copy_(basis.spread)

    def forward(
        self, lr: Tensor, scale: int, inverse_depth: Tensor | None = None
    ) -> KernelEstimate:
        """Estimate.

        Args:
            lr: `(B,3,h,w)`, 0..1, sides multiples of 4.
            scale: SR factor, 1..16 (kernels are in HR px).
            inverse_depth: `(B,1,h,w)`, 0..1, near = 1; None leaves depth out exactly.
        """
        if lr.ndim != 4 or lr.shape[1] != 3 or lr.shape[-1] % 4 or lr.shape[-2] % 4:
            raise ShapeError("lr", "(B,3,h,w) with sides that are multiples of 4", lr.shape)
        x = self.inlet(sharpness_evidence(lr, scale))
        d0 = d1 = d2 = None
        if inverse_depth is not None:
            d0 = F.relu(self.depth_inlet((inverse_depth - 0.5) * 4))
            d1 = F.relu(self.depth_down1(d0))
            d2 = F.relu(self.depth_down2(d1))
        e0 = self.enter0(x, d0)
        e1 = self.enter1(self.down1(e0), d1)
        m = self.middle(self.down2(e1), d2)
        m = m if self.context is None else self.context(m)
        l1 = self.leave1(e1 + self.up1(m), d1)
        features = self.leave0(e0 + self.up0(l1), d0)
        kernels = torch.softmax(self.head(features).float(), 1)
        noise, jpeg_damage = self.damage(features).float().chunk(2, 1)
        return KernelEstimate(kernels, noise - 4.5, jpeg_damage * 0.25)
