"""Faithfulness of a result to its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from ..errors import ShapeError
from ..precision import as_float64

if TYPE_CHECKING:
    from ..degradation import KernelField, Sharpening


def lr_consistency(
    sr: Tensor, lr: Tensor, field: KernelField, sharpening: Sharpening | None = None
) -> Tensor:
    """PSNR in RGB between `sr`, degraded as the kernels say, and `lr`; nothing is rounded.

    Computed window by window, so a field stored compactly never becomes dense as a whole.

    Args:
        sr: `(B,3,H,W)` float, sRGB in 0..1.
        lr: `(B,3,h,w)` float, with `H = h * field.scale` and `W = w * field.scale`.
        field: Kernels to degrade with. Which field this is (estimated or true) belongs beside the
            figure wherever it is shown.
        sharpening: what `lr` went through after the blur (`DegradationEstimate.sharpening`); None
            for none.

    Returns:
        `(B,)` float64, dB; infinite when they agree exactly.
    """
    from ..degradation import decibels, degrade_canvas, sharpen

    h, w, scale = field.height, field.width, field.scale
    for name, value, size in (("lr", lr, (h, w)), ("sr", sr, (h * scale, w * scale))):
        if value.ndim != 4 or value.shape[1] != 3 or value.shape[-2:] != size:
            expected = (
                f"(B,3,{size[0]},{size[1]}) for a field of {h}x{w} LR pixels at scale {scale}"
            )
            raise ShapeError(name, expected, tuple(value.shape))
    made = degrade_canvas(sr.detach().float(), field.to(sr.device))
    if sharpening is not None:
        made = sharpen(made, sharpening)
    return decibels(as_float64(made) - as_float64(lr))
