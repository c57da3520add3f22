"""What was measured, in words. Pure functions of numbers; no claim the numbers do not support."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmsr_core.degradation import NO_JPEG_QUALITY
from mmsr_core.errors import ShapeError
from mmsr_core.pipeline.results import AGREEMENT_MARGIN, ROUNDING_LEVELS, sharpening_words
from mmsr_core.pipeline.sharpness import CLEAR_QUALITY, VISIBLE_NOISE

LEAST_TOLD_LEVELS = 0.05
"""Less noise, of 255, would be written as none."""
_DIRECTIONS = (
    "left to right",
    "from the top left to the bottom right",
    "up and down",
    "from the bottom left to the top right",
)


def blur_width(blur_sigma_px: Tensor) -> Tensor:
    """`(B,2,h,w)` standard deviations along both axes to `(B,h,w)`, their geometric mean."""
    if blur_sigma_px.dim() != 4 or blur_sigma_px.shape[1] != 2:
        raise ShapeError("blur_sigma_px", "(B,2,h,w)", tuple(blur_sigma_px.shape))
    return blur_sigma_px.float().prod(1).sqrt()


def direction_words(angle_rad: float) -> str:
    """The direction of an axis (no arrow): angles from x (right) towards y (down), radians."""
    return _DIRECTIONS[round(angle_rad / (math.pi / 4)) % 4]


def shape_words(major_px: float, minor_px: float, angle_rad: float) -> str:
    """One kernel's shape: round, or smeared along a direction (like motion)."""
    if major_px < 1.3 * max(minor_px, 1e-6):
        return f"Round: {math.sqrt(major_px * minor_px):.1f} px of the result wide."
    how = "Smeared" if major_px >= 1.8 * max(minor_px, 1e-6) else "Slightly smeared"
    return (
        f"{how} {direction_words(angle_rad)}: {major_px:.1f} px of the result along, "
        f"{minor_px:.1f} px across, as camera shake or movement leaves it."
    )


def smear_words(blur_sigma_px: Tensor, angle_rad: Tensor) -> str:
    """Whether the whole picture is smeared one way; empty if not.

    Args:
        blur_sigma_px: `(2,h,w)` standard deviations, major axis first.
        angle_rad: `(h,w)` direction of the major axis.
    """
    major, minor = blur_sigma_px.double()
    ratio = float((major / minor.clamp_min(1e-6)).median())
    # Axes have no sign: average them as vectors of the doubled angle.
    x, y = torch.cos(2 * angle_rad.double()).mean(), torch.sin(2 * angle_rad.double()).mean()
    if ratio < 1.5 or float(torch.hypot(x, y)) < 0.7:
        return ""
    return f"Smeared {direction_words(float(torch.atan2(y, x)) / 2)}, as by a shaken camera."


def range_words(values: Tensor, unit: str) -> str:
    """Numbers of a map, as the report writes them."""
    low, high, mean = float(values.min()), float(values.max()), float(values.float().mean())
    return f"{low:.1f} to {high:.1f} {unit}, mean {mean:.1f}"


def kernels_words(width_px: Tensor, scale: int, kernel_scale: int | None = None) -> str:
    """What the kernels are that a picture is restored with, and why they are not its blur.

    Args:
        width_px: `(h,w)` their widths, px of the result.
        scale: from the picture to the result.
        kernel_scale: that of the kernels, larger where a reduction of the picture is restored.
    """
    widths = range_words(width_px, "px of the result")
    if kernel_scale is not None and kernel_scale > scale:
        return (
            f"Kernels used, of the picture reduced by {kernel_scale // scale}: {widths}. Your "
            "picture is blurred so widely that it is restored from that reduction, so these are "
            "not its own blur."
        )
    if scale == 1:
        return f"Kernels used: {widths}. The picture is restored with these."
    return (
        f"Kernels used (blur and shrinking together): {widths}. The picture is restored with "
        "these. They are wide even where it has no blur, since each of its pixels stands for "
        f"{scale}×{scale} of the result."
    )


def noise_words(noise_std: float, error: float | None = None) -> str:
    """Noise level in words, in per cent and in 8-bit units.

    Args:
        noise_std: 0..1 units.
        error: expected error of it; None where it is not known.
    """
    levels = noise_std * 255
    names = ((0.7, "No visible noise"), (3.0, "Slight noise"), (8.0, "Noisy"))
    name = next((text for bound, text in names if levels < bound), "Very noisy")
    doubt = "" if error is None else f", give or take {max(0.1, error * 255):.1f}"
    percent = 100 * noise_std
    share = f"{percent:.1f}" if percent < 0.95 else f"{percent:.0f}"
    about = "" if name == names[0][1] else f" (about {share} %)"
    return f"{name}{about}: {levels:.1f} of 255 levels{doubt}."


def jpeg_words(quality: float, error: float | None = None) -> str:
    """JPEG quality in words.

    Args:
        quality: 1..100; 100 means no trace of it.
        error: expected error of it; None where it is not known.
    """
    if quality > NO_JPEG_QUALITY:
        return "No traces of JPEG found."
    names = ((35, "Heavily compressed"), (65, "Clearly compressed"), (85, "Compressed"))
    name = next((text for bound, text in names if quality < bound), "Lightly compressed")
    doubt = "" if error is None else f", give or take {max(1.0, error):.0f}"
    return f"{name}: like JPEG quality {quality:.0f}{doubt}."


def sharpening_sentence(amount: float) -> str:
    """What a camera or an editor did, and what became of it; the amount is above 0."""
    said = sharpening_words(amount)
    return f"{said[0].upper()}{said[1:]}: that was taken back first."


def consistency_words(after_db: float, unexplained_std: float, jpeg_quality: float = 100.0) -> str:
    """The proof: blurred and shrunk again, the result must give the input back, up to its damage.

    Args:
        after_db: agreement of the result.
        unexplained_std: what noise and JPEG may leave, 0..1 units.
        jpeg_quality: 1..100; 100 means none.
    """
    left, noise = 255 * 10 ** (-after_db / 20), 255 * unexplained_std
    cause = "noise" if jpeg_quality > NO_JPEG_QUALITY else "noise and JPEG damage"
    agrees = left <= AGREEMENT_MARGIN * noise + ROUNDING_LEVELS
    how = "Consistent with" if agrees else "Close to"
    said = f"{how} your picture: within {left:.1f} brightness levels of 255"
    if noise < LEAST_TOLD_LEVELS:
        return f"{said}."
    if agrees:
        return f"{said}, as far as its {cause} lets one tell."
    return f"{said}; its {cause} would account for {noise:.1f}."


def score_words(bicubic_db: float, restored_db: float) -> str:
    """Which of two pictures is closer to the truth, from their PSNR in dB."""
    gain = restored_db - bicubic_db
    if abs(gain) < 0.05:
        return "Both are equally close to the good picture."
    nearer, other = ("MMSR", "bicubic") if gain > 0 else ("Bicubic", "MMSR")
    return f"{nearer} is closer to the good picture than {other}: by {abs(gain):.1f} dB."


def headline(softness: str, noise_std: float, jpeg_quality: float) -> str:
    """One sentence about the whole picture; `softness` is `Sharpness.fault`."""
    faults = [softness] if softness else []
    if noise_std >= VISIBLE_NOISE:
        faults.append("noisy")
    if jpeg_quality < CLEAR_QUALITY:
        faults.append("compressed")
    if not faults:
        return "Your picture is in good shape."
    return f"Your picture is {join_words(faults)}."


def join_words(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def time_words(seconds: float) -> str:
    """A rough duration that does not flicker."""
    if seconds < 8:
        return "a few seconds"
    if seconds < 55:
        return f"about {5 * round(seconds / 5)} s"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} minute{'s' if minutes > 1 else ''}"
