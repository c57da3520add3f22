"""What the mean net is given for whole patches, shared by all stages that restore pictures.

The pipeline does the same for pictures of any size, in tiles. There the field of kernels is also
shrunk towards its mean (`shrink_codes`). Here it is not: a patch is too small to have such
statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import KernelBasis, KernelField, back_project
from mmsr_core.models import KernelEstimatorOutput, condition_globals, whole_picture_damage
from mmsr_core.models.mean_net import BACK_PROJECTIONS


@dataclass
class Conditions:
    """What the mean net and the denoiser are given besides the picture."""

    base: Tensor
    """`(B,3,H,W)` bicubic enlargement."""
    back_projected: Tensor
    """`(B,3,H,W)` the same after back-projection with the kernels."""
    codes: Tensor
    """`(B,R,H/4,W/4)` PCA codes of the kernels."""
    global_conditions: Tensor
    """`(B,3)`, see `condition_globals`."""
    depth: Tensor | None
    """`(B,1,H/4,W/4)` inverse depth."""


def whole_damage(found: KernelEstimatorOutput) -> tuple[Tensor, Tensor]:
    """Noise std and JPEG quality `(B,)` of whole patches, as DKENet's heads have them."""
    means = (value.float().mean((1, 2, 3)) for value in (found.log_noise, found.jpeg_damage))
    return whole_picture_damage(*means)


@torch.no_grad()
def prepare_conditions(
    lr: Tensor,
    scale: int,
    kernels: Tensor,
    noise_std: Tensor,
    jpeg_quality: Tensor,
    basis: KernelBasis,
    codes: int,
    depth: Tensor | None = None,
) -> Conditions:
    """The inputs of the mean net for given kernels.

    Args:
        lr: `(B,3,h,w)`.
        scale: SR factor.
        kernels: `(B,441,h,w)`.
        noise_std: `(B,)`, 0..1 units.
        jpeg_quality: `(B,)`, 1..100.
        basis: what the codes refer to.
        codes: how many of them are used.
        depth: `(B,1,h,w)` inverse depth.
    """
    size = (lr.shape[-2] * scale, lr.shape[-1] * scale)
    grid = (size[0] // 4, size[1] // 4)
    base = F.interpolate(lr, size=size, mode="bicubic", align_corners=False)
    field = KernelField(kernels, scale, None, checked=True)
    return Conditions(
        base,
        back_project(base.clone(), lr, field, BACK_PROJECTIONS),
        to_grid(basis.encode(kernels, codes), grid),
        condition_globals(scale, noise_std, jpeg_quality),
        None if depth is None else to_grid(depth, grid),
    )


def to_grid(lr_map: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample a map from the LR pixels to the HR / 4 grid (bilinear; the same at scale 4)."""
    if lr_map.shape[-2:] == size:
        return lr_map
    return F.interpolate(lr_map, size=size, mode="bilinear", align_corners=False)
