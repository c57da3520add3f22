"""Small bodies of two published kinds, into which a prompt is put for comparison.

Their shapes follow EDSR (arXiv 1707.02921) and RCAN (arXiv 1807.02758); their size does not.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

BODY_SCALE = 4


class EdsrBlock(nn.Module):
    """Conv, ReLU, conv, added back at a tenth (arXiv 1707.02921)."""

    def __init__(self, channels: int) -> None:
        """Args: channels."""
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,h,w)` to the same shape."""
        return x + 0.25 * self.second(F.relu(self.first(x)))


class ChannelAttentionBlock(nn.Module):
    """RCAN's block: two convolutions, weighted by channel (arXiv 1807.02758).

    RCAN pools over the whole picture for the weights; so does this one, hence it does not tile
    exactly and is for this comparison only.
    """

    def __init__(self, channels: int) -> None:
        """Args: channels."""
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.squeeze = nn.Conv2d(channels, max(1, channels // 4), 1)
        self.excite = nn.Conv2d(max(1, channels // 4), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,h,w)` to the same shape."""
        y = self.second(F.relu(self.first(x)))
        weight = self.excite(F.relu(self.squeeze(y.mean((2, 3), keepdim=True)))).sigmoid()
        return x + 0.5 * weight * y


class ResidualGroup(nn.Module):
    """RCAN's group: blocks and a convolution, added back."""

    def __init__(self, channels: int, blocks: int) -> None:
        """Args: channels, blocks in the group."""
        super().__init__()
        self.body = nn.Sequential(*[ChannelAttentionBlock(channels) for _ in range(blocks)])
        self.tail = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,h,w)` to the same shape."""
        return x + 0.25 * self.tail(self.body(x))


class _Body(nn.Module):
    """Features at LR size, a residual body, pixel shuffle, on top of the bicubic enlargement."""

    def __init__(self, channels: int, body: nn.Sequential) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = body
        self.tail = nn.Conv2d(channels, 3 * BODY_SCALE**2, 3, padding=1)

    def forward(self, lr: Tensor) -> Tensor:
        """`(B,3,h,w)` in 0..1 to `(B,3,4h,4w)`, not clamped."""
        base = F.interpolate(lr, scale_factor=BODY_SCALE, mode="bicubic", align_corners=False)
        x = self.head((lr - 0.5) * 8)
        return base + 0.1 * F.pixel_shuffle(self.tail(self.body(x) + x), BODY_SCALE)


class EdsrBody(_Body):
    """Plain residual blocks, no normalisation."""

    def __init__(self, channels: int = 24, blocks: int = 6) -> None:
        """Args: width, blocks."""
        super().__init__(channels, nn.Sequential(*[EdsrBlock(channels) for _ in range(blocks)]))


class RcanBody(_Body):
    """Residual groups of blocks with channel attention."""

    def __init__(self, channels: int = 24, groups: int = 2, blocks: int = 3) -> None:
        """Args: width, groups, blocks in each."""
        groups_ = [ResidualGroup(channels, blocks) for _ in range(groups)]
        super().__init__(channels, nn.Sequential(*groups_))
