"""Parts of DKENet: the block that depth steers, the reader of statistics, the kernel's head."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..degradation.kernels import KERNEL_SIZE, KERNEL_TAPS, window_offsets_px
from ..errors import InputError
from ..precision import full_precision
from .blocks import ChannelNorm, FeatureTransform, MutualAffineConv
from .blur_statistics import blur_statistics, statistics_channels
from .kernel_features import KernelEstimatorOutput, KernelFeatures, estimate_from


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

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Read the statistics.

        Args:
            inputs: `(B,K,h/4,w/4)`.

        Returns:
            At the cells: features `(B,C,h/4,w/4)`, and what `read` takes, `(B,hidden,h/4,w/4)`.
        """
        # Small differences of large logarithms matter here: bfloat16 is too coarse.
        with full_precision(inputs.device):
            hidden = self.mlp(inputs)
        return self.features(hidden), hidden

    def read(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """What the statistics add to the heads' outputs, where these are wanted.

        Args:
            hidden: `(B,hidden,h/4,w/4)`, the second result of `forward`, or a part of it.

        Returns:
            Logits of the kernel's taps `(B,441,h/4,w/4)`; noise and JPEG `(B,2,h/4,w/4)`.
        """
        return self.logits(hidden), self.damage(hidden)


def kernel_head(channels: int, hidden: int, amount: float) -> nn.Sequential:
    """From features `(B,channels,h,w)` to the logits of the taps `(B,441,h,w)`.

    Args:
        channels: of the features.
        hidden: channels between.
        amount: size of the first logits' patterns.
    """
    head = nn.Sequential(
        ChannelNorm(), nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, KERNEL_TAPS, 1)
    )
    _start_smooth(head[3], amount)
    return head


def damage_head(channels: int) -> nn.Sequential:
    """From features `(B,channels,h,w)` to noise and JPEG damage `(B,2,h,w)`."""
    return nn.Sequential(ChannelNorm(), nn.Conv2d(channels, 32, 1), nn.ReLU(), nn.Conv2d(32, 2, 1))


def read_heads(
    head: nn.Module, damage: nn.Module, branch: StatisticsBranch | None, features: KernelFeatures
) -> KernelEstimatorOutput:
    """What the two heads say at every place of the features' body, with what the statistics add."""
    logits, noise_and_jpeg = head(features.body).float(), damage(features.body).float()
    if branch is not None and features.statistics is not None:
        added = (features.at_body(part.float()) for part in branch.read(features.statistics))
        logits, noise_and_jpeg = logits + next(added), noise_and_jpeg + next(added)
    kernels = torch.softmax(logits.permute(0, 2, 3, 1), -1)  # much faster than over channels
    return estimate_from(kernels.permute(0, 3, 1, 2), noise_and_jpeg)


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
