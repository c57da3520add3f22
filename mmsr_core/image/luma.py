"""BT.601 luma, full range: the one definition that every room uses."""

from __future__ import annotations

import torch
from torch import Tensor

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Shares of red, green and blue (ITU-R BT.601)."""
STUDIO_LUMA_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""The same in studio range: Y of MATLAB's `rgb2ycbcr`, which papers on SR measure."""


def luminance(image: Tensor) -> Tensor:
    """BT.601 luma, full range: `(B,3,H,W)` or `(B,1,H,W)` in 0..1 to `(B,1,H,W)`."""
    if image.shape[1] == 1:
        return image
    weights = image.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True)


def limit_chroma(image: Tensor) -> Tensor:
    """Pale the colours that 0..1 cannot hold at their brightness, instead of clipping channels.

    The luma stays, clamped; colours inside of 0..1 stay as they are. Works pixel by pixel.

    Args:
        image: `(B,3,H,W)`, about 0..1.

    Returns:
        The same shape, 0..1.
    """
    luma = luminance(image)
    chroma = image - luma
    luma = luma.clamp(0, 1)
    up, down = chroma.amax(1, keepdim=True), -chroma.amin(1, keepdim=True)
    tiny = 1e-6
    share = torch.minimum((1 - luma) / up.clamp_min(tiny), luma / down.clamp_min(tiny)).clamp(max=1)
    return chroma.mul_(share).add_(luma).clamp_(0, 1)
