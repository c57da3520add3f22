"""BT.601 luma, full range: the one definition that every room uses."""

from __future__ import annotations

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
