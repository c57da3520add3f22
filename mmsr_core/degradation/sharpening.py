"""Sharpening by unsharp masking, as cameras and editors do it, and its inverse.

`S = 1 + a (1 - G)` with a Gaussian `G`. Nearly every photograph went through something like it, at
its own pixels: it gave edges and texture more contrast than the lens did. Enlarging takes the blur
of the lens back; where the camera has made up for it already, cloth and grass would get far too
much contrast. So sharpening is taken back first. `S` is never below 1: its inverse raises no noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

RADIUS_PX = 2.5
"""Std of the Gaussian, px of the picture."""
_REACH = 3.0  # stds
_CLOSE = 1e-4
_FREQUENCIES = 64


def sharpen(picture: Tensor, amount: Tensor) -> Tensor:
    """`S` of pictures `(B,C,h,w)` by the amounts `(B,)`; not clamped."""
    return picture + amount.view(-1, 1, 1, 1) * (picture - _soft(picture))


def unsharpen(picture: Tensor, amount: Tensor) -> Tensor:
    """The inverse of `sharpen`: the picture before it, to 1e-4; not clamped.

    Solved by `x <- (y + a G x) / (1 + a)`, whose error falls by `a / (1 + a)` a step.

    Args:
        picture: `(B,C,h,w)`, 0..1.
        amount: `(B,)`, 0..3.
    """
    most = float(amount.max())
    if most <= 0:
        return picture
    share = (amount / (1 + amount)).view(-1, 1, 1, 1)
    made = picture
    for _ in range(math.ceil(math.log(_CLOSE) / math.log(most / (1 + most)))):
        made = torch.lerp(picture, _soft(made), share)
    return made


def noise_gain(amount: Tensor) -> Tensor:
    """How much of the std of white noise `unsharpen` leaves, a share for each of `amount (B,)`."""
    at, taps = _gaussian(amount.device)
    turns = torch.arange(_FREQUENCIES, device=amount.device) / _FREQUENCIES
    line = torch.cos(2 * math.pi * turns[:, None] * at) @ taps
    sharpened = 1 + amount.view(-1, 1, 1) * (1 - line[:, None] * line)
    return sharpened.square().reciprocal().mean((1, 2)).sqrt()


def _gaussian(device: torch.device) -> tuple[Tensor, Tensor]:
    """Places, px, and the taps of a Gaussian of `RADIUS_PX` there."""
    reach = math.ceil(_REACH * RADIUS_PX)
    at = torch.arange(-reach, reach + 1, device=device)
    taps = torch.exp(-0.5 * (at / RADIUS_PX).square())
    return at, taps / taps.sum()


def _soft(picture: Tensor) -> Tensor:
    """`G`: a Gaussian of `RADIUS_PX`, the border continued by its last pixel."""
    taps = _gaussian(picture.device)[1].to(picture)
    reach = len(taps) // 2
    batch, channels, height, width = picture.shape
    flat = picture.reshape(batch * channels, 1, height, width)
    flat = F.conv2d(F.pad(flat, (reach, reach, 0, 0), mode="replicate"), taps.view(1, 1, 1, -1))
    flat = F.conv2d(F.pad(flat, (0, 0, reach, reach), mode="replicate"), taps.view(1, 1, -1, 1))
    return flat.view_as(picture)
