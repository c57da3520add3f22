"""All figures of one result, and their means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mmsr_core.errors import InputError
from mmsr_core.metrics import Lpips, NiqeModel, niqe, psnr, round_to_uint8, ssim

Figures = dict[str, float | None]

COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("psnr_y", "PSNR-Y", 3),
    ("psnr_rgb", "PSNR-RGB", 3),
    ("ssim_y", "SSIM-Y", 4),
    ("ssim_rgb", "SSIM-RGB", 4),
    ("lpips", "LPIPS", 4),
    ("niqe", "NIQE", 3),
    ("lr_db_used", "LR dB (kernel used)", 2),
    ("lr_db_true", "LR dB (true kernel)", 2),
    ("kernel_psnr", "kernel PSNR", 2),
    ("seconds", "s / picture", 2),
)
"""Key in the JSON, heading in the table, digits."""


@dataclass(frozen=True)
class Measurer:
    """Picture metrics with their parameters loaded once."""

    lpips: Lpips | None
    niqe: NiqeModel | None
    crop: int

    @classmethod
    def from_folder(cls, folder: Path | None, crop: int) -> Measurer:
        """Load LPIPS and NIQE parameters; without a folder these two columns stay empty."""
        if folder is None:
            return cls(None, None, crop)
        return cls(Lpips.from_folder(folder).eval(), NiqeModel.from_folder(folder), crop)

    def __call__(self, sr: Tensor, hr: Tensor) -> Figures:
        """Figures of one result `(1,3,H,W)` in 8-bit values; None where the picture is too small.

        PSNR and SSIM leave `crop` pixels out along each side; LPIPS sees the whole picture.
        """
        sr, hr = round_to_uint8(sr), round_to_uint8(hr)
        figures: Figures = {
            "psnr_y": psnr(sr, hr, crop=self.crop).item(),
            "psnr_rgb": psnr(sr, hr, crop=self.crop, channel="rgb").item(),
        }
        figures["ssim_y"] = _or_none(lambda: ssim(sr, hr, crop=self.crop))
        figures["ssim_rgb"] = _or_none(lambda: ssim(sr, hr, crop=self.crop, channel="rgb"))
        lpips, model = self.lpips, self.niqe
        with torch.no_grad():
            figures["lpips"] = _or_none(lambda: lpips(sr, hr)) if lpips else None
        figures["niqe"] = _or_none(lambda: niqe(sr, model, crop=self.crop)) if model else None
        return figures


def mean_figures(rows: Sequence[Figures]) -> Figures:
    """Mean of every key over the pictures that have it."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: _mean(row.get(key) for row in rows) for key in keys}


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


def _or_none(metric: Callable[[], Tensor]) -> float | None:
    """The value of a metric, or None where the picture is too small for it."""
    try:
        return metric().item()
    except InputError:
        return None
