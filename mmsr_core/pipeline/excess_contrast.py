"""How much a picture was sharpened: contrast that the mean net cannot believe.

Blur takes contrast away, by more the finer the detail. A camera's sharpening gives some of it back,
at 3 to 7 px, where the blur of a lens has hardly any effect. So the picture that best explains the
input, as the mean net has it, leaves contrast there that no blur and no noise accounts for.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import sigma_range_px
from .scene import Scene

LEAST_SCALE = 4
"""At lower scales what DKENet errs by leaves as much: pictures that were only blurred have .05."""
BELIEVED, USUAL_WIDTH_PX, BELIEVED_MORE = 0.025, 2.0, 0.009
"""Share of a picture's detail of 3 to 7 px that the mean may leave of pictures that were only
blurred; up to which width of the kernels (std, px of the result); and how much more for each px
above that. Of a camera's pictures it leaves .02 to .04 and more."""
SLOPE = 40.0
"""The amount of sharpening for what is left above that. Chosen, as all numbers here, on 33 pictures
of real cameras and on pictures that were only blurred."""
MOST_AMOUNT = 0.25
"""More is worth little, and costs much where a picture only looks as if it had been sharpened."""
NOISE_SHARE = 0.5
"""Of noise and JPEG damage, what is in that detail at most: .3 of white noise, more of grain."""
WIDEST = 0.95
"""Mean width of the kernels, as a share of the widest at this scale, from which on the picture may
be blurred more widely than any kernel, which looks like sharpening."""
MOST_FLAT = 0.03
"""Share of places without any contrast from which on a picture is drawn, and no camera's."""
LEAST_DETAIL = 3 / 255
"""Places with less of such detail (rms) tell nothing."""
PLACE, LEAST_PLACES = 8, 48
"""LR px a side of a place, and how many places with detail are needed for a median."""
_NOTHING = 0.02 / 255
_ROUNDING_VARIANCE = 0.09 / 12 / 255**2


def excess_contrast(scene: Scene, left: Tensor) -> Tensor:
    """Amounts of sharpening, `(B,)`, that explain what a mean leaves of the input.

    Args:
        scene: the measured pictures.
        left: `(B,3,h,w)`, what the mean leaves of them; see `Scene.left_over`.
    """
    estimate, lr = scene.estimate, scene.lr
    unexplained = estimate.unexplained_std.to(left).view(-1, 1, 1, 1)
    noise = (NOISE_SHARE * unexplained).square() + _ROUNDING_VARIANCE
    detail = _coarse_detail(lr)
    shares = (_energy(_coarse_detail(left)) - noise).clamp_min(0) / _energy(detail)
    told = _energy(detail) > LEAST_DETAIL**2
    medians = [
        one[where].median() if int(where.sum()) >= LEAST_PLACES else one.new_zeros(())
        for one, where in zip(shares, told, strict=True)
    ]
    share = torch.stack(medians).sqrt()
    if not bool((share > BELIEVED).any()):  # no need to look at the kernels
        return torch.zeros_like(share)
    widths = estimate.kernel_field.moments().blur_sigma_px.prod(1).sqrt().mean((1, 2))
    believed = BELIEVED + BELIEVED_MORE * (widths - USUAL_WIDTH_PX).clamp_min(0)
    amount = (SLOPE * (share - believed)).clamp(0, MOST_AMOUNT)
    known = widths < WIDEST * sigma_range_px(scene.scale)[1]
    drawn = (detail.abs().amax(1) < _NOTHING).float().mean((1, 2)) > MOST_FLAT
    return amount * (known & ~drawn).to(amount)


def _coarse_detail(picture: Tensor) -> Tensor:
    """Detail of 3 to 7 px: the difference of two means."""
    fine, coarse = (
        F.avg_pool2d(picture, side, 1, side // 2, count_include_pad=False) for side in (3, 7)
    )
    return fine - coarse


def _energy(detail: Tensor) -> Tensor:
    """Mean square over the channels and each place, `(B,1,h/8,w/8)`."""
    squares = detail.square().mean(1, keepdim=True)
    return F.avg_pool2d(squares, PLACE, ceil_mode=True).clamp_min(1e-12)
