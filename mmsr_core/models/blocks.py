"""Building blocks shared by the networks. None of them sees more than a fixed neighbourhood."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GRID = 4
"""Networks after the kernel estimator work on the HR / 4 grid."""


def pixels_to_grid(image: Tensor) -> Tensor:
    """`(B,3,H,W)` to `(B,51,H/4,W/4)`: the mean of each 4x4 block, then its deviations, amplified.

    The mean of a block carries most of the energy and none of the detail; apart, each is at the
    scale that a network learns from. Input in 0..1; output about unit variance.
    """
    b, c, height, _ = image.shape
    blocks = F.pixel_unshuffle(image, GRID).reshape(b, c, GRID * GRID, height // GRID, -1)
    mean = blocks.mean(2)
    deviation = torch.add(-16 * mean.unsqueeze(2), blocks, alpha=16)
    return torch.cat(
        ((mean - 0.5) * 4, deviation.reshape(b, -1, height // GRID, mean.shape[-1])), 1
    )


def residual_to_grid(residual: Tensor) -> Tensor:
    """`(B,3,H,W)` differences to `(B,48,H/4,W/4)`, amplified to about unit variance."""
    return F.pixel_unshuffle(residual, GRID) * 16


def grid_to_residual(features: Tensor) -> Tensor:
    """`(B,48,h,w)` to a small residual `(B,3,4h,4w)` in picture units."""
    return F.pixel_shuffle(features.float(), GRID) * 0.1


class ChannelNorm(nn.Module):
    """Normalises over the channels of each pixel alone, so tiles do not change it."""

    def __init__(self, eps: float = 1e-4) -> None:
        """Args: eps, added to the variance."""
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,h,w)` to the same shape, zero mean and unit variance over C."""
        last = x.permute(0, 2, 3, 1)
        return F.layer_norm(last, last.shape[-1:], eps=self.eps).permute(0, 3, 1, 2)


class FeatureTransform(nn.Module):
    """SFT (arXiv 1804.02815): `x * (1 + gamma(c)) + beta(c)` with c at the same resolution."""

    def __init__(self, condition_channels: int, channels: int) -> None:
        """Zero-initialised: it starts as the identity."""
        super().__init__()
        self.project = nn.Conv2d(condition_channels, 2 * channels, 1)
        nn.init.zeros_(self.project.weight)
        if self.project.bias is not None:
            nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`x (B,C,h,w)`, `condition (B,Cc,h,w)`; returns `(B,C,h,w)`."""
        return modulate(x, self.project, condition)


def modulate(x: Tensor, project: nn.Conv2d, condition: Tensor) -> Tensor:
    """`x * (1 + gamma) + beta`, where `project` makes gamma and beta of a condition.

    The 1 is added to the bias instead: one pass less over features, which are large.

    Args:
        x: `(B,C,h,w)`.
        project: to `2 C` channels, with a bias; used without its hooks.
        condition: `(B,Cc,h,w)`, what `project` takes.
    """
    assert project.bias is not None
    gain, shift = project.bias.chunk(2)
    made = F.conv2d(condition, project.weight, torch.cat((gain + 1, shift)))
    factor, summand = made.chunk(2, 1)
    return torch.addcmul(summand, x, factor)


class MutualAffineConv(nn.Module):
    """MAConv (MANet, arXiv 2108.05302): each half of the channels modulates the other half."""

    def __init__(self, channels: int) -> None:
        """Args: channels, even."""
        super().__init__()
        half = channels // 2
        self.convs = nn.ModuleList([nn.Conv2d(half, half, 3, padding=1) for _ in range(2)])
        self.affines = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(half, half // 2, 1), nn.ReLU(), nn.Conv2d(half // 2, channels, 1)
                )
                for _ in range(2)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,h,w)` to `(B,C,h,w)`."""
        halves = x.chunk(2, 1)
        out = []
        for i in range(2):
            first, activation, project = self.affines[i].children()
            assert isinstance(project, nn.Conv2d)
            hidden = activation(first(halves[1 - i]))
            out.append(self.convs[i](modulate(halves[i], project, hidden)))
        return torch.cat(out, 1)


def timestep_features(t: Tensor, channels: int) -> Tensor:
    """Sinusoids of the flow time `(B,)` in 0..1: `(B,channels)`."""
    half = channels // 2
    rates = torch.exp(torch.linspace(0.0, 5.0, half, device=t.device, dtype=torch.float32))
    phase = t.float()[:, None] * rates[None]
    return torch.cat((phase.sin(), phase.cos()), 1)
