"""Another upscaler's picture as a prior: registered, freed of its colour cast, weighed by place.

Two pictures of one scene whose errors have little in common are better together than either
alone. How far the prior is followed falls with its disagreement with the faithful picture: there
it has drawn what nothing in the input supports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import conjugate_gradient, degrade_canvas, jpeg_error_std
from ..errors import InputError, ShapeError
from ..image import luminance, resize_bicubic
from ..precision import as_float64
from ..types import DEFAULT_TRUST
from . import inputs
from .finishing import is_grey
from .results import DegradationEstimate

DISAGREEMENT = 0.12
"""Root mean square difference, 0..1 units, at which a prior at trust 1/2 counts a third."""
LARGEST_SHIFT_PX = 16
"""Priors are looked for up to this far away, px of the result."""
_WINDOW = 9  # px a side over which a disagreement is measured
_CAST_STD_PX = 16.0
_CG_ITERATIONS = 8
_SMOOTHING_PX = 2.0  # std; what two upscalers draw differently does not count for registration
_LEAST_SHIFT_PX = 0.1
_REFINEMENTS = 5


@dataclass(frozen=True)
class PriorResult:
    """A faithful picture and a prior made one."""

    images: Tensor
    """`(B,3,H,W)`, 0..1."""
    weight_map: Tensor
    """`(B,1,H,W)`, 0..1: how far the prior was followed at every place."""
    shift_px: Tensor
    """`(B,2)`: how far the prior lay below and to the right of the input, px of the result."""
    difference: dict[str, float]
    """What each picture, degraded as measured, leaves of the input: root mean square in 0..1 units,
    of `mean`, `prior` (as it was given) and `result`."""
    unexplained_std: float
    """What noise and JPEG damage explain of these differences, 0..1 units."""

    def summary(self) -> str:
        """A few lines for people."""
        down, right = self.shift_px.mean(0).tolist()
        left = {name: f"{255 * value:.1f}" for name, value in self.difference.items()}
        return "\n".join(
            [
                f"the prior counts {float(self.weight_map.mean()):.0%} on average, from "
                f"{float(self.weight_map.min()):.0%} to {float(self.weight_map.max()):.0%}",
                f"it was moved by {-down:.1f} px down and {-right:.1f} px right",
                f"degraded as measured, the prior differs from the input by {left['prior']} of "
                f"255, the result by {left['result']}, the faithful picture by {left['mean']} "
                f"(noise and JPEG damage: {255 * self.unexplained_std:.1f})",
            ]
        )


def prior_scale(lr: Tensor, prior: Tensor) -> int:
    """The whole scale nearest to that from an input to a prior, 1..16.

    Raises:
        InputError: the prior is of another shape than the input, or out of the range.
    """
    down, right = (p / q for p, q in zip(prior.shape[-2:], lr.shape[-2:], strict=True))
    scale = max(1, round(math.sqrt(down * right)))
    # Upscalers crop or pad to multiples of 8 to 64; a little is taken as that.
    if scale > 16 or max(down / right, right / down) > 1.1 or min(down, right) < 0.7:
        size = "x".join(str(side) for side in prior.shape[:-3:-1])
        given = "x".join(str(side) for side in lr.shape[:-3:-1])
        raise InputError(
            f"A prior of {size} pixels is no enlargement of {given} pixels: expected 1 to 16 times "
            "as large, of the same shape."
        )
    return scale


def combine_prior(
    lr: Tensor,
    estimate: DegradationEstimate,
    mean: Tensor,
    prior: Tensor,
    trust: float = DEFAULT_TRUST,
) -> PriorResult:
    """The faithful picture and a prior as one picture, weighed by place.

    The weight of the prior is `1 / (1 + (1 - trust) / trust (1 + (d / DISAGREEMENT)^2))`, with `d`
    the root mean square difference over 9 x 9 px. Where trust is above 1/2, the result is then held
    to the input by conjugate gradient, the more the higher it is: the faithful picture agrees with
    the input already, a prior alone does not.

    Args:
        lr: `(B,3,h,w)`, 0..1, the input.
        estimate: what is wrong with it. Its kernels must be for `lr` and the scale of `mean`.
        mean: `(B,3,H,W)`, 0..1, the faithful picture (`steps=0`).
        prior: `(1 or B,3,ph,pw)`, 0..1, the other upscaler's picture, of any size.
        trust: 0 is exactly `mean`, 1 the prior made consistent.

    Raises:
        InputError: a size does not fit, or trust is out of its range.
    """
    inputs.check_number("trust", trust, 0, 1)
    lr, mean = inputs.check_picture("lr", lr), inputs.check_picture("mean", mean)
    field = inputs.check_estimate(estimate, lr, estimate.kernel_field.scale).kernel_field
    expected = (lr.shape[0], 3, lr.shape[-2] * field.scale, lr.shape[-1] * field.scale)
    if tuple(mean.shape) != expected:
        raise ShapeError("mean", str(expected), tuple(mean.shape))
    prior = inputs.check_picture("prior", prior)
    if prior.shape[0] not in (1, lr.shape[0]):
        raise ShapeError("prior", f"(1 or {lr.shape[0]},3,ph,pw)", tuple(prior.shape))
    prior = prior.to(mean).expand(lr.shape[0], -1, -1, -1)
    given = resize_bicubic(prior, (mean.shape[-2], mean.shape[-1]))
    placed, shift = register(given, mean)
    placed = placed + _smooth(mean - placed, _CAST_STD_PX)
    weight = _weight(mean, placed, trust)
    result = torch.lerp(mean, placed, weight)
    noise = torch.hypot(estimate.noise_std, jpeg_error_std(estimate.jpeg_quality)).to(mean)
    held = 2 * trust - 1
    if held > 0:
        agreeing = conjugate_gradient(result.clone(), lr, field, _CG_ITERATIONS, noise)
        result = torch.lerp(result, agreeing, held)
    result = result.clamp_(0, 1)
    if trust > 0:
        grey = is_grey(lr).view(-1, 1, 1, 1)
        result = torch.where(grey, result.mean(1, keepdim=True), result)
    pictures = {"mean": mean, "prior": given, "result": result}
    difference = {
        name: float(as_float64(degrade_canvas(picture, field) - lr).square().mean().sqrt())
        for name, picture in pictures.items()
    }
    return PriorResult(result, weight, shift, difference, float(noise.mean()))


def register(moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
    """Moves a picture onto another of the same size; whole pictures, no rotation.

    Phase correlation finds the whole pixels (Kuglin & Hines 1975), least squares on the gradients
    the parts of them (Lucas & Kanade 1981). A shift that brings the pictures no closer, or one of
    less than a tenth of a pixel, is left.

    Args:
        moving: `(B,3,H,W)`.
        fixed: `(B,3,H,W)`.

    Returns:
        The moved picture, and by how much it lay below and to the right, `(B,2)` px.
    """
    smooth = [_smooth(luminance(picture), _SMOOTHING_PX) for picture in (moving, fixed)]
    shift = torch.stack(
        [
            _found_shift(one[None], other[None])
            for one, other in zip(*(s.cpu().double() for s in smooth), strict=True)
        ]
    )
    return _moved(moving, shift.to(moving)), shift.to(moving)


def _found_shift(moving: Tensor, fixed: Tensor) -> Tensor:
    """`(1,1,H,W)` twice to `(2,)`: down and right."""
    none = moving.new_zeros(2)
    if min(moving.shape[-2:]) < 16 or min(float(moving.std()), float(fixed.std())) < 1e-3:
        return none
    start = _whole_shift(moving, fixed)
    candidates = [_refined(moving, fixed, guess) for guess in (start, none)]

    def error(shift: Tensor) -> float:
        rows, cols = (LARGEST_SHIFT_PX if side > 4 * LARGEST_SHIFT_PX else 2
                      for side in moving.shape[-2:])  # fmt: skip
        difference = _moved(moving, shift[None]) - fixed
        return float(difference[..., rows:-rows, cols:-cols].square().mean())

    best = min(candidates, key=error)
    if float(best.norm()) < _LEAST_SHIFT_PX or error(best) >= 0.98 * error(none):
        return none
    return best


def _whole_shift(moving: Tensor, fixed: Tensor) -> Tensor:
    rows, cols = moving.shape[-2:]
    taper = torch.hann_window(rows).double()[:, None] * torch.hann_window(cols).double()
    one, other = (torch.fft.fft2((p - p.mean())[0, 0] * taper) for p in (moving, fixed))
    cross = one * other.conj()
    peak = torch.fft.ifft2(cross / cross.abs().clamp_min(1e-12)).real
    reach = [min(LARGEST_SHIFT_PX, side // 4) for side in (rows, cols)]
    near = torch.fft.fftshift(peak)[
        rows // 2 - reach[0] : rows // 2 + reach[0] + 1,
        cols // 2 - reach[1] : cols // 2 + reach[1] + 1,
    ]
    place = int(near.argmax())
    return moving.new_tensor([place // near.shape[1] - reach[0], place % near.shape[1] - reach[1]])


def _refined(moving: Tensor, fixed: Tensor, shift: Tensor) -> Tensor:
    down, right = (
        (fixed.roll(-1, axis) - fixed.roll(1, axis)) / 2 for axis in (-2, -1)
    )  # the outermost pixels are wrong, and left out
    margin = min(int(shift.abs().max()) + 3, min(fixed.shape[-2:]) // 4)
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    slopes = torch.stack((down[inner].flatten(), right[inner].flatten()))
    normal = slopes @ slopes.T + 1e-9 * torch.eye(2, dtype=slopes.dtype)
    for _ in range(_REFINEMENTS):
        rest = (_moved(moving, shift[None]) - fixed)[inner].flatten()
        shift = shift - torch.linalg.solve(normal, slopes @ rest)
        shift = shift.clamp(-LARGEST_SHIFT_PX - 1, LARGEST_SHIFT_PX + 1)
    return shift


def _moved(picture: Tensor, shift: Tensor) -> Tensor:
    """Takes `shift (B,2)` back: the picture is moved up and to the left by it."""
    if not bool(shift.any()):
        return picture
    rows, cols = picture.shape[-2:]
    y = torch.arange(rows, device=picture.device, dtype=picture.dtype)
    x = torch.arange(cols, device=picture.device, dtype=picture.dtype)
    down = (2 * (y + shift[:, :1]) + 1) / rows - 1
    right = (2 * (x + shift[:, 1:]) + 1) / cols - 1
    size = (len(shift), rows, cols)
    grid = torch.stack((right[:, None, :].expand(size), down[:, :, None].expand(size)), -1)
    return F.grid_sample(picture, grid, mode="bicubic", padding_mode="border", align_corners=False)


def _weight(mean: Tensor, prior: Tensor, trust: float) -> Tensor:
    """`(B,1,H,W)`: how far the prior is followed."""
    if trust in (0, 1):
        return mean.new_full((mean.shape[0], 1, *mean.shape[-2:]), trust)
    energy = (mean - prior).square().mean(1, keepdim=True)
    energy = F.avg_pool2d(energy, _WINDOW, 1, _WINDOW // 2, count_include_pad=False)
    return 1 / (1 + (1 - trust) / trust * (1 + energy / DISAGREEMENT**2))


def _smooth(picture: Tensor, std_px: float) -> Tensor:
    """Gaussian blur `(B,C,H,W)`, borders repeated. Wide ones are made at a smaller size."""
    if std_px > 4:
        factor = int(std_px // 2)
        height, width = picture.shape[-2:]
        small = F.avg_pool2d(picture, factor, ceil_mode=True, count_include_pad=False)
        blurred = _smooth(small, std_px / factor)
        wide = F.interpolate(blurred, scale_factor=factor, mode="bilinear")
        return wide[..., :height, :width]
    radius = math.ceil(3 * std_px)
    offsets = torch.arange(-radius, radius + 1, device=picture.device, dtype=picture.dtype)
    taps = torch.exp(-0.5 * (offsets / std_px) ** 2)
    taps = taps / taps.sum()
    flat = picture.flatten(0, 1)[:, None]
    flat = F.pad(flat, (radius,) * 4, mode="replicate")
    flat = F.conv2d(F.conv2d(flat, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    return flat.view_as(picture)
