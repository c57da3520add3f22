"""Image, kernel and faithfulness metrics. Every function returns one value per item."""

from __future__ import annotations

from .consistency import lr_consistency
from .kernels import best_constant_kernel, kernel_l1, kernel_psnr
from .lpips import Lpips
from .niqe import NiqeModel, niqe
from .psnr_ssim import psnr, rgb_to_y, round_to_uint8, ssim
from .weave import weave

__all__ = [
    "Lpips",
    "NiqeModel",
    "best_constant_kernel",
    "kernel_l1",
    "kernel_psnr",
    "lr_consistency",
    "niqe",
    "psnr",
    "rgb_to_y",
    "round_to_uint8",
    "ssim",
    "weave",
]
