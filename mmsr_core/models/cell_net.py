"""A small network that looks at a picture in its own pixels, blind to the scale.

What is read at every cell of 4x4 px, each value beside its own expected error (Laplace; Kendall &
Gal, arXiv 1703.04977), says the networks that are built on it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ShapeError
from .network import Network, records_config

CELL = 4
"""Px a side of the cells that values are given for."""
_GAINS = (12.0, 80.0)
_INPUTS = 3 * len(_GAINS) + 4
_LEAST_ERROR = 0.02


def picture_evidence(picture: Tensor) -> Tensor:
    """The input of the network, `(B,10,h,w)`.

    Detail of each channel at two gains, so that neither faint noise nor strong edges are lost, the
    levels, and how far the colours differ.
    """
    detail = picture - F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    gained = [torch.tanh(detail * gain) for gain in _GAINS]
    spread = picture.amax(1, keepdim=True) - picture.amin(1, keepdim=True)
    return torch.cat((*gained, (picture - 0.5) * 2, torch.tanh(spread * 8)), 1)


class _Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.5 * self.conv2(F.relu(self.conv1(x)))


class CellNet(Network):
    """Values of a picture at every cell, with the error of each."""

    total_stride = CELL
    outputs: ClassVar[int]
    """How many values."""

    @records_config
    def __init__(
        self,
        widths: tuple[int, int, int] = (24, 48, 64),
        dilations: tuple[int, ...] = (1, 2, 2, 1),
    ) -> None:
        """Args: channels at full, half and quarter size; dilation of each block at the last."""
        super().__init__()
        w0, w1, w2 = widths
        self.conv_in = nn.Conv2d(_INPUTS, w0, 3, padding=1)
        self.down1 = nn.Conv2d(w0, w1, 4, 2, padding=1)
        self.conv1 = nn.Conv2d(w1, w1, 3, padding=1)
        self.down2 = nn.Conv2d(w1, w2, 4, 2, padding=1)
        self.blocks = nn.Sequential(*(_Block(w2, step) for step in dilations))
        self.conv_out = nn.Conv2d(w2, 2 * self.outputs, 1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    @property
    def receptive_radius(self) -> int:
        """How far, in px, an output looks at most: the halo that makes tiles exact."""
        blocks = sum(step + 1 for step in self.config["dilations"])
        return CELL * blocks + 2 * CELL + 8

    def read(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Values and their expected errors, `(B,outputs,h/4,w/4)` each, float32.

        Args:
            picture: `(B,3,h,w)`, 0..1, sides multiples of 4.

        Raises:
            ShapeError: another shape.
        """
        sides = picture.shape[-2:]
        if picture.ndim != 4 or picture.shape[1] != 3 or sides[0] % CELL or sides[1] % CELL:
            raise ShapeError(
                "picture", "(B,3,h,w) with sides that are multiples of 4", tuple(picture.shape)
            )
        x = F.relu(self.conv_in(picture_evidence(picture)))
        x = F.relu(self.down1(x))
        x = x + F.relu(self.conv1(x))
        x = F.relu(self.down2(x))
        out = self.conv_out(self.blocks(x)).float()
        return out[:, 0::2], F.softplus(out[:, 1::2]) + _LEAST_ERROR
