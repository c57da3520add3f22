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

from ..image import smooth

RADIUS_PX = 2.5
"""Std of the Gaussian, px of the picture."""
_CLOSE = 1e-4
_FREQUENCIES = 64


def sharpen(picture: Tensor, amount: Tensor) -> Tensor:
    """`S` of pictures `(B,C,h,w)` by the amounts `(B,)`; not clamped."""
    return picture + amount.view(-1, 1, 1, 1) * (picture - smooth(picture, RADIUS_PX))


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
        made = torch.lerp(picture, smooth(made, RADIUS_PX), share)
    return made


def noise_gain(amount: Tensor) -> Tensor:
    """How much of the std of white noise `unsharpen` leaves, a share for each of `amount (B,)`."""
    point = torch.zeros(1, 1, _FREQUENCIES, _FREQUENCIES)
    point[..., _FREQUENCIES // 2, _FREQUENCIES // 2] = 1
    kept = torch.fft.fft2(smooth(point, RADIUS_PX))[0, 0].abs().to(amount)  # by `G`
    sharpened = 1 + amount.view(-1, 1, 1) * (1 - kept)
    return sharpened.square().reciprocal().mean((1, 2)).sqrt()
