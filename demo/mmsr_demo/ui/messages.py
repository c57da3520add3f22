"""What was measured, in words. Pure functions of numbers; no claim the numbers do not support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mmsr_core.degradation import NO_JPEG_QUALITY
from mmsr_core.errors import ShapeError
from mmsr_core.pipeline.results import AGREEMENT_MARGIN, ROUNDING_LEVELS

_EVEN_RATIO = 1.15
"""A blur whose widest region is less than this many times its narrowest counts as even."""
_LEVELS = ((0.30, "sharp"), (0.45, "slightly soft"), (0.65, "soft"), (math.inf, "very soft"))
"""Blur width in px of the input (px of the result / scale), and its name. The smallest blur that
shrinking itself leaves (MANet's variance of 0.175 s) is 0.21 at x4."""
_PLACES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "towards the left edge": ((1, 0, 0), (1, 0, 0), (1, 0, 0)),
    "towards the right edge": ((0, 0, 1), (0, 0, 1), (0, 0, 1)),
    "towards the top": ((1, 1, 1), (0, 0, 0), (0, 0, 0)),
    "towards the bottom": ((0, 0, 0), (0, 0, 0), (1, 1, 1)),
    "in the top left corner": ((1, 0, 0), (0, 0, 0), (0, 0, 0)),
    "in the top right corner": ((0, 0, 1), (0, 0, 0), (0, 0, 0)),
    "in the bottom left corner": ((0, 0, 0), (0, 0, 0), (1, 0, 0)),
    "in the bottom right corner": ((0, 0, 0), (0, 0, 0), (0, 0, 1)),
    "in the middle": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    "around the edges": ((1, 1, 1), (1, 0, 1), (1, 1, 1)),
}
_DIRECTIONS = (
    "left to right",
    "from the top left to the bottom right",
    "up and down",
    "from the bottom left to the top right",
)


@dataclass(frozen=True)
class BlurSummary:
    """The blur of a picture, region by region."""

    level: str
    """"sharp" to "very soft", from the mean width."""
    place: str
    """Where it is softest; empty when the blur is even."""
    mean_px: float
    widest_px: float
    """Width in the softest region, px of the result."""
    narrowest_px: float


def blur_width(blur_sigma_px: Tensor) -> Tensor:
    """`(B,2,h,w)` standard deviations along both axes to `(B,h,w)`, their geometric mean."""
    if blur_sigma_px.dim() != 4 or blur_sigma_px.shape[1] != 2:
        raise ShapeError("blur_sigma_px", "(B,2,h,w)", tuple(blur_sigma_px.shape))
    return blur_sigma_px.float().prod(1).sqrt()


def summarise_blur(width_px: Tensor, scale: int) -> BlurSummary:
    """Where a picture is soft, and by how much.

    The picture is divided into 3x3 regions; the place named is the pattern of regions that
    correlates best with their mean widths.

    Args:
        width_px: `(h,w)` blur width in px of the result.
        scale: SR factor the widths belong to.
    """
    if width_px.dim() != 2:
        raise ShapeError("width_px", "(h,w)", tuple(width_px.shape))
    regions = functional.adaptive_avg_pool2d(width_px[None, None].float(), 3)[0, 0].double()
    low, high, mean = float(regions.min()), float(regions.max()), float(width_px.float().mean())
    level = next(name for bound, name in _LEVELS if mean / scale < bound)
    if high < low * _EVEN_RATIO or high - low < 0.1:
        return BlurSummary(level, "", mean, high, low)
    centred = regions - regions.mean()

    def fit(name: str) -> float:
        mask = torch.tensor(_PLACES[name], dtype=torch.float64)
        mask = mask - mask.mean()
        return float((mask * centred).sum() / mask.norm())

    return BlurSummary(level, max(_PLACES, key=fit), mean, high, low)


def blur_words(width_px: Tensor, scale: int, error: float | None = None) -> str:
    """The blur in one sentence, in px of the picture: "Soft towards the right edge: about 0.6 px".

    Args:
        width_px: `(h,w)` blur width in px of the result.
        scale: SR factor the widths belong to.
        error: expected relative error of an even blur's width; None where it is not known.
    """
    blur = summarise_blur(width_px, scale)
    if not blur.place:
        mean = blur.mean_px / scale
        doubt = "" if error is None else f", give or take {max(0.1, error * mean):.1f} px"
        return f"{blur.level.capitalize()} everywhere: the blur is about {mean:.1f} px wide{doubt}."
    worst = next(name for bound, name in _LEVELS if blur.widest_px / scale < bound)
    word = "Softest" if worst == "sharp" else worst.capitalize()
    return (
        f"{word} {blur.place}: about {blur.widest_px / scale:.1f} px; "
        f"sharpest part {blur.narrowest_px / scale:.1f} px."
    )


def direction_words(angle_rad: float) -> str:
    """The direction of an axis (no arrow): angles from x (right) towards y (down), radians."""
    return _DIRECTIONS[round(angle_rad / (math.pi / 4)) % 4]


def shape_words(major_px: float, minor_px: float, angle_rad: float) -> str:
    """One kernel's shape: round (like defocus) or smeared along a direction (like motion)."""
    if major_px < 1.3 * max(minor_px, 1e-6):
        return f"Round, {math.sqrt(major_px * minor_px):.1f} px wide: like a lens out of focus."
    how = "Smeared" if major_px >= 1.8 * max(minor_px, 1e-6) else "Slightly smeared"
    return (
        f"{how} {direction_words(angle_rad)}: {major_px:.1f} px along, {minor_px:.1f} px across, "
        "as camera shake or movement leaves it."
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


def noise_words(noise_std: float, error: float | None = None) -> str:
    """Noise level in words, with the number in 8-bit units.

    Args:
        noise_std: 0..1 units.
        error: expected error of it; None where it is not known.
    """
    levels = noise_std * 255
    names = ((0.7, "No visible noise"), (3.0, "A little noise"), (8.0, "Noisy"))
    name = next((text for bound, text in names if levels < bound), "Very noisy")
    doubt = "" if error is None else f", give or take {max(0.1, error * 255):.1f}"
    return f"{name}: about {levels:.1f} of 255 levels{doubt}."


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


def consistency_words(after_db: float, unexplained_std: float, jpeg_quality: float = 100.0) -> str:
    """The proof: blurred and shrunk again, the result must give the input back, up to its damage.

    Args:
        after_db: agreement of the result.
        unexplained_std: what noise and JPEG may leave, 0..1 units.
        jpeg_quality: 1..100; 100 means none.
    """
    left, noise = 255 * 10 ** (-after_db / 20), 255 * unexplained_std
    cause = "noise" if jpeg_quality > NO_JPEG_QUALITY else "noise and JPEG damage"
    if left <= AGREEMENT_MARGIN * noise + ROUNDING_LEVELS:
        levels = max(1, math.ceil(left))
        return (
            f"Consistent with your picture: within {levels} brightness "
            f"level{'s' if levels > 1 else ''} of 255, as far as its {cause} lets one tell."
        )
    return (
        f"Close to your picture: within {left:.1f} brightness levels of 255; its {cause} would "
        f"account for {noise:.1f}."
    )


def score_words(bicubic_db: float, restored_db: float) -> str:
    """Which of two pictures is closer to the truth, from their PSNR in dB."""
    gain = restored_db - bicubic_db
    if abs(gain) < 0.05:
        return "Both are equally close to the good picture."
    nearer, other = ("MMSR", "bicubic") if gain > 0 else ("Bicubic", "MMSR")
    return f"{nearer} is closer to the good picture than {other}: by {abs(gain):.1f} dB."


def headline(blur_level: str, noise_std: float, jpeg_quality: float) -> str:
    """One sentence about the whole picture."""
    faults = [] if blur_level == "sharp" else [blur_level]
    if noise_std * 255 >= 3:
        faults.append("noisy")
    if jpeg_quality < 85:
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
