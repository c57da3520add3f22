"""The two bicubic rows every table has."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mmsr_core.metrics import round_to_uint8


def bicubic_results(lr: Tensor, scale: int) -> dict[str, Tensor]:
    """The two bicubic rows.

    `bicubic` is torch's without antialias (A = -0.75), `bicubic_pil` Pillow's, which is what torch
    does with antialias (A = -0.5). Nothing is filtered when a picture is enlarged: the cubic is all
    that differs.

    Args:
        lr: `(1,3,h,w)`, 0..1.
        scale: SR factor.

    Returns:
        Pictures `(1,3,H,W)` in 8-bit values.
    """
    size = (lr.shape[-2] * scale, lr.shape[-1] * scale)
    up = F.interpolate(lr, size=size, mode="bicubic", align_corners=False)
    array = lr[0].mul(255).round().byte().permute(1, 2, 0).numpy()
    resized = Image.fromarray(array).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    pil = torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1)[None].float() / 255
    return {"bicubic": round_to_uint8(up), "bicubic_pil": pil}
