"""Compare: bicubic and this against the truth, with PSNR, SSIM and, where it can be had, LPIPS."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mmsr_core.errors import InputError, WeightsError
from mmsr_core.types import Progress, ProgressCallback

from ..settings import MAX_BLUR_PX, MAX_COMPARE_SCALE, MAX_NOISE_255, MIN_BLUR_PX
from .jobs import CompareJob, Comparison, RestoreJob, Score

if TYPE_CHECKING:
    from torch import Tensor

    from mmsr_core.metrics import Lpips

    from .engine import Engine

METRICS_VARIABLE = "MMSR_METRICS"
"""Folder with `alexnet_features.npz` and `lpips_alex_heads.npz`."""
_LPIPS_SIDE, _SSIM_SIDE = 31, 11


def metrics_folder() -> Path | None:
    """Where the parameters of LPIPS lie: `MMSR_METRICS`, or `metrics` below `MMSR_SHARED`."""
    own = os.environ.get(METRICS_VARIABLE)
    shared = os.environ.get("MMSR_SHARED")
    folder = Path(own) if own else Path(shared) / "metrics" if shared else None
    return folder if folder is not None and folder.is_dir() else None


def load_lpips() -> Lpips | None:
    """LPIPS, if its parameters are on this computer (they do not ship)."""
    folder = metrics_folder()
    if folder is None:
        return None
    from mmsr_core.metrics import Lpips

    try:
        return Lpips.from_folder(folder)
    except WeightsError:
        return None


def damage_picture(
    good: Tensor,
    scale: int,
    blur_px: float,
    blur_end_px: float,
    noise_255: float,
    jpeg_quality: int,
    seed: int,
) -> Tensor:
    """Blur (growing from left to right), shrink, add noise, compress, round to 8 bits.

    Args:
        good: `(1,3,H,W)`, 0..1, sides multiples of `scale`.
        scale: 1..16.
        blur_px: standard deviation of the blur at the left edge, px of `good`; above 0.
        blur_end_px: at the right edge.
        noise_255: standard deviation of the noise in 8-bit units.
        jpeg_quality: 1..100; 100 leaves JPEG out.
        seed: of the noise.
    """
    from mmsr_core.degradation import add_damage, gaussian_kernels
    from mmsr_core.degradation.operator import gather_lr_pixels, pad_window

    height, width = (side // scale for side in good.shape[-2:])
    lr = good.new_empty((1, 3, height, width))
    ramp = torch.linspace(blur_px, blur_end_px, width)
    window = 128
    for left in range(0, width, window):  # A strip at a time: kernels are large.
        part = ramp[left : left + window].clamp_min(0.1)
        for top in range(0, height, window):
            rows = min(window, height - top)
            sigma = part.view(1, 1, -1).expand(1, rows, -1)
            kernels = gaussian_kernels(sigma, sigma, torch.zeros_like(sigma), scale)
            padded = pad_window(good, top, rows, left, len(part), scale)
            lr[..., top : top + rows, left : left + len(part)] = gather_lr_pixels(
                padded, kernels, scale
            )
    lr = (add_damage(lr, noise_255 / 255, seed=seed) * 255).round() / 255
    return add_damage(lr, jpeg_quality=None if jpeg_quality >= 100 else jpeg_quality)


def compare(engine: Engine, job: CompareJob, progress: ProgressCallback) -> Comparison:
    """Restores a damaged picture and measures it, and bicubic, against the truth.

    Raises:
        InputError: The pictures do not belong together, or a number is out of range.
    """
    from mmsr_core.image import resize_bicubic, save_image

    _check(job)
    size = engine.size_of(job.good)
    if math.prod(size) > engine.settings.max_output_pixels:
        raise InputError("The good picture is too large to be compared; crop it.")
    loaded = engine.load(job.good)
    good, notes = loaded.visible_rgb, [f"The good picture: {note}" for note in loaded.notes]
    quality: float | None = None
    if job.damaged is None:
        scale = job.scale
        good = _cropped(good, scale)
        lr = damage_picture(
            good, scale, job.blur_px, job.blur_end_px, job.noise_255, job.jpeg_quality, job.seed
        )
    else:
        damaged = engine.load(job.damaged)
        lr, quality = damaged.visible_rgb, damaged.jpeg_quality
        notes += [f"The damaged picture: {note}" for note in damaged.notes]
        scale = _scale_between(lr, good)
        good = good[..., : lr.shape[-2] * scale, : lr.shape[-1] * scale]
    settings = RestoreJob(job.good, steps=job.steps, detail=job.detail, seed=job.seed)
    restored = engine.run(lr, scale, settings, progress, quality)
    progress(Progress("measure", 1, 1))
    bicubic = resize_bicubic(lr, (good.shape[-2], good.shape[-1]))
    lpips = load_lpips()
    scores = tuple(
        _score(name, picture, good, scale, lpips)
        for name, picture in (("Bicubic", bicubic), ("MMSR", restored))
    )
    files = {"truth": good, "damaged": lr, "bicubic": bicubic, "restored": restored}
    progress(Progress("save", 1, 1))
    with engine.workspace.result_folder() as folder:
        for name, picture in files.items():
            save_image(folder / f"{name}.png", picture)
        progress(Progress("save", 1, 1))  # Ended meanwhile: nothing stays.
    paths = {name: folder / f"{name}.png" for name in files}
    said = " ".join(filter(None, [*notes, _note(lpips, good)]))
    return Comparison(**paths, scores=scores, note=said)


def _check(job: CompareJob) -> None:
    limits = {
        "blur": (job.blur_px, MIN_BLUR_PX, MAX_BLUR_PX),
        "blur at the right edge": (job.blur_end_px, MIN_BLUR_PX, MAX_BLUR_PX),
        "noise": (job.noise_255, 0, MAX_NOISE_255),
        "JPEG quality": (job.jpeg_quality, 1, 100),
        "scale": (job.scale, 1, MAX_COMPARE_SCALE),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise InputError(f"{name} must be from {low:g} to {high:g}, but is {value:g}.")


def _cropped(good: Tensor, scale: int) -> Tensor:
    height, width = (side // scale * scale for side in good.shape[-2:])
    if min(height, width) < 4 * scale:
        raise InputError(
            f"The good picture has {good.shape[-1]}×{good.shape[-2]} pixels, too few for ×{scale}."
        )
    return good[..., :height, :width]


def _scale_between(lr: Tensor, good: Tensor) -> int:
    """The whole number by which `good` is larger; up to a cropped rest."""
    ratios = [good.shape[-2] / lr.shape[-2], good.shape[-1] / lr.shape[-1]]
    scale = int(min(ratios))
    fits = all(scale <= ratio < scale + 1 for ratio in ratios)
    rest = max(good.shape[-2] - scale * lr.shape[-2], good.shape[-1] - scale * lr.shape[-1])
    if not fits or not 1 <= scale <= 16 or rest >= max(scale, 2):
        raise InputError(
            f"The good picture ({good.shape[-1]}×{good.shape[-2]}) must be a whole number of "
            f"times (1 to 16) as large as the damaged one ({lr.shape[-1]}×{lr.shape[-2]})."
        )
    return scale


def _score(name: str, picture: Tensor, good: Tensor, scale: int, lpips: Lpips | None) -> Score:
    from mmsr_core.metrics import psnr, round_to_uint8, ssim

    side = min(good.shape[-2:])
    crop = scale if side > 2 * scale + _SSIM_SIDE else 0
    distance = None
    if lpips is not None and side >= _LPIPS_SIDE:
        with torch.inference_mode():
            distance = float(lpips(round_to_uint8(picture), round_to_uint8(good)))
    similarity = float(ssim(picture, good, crop=crop)) if side >= _SSIM_SIDE else None
    return Score(name, float(psnr(picture, good, crop=crop)), similarity, distance)


def _note(lpips: Lpips | None, good: Tensor) -> str:
    if lpips is None:
        return (
            "LPIPS is not shown: its parameters do not ship with MMSR. Set the environment "
            f"variable {METRICS_VARIABLE} to a folder with alexnet_features.npz and "
            "lpips_alex_heads.npz."
        )
    if min(good.shape[-2:]) < _LPIPS_SIDE:
        return f"LPIPS is not shown: it needs pictures of at least {_LPIPS_SIDE} px a side."
    return ""
