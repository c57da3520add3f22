"""Another upscaler's picture as a prior: registered, freed of its colour cast, weighed by place.

Two pictures of one scene whose errors have little in common are better together than either
alone. How far the prior is followed falls with its disagreement with the faithful picture: there
it has drawn what nothing in the input supports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import FieldOperator, conjugate_gradient, jpeg_error_std
from ..errors import InputError, ShapeError
from ..image import register, resize_bicubic, smooth
from ..precision import as_float64
from ..types import DEFAULT_TRUST
from . import inputs
from .finishing import is_grey
from .prior_match import shows_another
from .results import (
    DegradationEstimate,
    blur_lines,
    blur_range_px,
    damage_lines,
    expected_errors,
    mean_sharpening,
    mean_sharpening_radius,
    sharpness_of,
    with_levels,
)

DISAGREEMENT = 0.12
"""Root mean square difference, 0..1 units, at which the odds of a prior are halved."""
FINE_ODDS, COARSE_ODDS = 0.43, 1.22
"""Odds of a prior against the faithful picture at trust 1/2 where they agree: for detail finer than
`FINE_STD_PX`, which no input proves, and for what is coarser. All numbers of this file were chosen
on pictures of real cameras (docs/results.md)."""
FINE_STD_PX = 1.0
CONTRADICTION = 0.1
"""Root mean square of what a prior, degraded as measured, leaves of the input, 0..1 units, at which
its odds are halved. Kernels and input are uncertain: only gross contradiction counts."""
_LIKE_PROPORTIONS, _PADDED_PROPORTIONS = 1.03, 1.1
"""How far the proportions of input and prior may differ, and where the prior's sides are multiples
of `_UNITS`."""
_UNITS = (8, 16, 32, 64)
"""Px: upscalers crop or pad to multiples of these."""
_WINDOW_STD_PX = 2.6  # of the Gaussian over which a disagreement is measured
_CAST_STD_PX = 24.0
_CONTRADICTION_STD_PX = 1.5  # in px of the input
_TOLD_NOISE = 2 / 255
"""Noise of a prior that comes into the result, from which on it is said."""
_CG_ITERATIONS = 8


@dataclass(frozen=True)
class PriorResult:
    """A faithful picture and a prior made one."""

    images: Tensor
    """`(B,3,H,W)`, 0..1."""
    weight_map: Tensor
    """`(B,1,H,W)`, 0..1: how far the prior was followed at every place, the mean of its fine and
    coarse detail."""
    shift_px: Tensor
    """`(B,2)`: how far the prior lay below and to the right of the input, px of the result."""
    difference: dict[str, float]
    """What each picture, degraded and sharpened as measured, leaves of the input: root mean square
    in 0..1 units, of `faithful`, `prior` (as it was given) and `result`."""
    unexplained_std: float
    """What noise and JPEG damage explain of these differences, 0..1 units."""
    trust: float
    input_size: tuple[int, int]
    """(width, height) in pixels, as of the next two."""
    prior_size: tuple[int, int]
    output_size: tuple[int, int]
    scale: int
    """The whole factor at which the two were merged."""
    noise_std: float
    """Of the input, 0..1 units."""
    jpeg_quality: float
    """Of the input, 1..100; 100 means none."""
    errors: dict[str, float]
    """See `RestorationReport`."""
    blur_sigma_px: dict[str, float]
    """See `RestorationReport`."""
    sharpness: dict[str, Any]
    """See `RestorationReport`."""
    notes: tuple[str, ...] = ()
    sharpening: float | None = None
    sharpening_radius_px: float | None = None
    """See `RestorationReport`."""
    prior_noise_std: float | None = None
    """Noise of the prior itself, 0..1 units; None where it was not measured."""
    total_seconds: float = 0.0
    device: str = "cpu"

    @property
    def factor(self) -> float:
        """How many times larger the result is, by its longer side."""
        return max(self.output_size) / max(self.input_size)

    @property
    def prior_noise_kept(self) -> float:
        """How much of the prior's own noise comes into the result, 0..1 units."""
        return (self.prior_noise_std or 0.0) * float(self.weight_map.mean())

    def resized(self, size: tuple[int, int] | None) -> PriorResult:
        """The same of another (height, width), antialiased; None changes nothing."""
        if size is None or tuple(self.images.shape[-2:]) == tuple(size):
            return self
        weight = F.interpolate(self.weight_map, size=size, mode="bilinear", antialias=True)
        images = resize_bicubic(self.images, size)
        output_size = (int(size[1]), int(size[0]))
        return replace(self, images=images, weight_map=weight.clamp(0, 1), output_size=output_size)

    def to_dict(self) -> dict[str, Any]:
        """The figures, as plain numbers; agreement with the input also as PSNR, dB.

        See `with_levels`.
        """
        weights = self.weight_map
        agreement = {
            name: -20 * math.log10(max(value, 1e-6)) for name, value in self.difference.items()
        }
        names = (
            "trust",
            "input_size",
            "prior_size",
            "output_size",
            "scale",
            "sharpness",
            "blur_sigma_px",
            "noise_std",
            "jpeg_quality",
            "errors",
            "sharpening",
            "sharpening_radius_px",
            "prior_noise_std",
            "total_seconds",
            "device",
        )
        return with_levels({name: getattr(self, name) for name in names} | {
            "factor": round(self.factor, 4),
            "notes": list(self.notes),
            "prior_weight": {
                "mean": round(float(weights.mean()), 4),
                "min": round(float(weights.min()), 4),
                "max": round(float(weights.max()), 4),
            },
            "shift_px": [[round(v, 2) for v in place] for place in self.shift_px.tolist()],
            "difference": {name: round(value, 5) for name, value in self.difference.items()},
            "consistency_db": {name: round(value, 2) for name, value in agreement.items()},
            "unexplained_std": round(self.unexplained_std, 5),
        })  # fmt: skip

    def summary(self) -> str:
        """A few lines for people."""
        left = {name: f"{255 * value:.1f}" for name, value in self.difference.items()}
        size, prior, made = (
            f"{w}x{h}" for w, h in (self.input_size, self.prior_size, self.output_size)
        )
        lines = [
            f"{size} and a prior of {prior} -> {made} (x{self.factor:.4g}), trust "
            f"{self.trust:g}, {self.total_seconds:.1f} s on {self.device}",
            *blur_lines(self.sharpness["words"], self.blur_sigma_px, self.scale),
            *damage_lines(
                self.noise_std,
                self.jpeg_quality,
                self.errors,
                self.sharpening,
                self.sharpening_radius_px,
            ),
            f"the prior counts {float(self.weight_map.mean()):.0%} on average, from "
            f"{float(self.weight_map.min()):.0%} to {float(self.weight_map.max()):.0%}",
            f"degraded as measured, the prior differs from the input by {left['prior']} of 255, "
            f"the result by {left['result']}, the faithful picture by {left['faithful']} "
            f"(noise and JPEG damage: {255 * self.unexplained_std:.1f})",
        ]
        if bool(self.shift_px.any()):
            down, right = self.shift_px.mean(0).tolist()
            lines.append(f"the prior lay {_place_words(down, right)} the input")
        kept = self.prior_noise_kept
        if kept >= _TOLD_NOISE:
            lines.append(
                f"the prior is noisy itself ({255 * (self.prior_noise_std or 0):.1f} of 255), and "
                f"about {255 * kept:.1f} of that is in the result; a lower trust takes less of it"
            )
        return "\n".join((*lines, *self.notes))


def _place_words(down: float, right: float) -> str:
    """A shift as "0.3 px above and 1.2 px right of"."""
    aside = f"{abs(right):.1f} px {'right' if right > 0 else 'left'} of"
    return f"{abs(down):.1f} px {'below' if down > 0 else 'above'} and {aside}"


def prior_scale(lr: Tensor, prior: Tensor) -> int:
    """The whole scale nearest to that from an input to a prior, 1..16.

    Raises:
        InputError: the prior is of another shape than the input, or out of the range.
    """
    sides, given = prior.shape[-2:], lr.shape[-2:]
    down, right = (p / q for p, q in zip(sides, given, strict=True))
    scale = max(1, round(math.sqrt(down * right)))
    off = max(down / right, right / down)
    exact = [scale * side for side in given]
    alike = off <= _LIKE_PROPORTIONS or (
        off <= _PADDED_PROPORTIONS and all(map(_is_padded, sides, exact))
    )
    if scale > 16 or not alike or min(down, right) < 0.7:
        large, small = (f"{width}x{height}" for height, width in (sides, given))
        swapped = max(down, right) < 1 and alike
        raise InputError(
            f"A prior of {large} pixels is no enlargement of {small} pixels: expected 1 to 16 "
            "times as large, of the same shape."
            + ("" if alike else f" The proportions differ by {off - 1:.0%}.")
            + (" Are the two the wrong way round? The original comes first." if swapped else "")
        )
    return scale


def _is_padded(side: int, exact: int) -> bool:
    """Whether a side comes from an exact one by cropping or padding it, as upscalers do."""
    return any(side % unit == 0 and abs(side - exact) < unit for unit in _UNITS) or side == exact


def combine_prior(
    lr: Tensor,
    estimate: DegradationEstimate,
    mean: Tensor,
    prior: Tensor,
    trust: float = DEFAULT_TRUST,
    mask: Tensor | None = None,
) -> PriorResult:
    """The faithful picture and a prior as one picture, weighed by place.

    The odds of the prior are `c trust / (1 - trust)`, with `c` one of `FINE_ODDS`, `COARSE_ODDS`:
    what other upscalers get right are forms of a few pixels rather than their finest strokes. They
    fall where the two differ, by `1 + (d / DISAGREEMENT)^2` with `d` the root mean square
    difference over a Gaussian of std 2.6 px, and where the prior grossly contradicts the input, by
    `1 + (e / CONTRADICTION)^4`. With trust above 1/2, the result is then held to the input by
    conjugate gradient, the more the higher it is: the faithful picture agrees already, a prior
    alone does not. Below trust 1 a prior that shows another picture is left out (`shows_another`).

    Args:
        lr: `(B,3,h,w)`, 0..1, the input.
        estimate: what is wrong with it. Its kernels must be for `lr` and the scale of `mean`.
        mean: `(B,3,H,W)`, 0..1, the faithful picture (`steps=0`).
        prior: `(1 or B,3,ph,pw)`, 0..1, the other upscaler's picture, of any size.
        trust: 0 is exactly `mean`, 1 the prior made consistent.
        mask: `(1 or B,1,mh,mw)`, 0..1, of any size: where the prior may act. 0 is exactly `mean`.

    Raises:
        InputError: a size does not fit, or trust is out of its range.
    """
    inputs.check_number("trust", trust, 0, 1)
    lr, mean = inputs.check_picture("lr", lr), inputs.check_picture("mean", mean)
    field = inputs.check_estimate(estimate, lr, estimate.kernel_field.scale).kernel_field
    expected = (lr.shape[0], 3, lr.shape[-2] * field.scale, lr.shape[-1] * field.scale)
    if tuple(mean.shape) != expected:
        raise ShapeError("mean", str(expected), tuple(mean.shape))
    taken, lr = lr, estimate.before_sharpening(lr)
    prior = inputs.check_picture("prior", prior)
    if prior.shape[0] not in (1, lr.shape[0]):
        raise ShapeError("prior", f"(1 or {lr.shape[0]},3,ph,pw)", tuple(prior.shape))
    prior_size = _width_height(prior)
    prior = prior.to(mean).expand(lr.shape[0], -1, -1, -1)
    size = (mean.shape[-2], mean.shape[-1])
    allowed = None if mask is None else inputs.check_mask("mask", mask, lr.shape[0], size)
    given = resize_bicubic(prior, size)
    placed, shift = register(given, mean)
    placed = placed + smooth(mean - placed, _CAST_STD_PX)
    added = placed - mean
    operator = FieldOperator(field)
    left = lr - operator.degrade(placed)
    fine_weight, coarse_weight = _weights(added, left, trust)
    if trust < 1:
        pairs = zip(taken.split(1), prior.split(1), strict=True)
        same = fine_weight.new_tensor([not shows_another(*pair) for pair in pairs])
        fine_weight, coarse_weight = (
            weight * same.view(-1, 1, 1, 1) for weight in (fine_weight, coarse_weight)
        )
    coarse = smooth(added, FINE_STD_PX)
    result = mean + fine_weight * (added - coarse) + coarse_weight * coarse
    weight = (fine_weight + coarse_weight) / 2
    held = 2 * trust - 1
    if held > 0:
        noise = estimate.unexplained_std.to(mean)
        agreeing = conjugate_gradient(result.clone(), lr, operator, _CG_ITERATIONS, noise)
        result = torch.lerp(result, agreeing, held)
    result = result.clamp_(0, 1)
    if trust > 0:
        grey = is_grey(lr).view(-1, 1, 1, 1)
        result = torch.where(grey, result.mean(1, keepdim=True), result)
    if allowed is not None:
        allowed = allowed.to(mean)
        weight = weight * allowed
        result = torch.lerp(mean, result, allowed)
    pictures = {"faithful": mean, "prior": given, "result": result}
    difference = {
        name: _rms(estimate.sharpened(operator.degrade(picture)) - taken)
        for name, picture in pictures.items()
    }
    noise = estimate.given_noise_std
    unexplained = torch.hypot(noise, jpeg_error_std(estimate.jpeg_quality))
    return PriorResult(
        images=result,
        weight_map=weight,
        shift_px=shift,
        difference=difference,
        unexplained_std=float(unexplained.mean()),
        trust=float(trust),
        input_size=_width_height(lr),
        prior_size=prior_size,
        output_size=_width_height(mean),
        scale=field.scale,
        noise_std=round(float(noise.mean()), 5),
        jpeg_quality=round(float(estimate.jpeg_quality.mean()), 1),
        errors=expected_errors(estimate),
        blur_sigma_px=blur_range_px(field),
        sharpness=sharpness_of(estimate, field.scale).to_dict(),
        notes=estimate.notes,
        sharpening=mean_sharpening(estimate),
        sharpening_radius_px=mean_sharpening_radius(estimate),
    )


def _rms(difference: Tensor) -> float:
    return float(as_float64(difference).square().mean().sqrt())


def _width_height(picture: Tensor) -> tuple[int, int]:
    return int(picture.shape[-1]), int(picture.shape[-2])


def _weights(added: Tensor, left: Tensor, trust: float) -> tuple[Tensor, Tensor]:
    """How far what a prior adds is followed, fine and coarse: `(B,1,H,W)` each.

    Args:
        added: `(B,3,H,W)`, prior less faithful picture.
        left: `(B,3,h,w)`, what the prior leaves of the input.
        trust: 0..1.
    """
    if trust in (0, 1):
        all_or_none = added.new_full((added.shape[0], 1, *added.shape[-2:]), trust)
        return all_or_none, all_or_none
    energy = smooth(added.square().mean(1, keepdim=True), _WINDOW_STD_PX)
    contradiction = smooth(left.square().mean(1, keepdim=True), _CONTRADICTION_STD_PX)
    contradiction = F.interpolate(contradiction, size=added.shape[-2:], mode="bilinear")
    odds = trust / (1 - trust) / (1 + energy / DISAGREEMENT**2)
    odds = odds / (1 + (contradiction / CONTRADICTION**2).square())
    fine, coarse = FINE_ODDS * odds, COARSE_ODDS * odds
    return fine / (1 + fine), coarse / (1 + coarse)
