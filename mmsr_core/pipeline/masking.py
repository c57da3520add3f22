"""The restored picture where a mask is white, the picture as it was where it is black."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..image import resize_bicubic, smooth
from . import inputs
from .results import RestorationOutput

BLACK_MASK = "The mask is black everywhere: nothing was restored."
"""Note in the report."""
_NEARLY_ONE = 1 - 1e-6  # what smoothing makes of 1


def restored_within(
    output: RestorationOutput, lr: Tensor, mask: Tensor | None, feather_px: float = 0.0
) -> RestorationOutput:
    """Keep a restoration where a mask is white, the plain enlargement where it is black.

    The maps and the report stay those of the whole restoration.

    Args:
        output: the restored pictures `(B,3,H,W)`, of any size.
        lr: `(B,3,h,w)`, 0..1: what they were made from. It is enlarged bicubically; at scale 1 it
            is what stays.
        mask: `(1 or B,1,mh,mw)`, 0..1, of any size; None changes nothing.
        feather_px: std of the Gaussian that softens the mask, px of the result; 0 leaves it as
            it is.

    Raises:
        InputError: a value is out of its range.
        ShapeError: the mask has another shape.
    """
    inputs.check_number("feather_px", feather_px, 0, 4096)
    if mask is None:
        return output
    restored = output.images
    size = (restored.shape[-2], restored.shape[-1])
    weight = inputs.check_mask("mask", mask, restored.shape[0], size).to(restored)
    if feather_px > 0:
        weight = smooth(weight, feather_px).clamp_(0, 1)
        weight = weight.masked_fill(weight > _NEARLY_ONE, 1.0)
    plain = resize_bicubic(inputs.check_picture("lr", lr).to(restored), size).clamp(0, 1)
    report = output.report
    if not bool((mask > 0).any()):
        report = replace(report, notes=[BLACK_MASK, *report.notes])
    return replace(output, images=torch.lerp(plain, restored, weight), report=report)
