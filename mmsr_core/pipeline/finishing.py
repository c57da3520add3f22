"""The last stage: what was right in the input stays as it was.

Networks change every pixel a little. Here flat places stay flat, grey pictures grey and, where
nothing is enlarged, undamaged places untouched. Grain that the user wants to keep is put back.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import NO_JPEG_QUALITY
from ..image import luminance
from ..models.cell_net import CELL
from ..models.damage_estimator import (
    NOISE_FLOOR,
    DamageMaps,
    weighed_std,
)
from ..precision import as_float64
from .noise_map import LEAST_NOISE
from .refinement import is_sharp
from .scene import Scene

FLAT_WINDOW, CODED_FLAT_WINDOW = 3, 17
"""LR px a side within which a flat place has no contrast. JPEG makes whole blocks of 8 flat."""
FLAT_LEVELS = (0.5, 2.0)
"""Contrast in grey levels up to which a place is flat, and from which it is not at all."""
NOISE_LEVELS = (1.0, 8.0)
"""Noise std in grey levels that needs nothing done, and that needs all."""
JPEG_DAMAGE = (0.03, 0.3)
"""`DamageMaps.jpeg_damage` that needs nothing done, and that needs all."""
BLUR_PX = (0.2, 0.4)
"""Blur std in px that needs nothing done, and that needs all."""
KEPT_SHARE = 0.6
"""A mean that leaves less than this share of the noise has kept some."""
MOST_TOLD = 2.0
EVEN = 0.27
"""Spread of `DamageMaps.log_noise` over a picture: grain has .1 to .2, grass and brick walls .4."""
EXPLAINED, _RESIDUAL_WINDOW = 1.25, 3
"""What is taken away from a picture that is sharp may have so many times the energy of what is
wrong with it, in windows of so many px. More than that is structure."""
MOST_BY_PLACE = 1.5
"""Places are believed to be so many times as noisy as the whole: letters are taken for noise."""
_GRAIN_WINDOW = 7
_STRIPE_ROWS = 128
"""LR rows that are enlarged at a time."""


def finish(scene: Scene, result: Tensor, denoise: float = 1.0, untouched: bool = True) -> Tensor:
    """The result `(B,3,H,W)` of the wanted size, clamped to 0..1.

    Args:
        scene: the measured picture.
        result: `(B,3,H,W)` of `scene.size`, restored; it may be overwritten.
        denoise: 0..1, how much of the noise stays away; 0 puts all of the grain back.
        untouched: leave undamaged places as they are where nothing is enlarged.
    """
    if denoise < 1:
        result = result + (1 - denoise) * grain(scene, result)
    result = fit_wanted(scene, result)
    size = (int(result.shape[-2]), int(result.shape[-1]))
    damage = scene.estimate.damage
    if untouched and scene.scale == 1 and damage is not None:
        need = _enlarged(damage_need(damage, scene.brightness.gain), size)
        result = result.lerp_(scene.given, 1 - need)
        sharp = is_sharp(damage).to(result.device)
        if bool(sharp.any()) and not scene.estimate.kernels_given:
            result = torch.where(sharp.view(-1, 1, 1, 1), with_structure(scene, result), result)
    contrast = local_contrast(scene.given, FLAT_WINDOW)
    coded = (scene.estimate.jpeg_quality < NO_JPEG_QUALITY).view(-1, 1, 1, 1)
    if bool(coded.any()):
        contrast = torch.where(coded, local_contrast(scene.given, CODED_FLAT_WINDOW), contrast)
    flatness = 1 - _rise(contrast * 255, FLAT_LEVELS)
    if bool((flatness > 0).any()):
        keep_flat(result, scene.given, flatness, scene.given_scale)
    grey = is_grey(scene.given)
    if bool(grey.any()):
        result[grey] = result[grey].mean(1, keepdim=True)
    return scene.put_back(result)


def finish_fused(scene: Scene, result: Tensor, preference: Tensor) -> Tensor:
    """As `finish` for one picture of two sensors: what is flat in both stays flat.

    White on white is white there, and flat places of different brightness are weighed as the
    fusion net weighs brightness (`fuse_starlets`), without what it adds.

    Args:
        scene: the measured picture with its guide.
        result: `(B,3,H,W)` of `scene.size`, fused; it may be overwritten.
        preference: of the brightness, a number in a tensor.
    """
    made = fit_wanted(scene, result)
    first, guide = scene.given, scene.guide
    if guide is None:
        return made
    size = (int(first.shape[-2]), int(first.shape[-1]))
    second = guide.to(first)
    own = local_contrast(first, FLAT_WINDOW)
    other = local_contrast(second, FLAT_WINDOW)
    coded = (scene.estimate.jpeg_quality < NO_JPEG_QUALITY).view(-1, 1, 1, 1)
    if bool(coded.any()):
        own = torch.where(coded, local_contrast(first, CODED_FLAT_WINDOW), own)
    # Detail of a larger guide counts, also where a smaller one would be flat.
    contrast = torch.maximum(own, F.adaptive_max_pool2d(other, size))
    flatness = 1 - _rise(contrast * 255, FLAT_LEVELS)
    if bool((flatness > 0).any()):
        bright = luminance(first)
        dark = luminance(F.interpolate(second, size=size, mode="area"))
        level = torch.lerp(dark, bright, torch.sigmoid(preference.to(first) * (bright - dark)))
        amount = scene.amounts["guide"]
        if tuple(amount.shape[-2:]) not in ((1, 1), size):  # of a reduction
            amount = F.interpolate(amount, size=size, mode="bilinear")
        target = (first + amount * (level - bright)).clamp(0, 1)
        keep_flat(made, target, flatness, scene.given_scale)
    return made


def with_structure(scene: Scene, result: Tensor) -> Tensor:
    """A result at the picture's own size with what was taken away beside the damage, `(B,3,h,w)`.

    Letters of a few pixels are no photograph's detail: a mean blurs them. Where the picture less
    the result has more energy than the damage has, both are weighed as Wiener's filter does.
    """
    residual, side = scene.given - result, _RESIDUAL_WINDOW
    energy = residual.square().mean(1, keepdim=True)
    energy = F.avg_pool2d(energy, side, 1, side // 2, count_include_pad=False)
    most = MOST_BY_PLACE * scene.estimate.unexplained_std.view(-1, 1, 1, 1)
    damage = EXPLAINED * torch.minimum(scene.unexplained_by_place, most).square()
    return scene.given - residual * (damage / energy.clamp_min(1e-12)).clamp(max=1)


def keep_flat(result: Tensor, given: Tensor, flatness: Tensor, scale: int) -> None:
    """Lay what is flat in the input over a result, in place, in stripes of rows.

    Enlarged bilinearly: bicubic interpolation would draw the halos of near edges into flat places.

    Args:
        result: `(B,3,H,W)`, 0..1, `scale` times as large as `given`.
        given: `(B,3,h,w)`, 0..1, the input.
        flatness: `(B,1,h,w)`, 0..1.
        scale: from `given` to `result`.
    """
    both = torch.cat((given, flatness), 1)
    height = given.shape[-2]
    for top in range(0, height, _STRIPE_ROWS):
        bottom = min(top + _STRIPE_ROWS, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)
        wide = F.interpolate(both[..., first:last, :], scale_factor=scale, mode="bilinear")
        wide = wide[..., (top - first) * scale : (bottom - first) * scale, :]
        rows = result[..., top * scale : bottom * scale, :]
        rows.lerp_(wide[:, :3], wide[:, 3:])


def fit_wanted(scene: Scene, result: Tensor) -> Tensor:
    """The part of a result `(B,3,H,W)` of `scene.size` that is wanted, clamped to 0..1 in place."""
    height, width = scene.wanted_size
    return result[..., :height, :width].clamp_(0, 1)


def noise_to_tell(scene: Scene, residual: Tensor) -> Tensor:
    """The noise, `(B,)`, that the networks must be told so that they take away what was measured.

    A restored picture leaves as much of the input as there is noise (Morozov's discrepancy
    principle). A mean that leaves clearly less has kept noise, for instance grain that is wider
    than a pixel: it is told of more, at most twice as much. Only noise that is alike everywhere is
    treated so: what is noise here and none there is texture.

    Args:
        scene: the measured picture.
        residual: `(B,3,h,w)`, what a mean made with the measured noise leaves of the input.
    """
    noise, damage = scene.estimate.noise_std, scene.estimate.damage
    if damage is None:
        return noise
    even = weighed_std(damage.log_noise, damage.log_noise_error).to(noise) < EVEN
    left = as_float64(residual).square().mean((1, 2, 3)).sqrt().to(noise)
    kept = even & (noise > LEAST_NOISE) & (left < KEPT_SHARE * noise)
    factor = (noise / left.clamp_min(1e-6)).clamp(1, MOST_TOLD)
    return torch.where(kept, noise * factor, noise)


def is_grey(picture: Tensor) -> Tensor:
    """Whether the channels of each picture `(B,3,h,w)` are equal to half a grey level, `(B,)`."""
    spread = picture.amax(1) - picture.amin(1)
    return spread.amax((1, 2)) <= 0.5 / 255


def local_contrast(picture: Tensor, window: int) -> Tensor:
    """Largest difference of any channel within a window of px, `(B,3,h,w)` to `(B,1,h,w)`."""
    pad = window // 2
    highest = F.max_pool2d(picture, window, 1, pad)
    lowest = -F.max_pool2d(-picture, window, 1, pad)
    return (highest - lowest).amax(1, keepdim=True)


def damage_need(damage: DamageMaps, gain: Tensor | float = 1.0) -> Tensor:
    """How much there is to restore at every cell, `(B,1,h/4,w/4)`, 0..1.

    Counted is the damage that is certain: each estimate less its expected error.

    Args:
        damage: of the pictures.
        gain: `(B,1,1,1)`, to full contrast: noise is seen beside the picture's own contrast.
    """
    noise = (damage.log_noise - damage.log_noise_error).exp() - NOISE_FLOOR
    jpeg = damage.jpeg_damage - damage.jpeg_damage_error
    needs = (
        _rise(noise * gain * 255, NOISE_LEVELS),
        _rise(jpeg, JPEG_DAMAGE),
        _rise(damage.sure_blur_px, BLUR_PX),
    )
    return torch.stack(needs).amax(0)


def grain(scene: Scene, result: Tensor) -> Tensor:
    """The noise that was taken away, at the size of the result, `(B,3,H,W)`.

    What the restored picture does not explain of the input, at most as strong as the measured noise
    (the rest is structure), enlarged so that its strength stays.
    """
    estimate, damage = scene.estimate, scene.estimate.damage
    # Where nothing was blurred, a result that kept some noise must not get that once more.
    sharp = torch.zeros(len(result), dtype=torch.bool, device=result.device)
    if scene.scale == 1 and damage is not None and not estimate.kernels_given:
        sharp = is_sharp(damage).to(result.device)
    blurred = result if bool(sharp.all()) else scene.operator.degrade(result)
    if bool(sharp.any()):
        blurred = torch.where(sharp.view(-1, 1, 1, 1), result, blurred)
    residual, limit, scale = scene.lr - blurred, scene.noise_by_place, scene.scale
    if scene.given_noise_std is not None or scene.was_sharpened:
        # A reduction has no grain any more, and what was sharpened had more of it.
        residual, scale = scene.disagreement(result), scene.given_scale
        limit = scene.noise_of_input.to(residual).view(-1, 1, 1, 1)
    side = _GRAIN_WINDOW
    energy = residual.square().mean(1, keepdim=True)
    energy = F.avg_pool2d(energy, side, 1, side // 2, count_include_pad=False)
    residual = residual * (limit * energy.clamp_min(1e-12).rsqrt()).clamp(max=1)
    size = (scale * residual.shape[-2], scale * residual.shape[-1])
    wide = F.interpolate(residual, size=size, mode="bicubic")
    before, after = (as_float64(x).std((1, 2, 3), keepdim=True) for x in (residual, wide))
    wide = wide * (before / after.clamp_min(1e-9)).to(wide)
    below, right = (a - b for a, b in zip(result.shape[-2:], wide.shape[-2:], strict=True))
    return F.pad(wide, (0, right, 0, below), mode="replicate") if below or right else wide


def _rise(values: Tensor, span: tuple[float, float]) -> Tensor:
    """0 up to the span's start, 1 from its end, straight between."""
    return ((values - span[0]) / (span[1] - span[0])).clamp(0, 1)


def _enlarged(cells: Tensor, size: tuple[int, int]) -> Tensor:
    """A map of cells at every px of a picture of this size."""
    wide = F.interpolate(cells, scale_factor=CELL, mode="bilinear")
    return wide[..., : size[0], : size[1]]
