"""The picture that times are measured on."""

from __future__ import annotations

import torch
from torch import Tensor

from mmsr_core.pipeline import Overrides

NOT_SHARPENED = Overrides(sharpening=0.0)
"""The picture below has more contrast than a lens gives. Found to be sharpened, which most pictures
are not, it would be measured twice, for half as much time again."""


def picture(height: int, width: int) -> Tensor:
    """A picture with edges, texture and smooth places, `(1,3,height,width)`, 0..1.

    As sharp as a photograph: a blurred one would be reduced first, and cost less.
    """
    g = torch.Generator().manual_seed(0)
    coarse = torch.rand((1, 3, height // 16 + 1, width // 16 + 1), generator=g)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    fine = torch.rand((1, 3, height, width), generator=g) - 0.5
    edges = 0.2 * torch.sign(smooth[:, :1] - smooth.mean())
    return (0.7 * smooth + edges + 0.05 * fine * (smooth[:, 1:2] > 0.5)).clamp(0, 1)
