"""How sharp a picture is, in words: as it was measured, with what noise hides of it.

The kernels that a picture is restored with are no measure of it: at scales 2 and 4 those of a sharp
picture are wide, too, since the enlargement needs them, and wider where there is noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ShapeError
from ..models.damage_estimator import BLUR_FLOOR_PX, DamageMaps

LEVELS = ((0.30, "sharp"), (0.45, "slightly soft"), (0.95, "soft"), (math.inf, "very soft"))
"""Blur width (std) in px of the picture, and its name."""
VISIBLE_NOISE = 3 / 255
"""Noise (std) from which on it is named as what hides the blur."""
CLEAR_QUALITY = 85
"""JPEG quality below which compression is named so."""
_EVEN_RATIO = 1.15
"""A blur whose widest region is less than this many times its narrowest counts as even."""
_VARYING_RATIO, _VARYING_PX = 1.25, 0.6
"""Kernels of a picture in which no blur is found differ by place from these on: the widest region
of sharp photographs has .50 px at most, that of scenes with a narrow depth of field has .65."""
_LEAST_DIFFERENCE_PX = 0.1
"""So does one whose regions differ by less than this, px of the result."""
_LEAST_DOUBT_PX, _NONE_PX = 0.1, 0.05
SURE_ERRORS = 2.3
"""By how many times their expected errors, added up, two regions must differ. Of photographs that
were blurred alike everywhere by up to 1.6 px the farthest differ by 2.2 at most; where half of them
was blurred by .8 px by 1.8 to 5.6, by 1.5 px by 3.5 and more."""
_HIDES_PX = {"": 0.0, "noise": 0.2, "compression": 0.2, "noise and compression": 0.6}
"""How much blur is hidden beside what the estimate expects: of 12 crops that were blurred by .8 px,
noise of 10 of 255 and JPEG of quality 60 together left .3 px to be seen, each alone .5 px."""
_HIDDEN_SHARE = 0.25
"""Expected relative error of the blur from which on it is said what hides it."""
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


def level_of(blur_px: float) -> str:
    """The name of a blur width, px of the picture."""
    return next(name for bound, name in LEVELS if blur_px < bound)


@dataclass(frozen=True)
class Sharpness:
    """The blur of a picture, as a whole and region by region. Widths (std) in px of the picture."""

    mean_px: float
    widest_px: float
    """In the softest of 3x3 regions."""
    narrowest_px: float
    place: str = ""
    """Where it is softest; empty when the blur is even."""
    range_px: tuple[float, float] | None = None
    """Between which widths the mean is expected to be; None where that is not known."""
    hidden_by: str = ""
    """What makes that range so wide, or may hide a narrow blur, such as "noise"; else empty."""
    is_given: bool = False
    """Whether it was not measured: the widths are those of given kernels."""

    @property
    def level(self) -> str:
        """From "sharp" to "very soft", by the mean width."""
        return level_of(self.mean_px)

    @property
    def _bounds(self) -> tuple[str, str]:
        low, high = self.range_px or (self.mean_px, self.mean_px)
        return level_of(low), level_of(high)

    @property
    def is_known(self) -> bool:
        """Whether anything can be said: not where it may be anything from sharp to very soft."""
        return self._bounds != (LEVELS[0][1], LEVELS[-1][1])

    @property
    def varies(self) -> bool:
        """Whether kernels differ by place by more than those of sharp pictures do."""
        uneven = self.widest_px >= _VARYING_RATIO * self.narrowest_px
        return bool(self.place) and uneven and self.widest_px >= _VARYING_PX

    @property
    def fault(self) -> str:
        """What is wrong, in a word or two; empty where nothing is, or nothing was measured."""
        if self.is_given:
            return ""
        if self.is_known and self.level == LEVELS[0][1] and self.place:
            return f"{level_of(self.widest_px)} in places"
        if not self.is_known or self.level == LEVELS[0][1]:
            return ""
        low, high = self._bounds
        return self.level if low != LEVELS[0][1] or low == high else f"perhaps {self.level}"

    @property
    def doubt_px(self) -> float | None:
        """Half the width of the expected range."""
        return None if self.range_px is None else (self.range_px[1] - self.range_px[0]) / 2

    @property
    def _hides(self) -> str:
        return "hide" if " and " in self.hidden_by else "hides"

    def words(self) -> str:
        """One sentence, such as "Soft towards the right edge: about 0.6 px of the picture, ..."."""
        if self.is_given:
            return "Its blur was not measured: the kernels were given."
        if not self.is_known:
            why = (
                f"its {self.hidden_by} {self._hides} it"
                if self.hidden_by
                else "too little in it shows it"
            )
            return f"How sharp it is cannot be told: {why}."
        if self.place:
            worst = level_of(self.widest_px)
            word = "Softest" if worst == LEVELS[0][1] else worst.capitalize()
            return (
                f"{word} {self.place}: about {self.widest_px:.1f} px of the picture, "
                f"{self.narrowest_px:.1f} px where it is sharpest."
            )
        doubt = self.doubt_px
        give = "" if doubt is None else f", give or take {max(_LEAST_DOUBT_PX, doubt):.1f} px"
        width = f"the blur is about {self.mean_px:.1f} px of the picture{give}"
        if self.hidden_by and self.range_px is not None and self.level == LEVELS[0][1]:
            most = max(self.range_px[1], _LEAST_DOUBT_PX)
            width = f"the blur is probably below {most:.1f} px of the picture"
        if self.level == LEVELS[0][1]:
            lets = self._hides.replace("hide", "let")
            far = f", as far as its {self.hidden_by} {lets} one tell" if self.hidden_by else ""
            none = self.mean_px < _NONE_PX and not self.hidden_by
            found = "no blur was found" if none else width
            return f"Sharp everywhere{far}: {found}."
        why = f", since its {self.hidden_by} {self._hides} it" if self.hidden_by else ""
        return f"{(self.fault or self.level).capitalize()} everywhere: {width}{why}."

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers and strings; `level` is that of the place in the words."""
        low, high = self.range_px or (None, None)
        level = level_of(self.widest_px) if self.place else self.level
        return {
            "level": level if self.is_known else "unknown",
            "blur_px": round(self.mean_px, 3),
            "from_px": None if low is None else round(low, 3),
            "to_px": None if high is None else round(high, 3),
            "softest_region_px": round(self.widest_px, 3),
            "sharpest_region_px": round(self.narrowest_px, 3),
            "words": self.words(),
        }


def sharpness_of_widths(width_px: Tensor, scale: float) -> Sharpness:
    """Where a picture is soft, and by how much, from the widths of stated or estimated kernels.

    The picture is divided into 3x3 regions; the place named is the pattern of regions that
    correlates best with their mean widths.

    Args:
        width_px: `(h,w)` blur width in px of the result.
        scale: SR factor the widths belong to.
    """
    if width_px.dim() != 2:
        raise ShapeError("width_px", "(h,w)", tuple(width_px.shape))
    regions = F.adaptive_avg_pool2d(width_px[None, None].float(), 3)[0, 0].double()
    low, high, mean = float(regions.min()), float(regions.max()), float(width_px.float().mean())
    even = high < low * _EVEN_RATIO or high - low < _LEAST_DIFFERENCE_PX
    place = "" if even else _best_place(regions)
    return Sharpness(mean / scale, high / scale, low / scale, place)


def sharpness_of_damage(
    damage: DamageMaps,
    reduced_by: float,
    noise_std: float,
    jpeg_quality: float,
    kernels: Sharpness | None = None,
) -> Sharpness:
    """The same from the damage estimate, with its expected error.

    Places are named in clean pictures only: noise makes what is flat, such as a sky, look soft.

    Args:
        damage: of the pictures that were worked on; of a batch, the mean.
        reduced_by: by how much they had been reduced before.
        noise_std: 0..1 units.
        jpeg_quality: 1..100; 100 means none.
        kernels: what the estimated kernels say. Where the estimate finds no blur they may still
            differ by place, by less than it sees: the narrowest stand for none.
    """
    whole = damage.whole()
    mean = float(whole.blur_std_px.mean())
    share = float(whole.blur_error_share.mean())
    middle = math.log(mean + BLUR_FLOOR_PX)
    low, high = (max(0.0, math.exp(middle + s * share) - BLUR_FLOOR_PX) for s in (-1, 1))
    weight = damage.log_blur_error.double().cpu().pow(-2)
    blur = damage.log_blur.double().cpu()
    sums = F.adaptive_avg_pool2d(torch.cat((blur * weight, weight), 1).mean(0, keepdim=True), 3)[0]
    logs, errors = sums[0] / sums[1], sums[1].rsqrt()
    regions = (logs.exp() - BLUR_FLOOR_PX).clamp_min(0) * reduced_by
    worst, best = int(regions.argmax()), int(regions.argmin())
    widest, narrowest = float(regions.max()), float(regions.min())
    # A region that shows little, such as a sky, is no reason to call a place soft.
    gap = float(logs.flatten()[worst] - logs.flatten()[best])
    sure = gap > SURE_ERRORS * float(errors.flatten()[worst] + errors.flatten()[best])
    uneven = widest >= narrowest * _EVEN_RATIO and widest - narrowest >= _LEAST_DIFFERENCE_PX
    mean, low, high = (reduced_by * value for value in (mean, low, high))
    noisy, coded = noise_std >= VISIBLE_NOISE, jpeg_quality < CLEAR_QUALITY
    causes = [name for name, there in (("noise", noisy), ("compression", coded)) if there]
    cause = " and ".join(causes)
    hidden_px = _HIDES_PX[cause]
    low, high = max(0.0, min(low, mean - hidden_px)), max(high, mean + hidden_px)
    is_sharp = level_of(mean) == LEVELS[0][1]
    hidden = cause if share > _HIDDEN_SHARE or is_sharp else ""
    place = ""
    if not cause and sure and uneven and level_of(widest) != LEVELS[0][1]:
        place = _best_place(regions)
    elif not cause and is_sharp and kernels is not None and kernels.varies:
        more = kernels.widest_px**2 - kernels.narrowest_px**2
        place, widest, narrowest = kernels.place, math.sqrt(mean**2 + more), mean
    return Sharpness(mean, widest, narrowest, place, (low, high), hidden)


def _best_place(regions: Tensor) -> str:
    centred = regions - regions.mean()

    def fit(name: str) -> float:
        mask = torch.tensor(_PLACES[name], dtype=torch.float64)
        mask = mask - mask.mean()
        return float((mask * centred).sum() / mask.norm())

    return max(_PLACES, key=fit)
