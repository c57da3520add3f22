"""What is wrong with a picture besides its kernels: noise, JPEG damage and blur, at every place.

Every number comes with its own error, so a flat sky counts little for the blur and much for the
noise. Numbers for a whole picture are means over its places, weighed by these errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .cell_net import CellNet

NOISE_FLOOR = 0.5 / 255
"""The noise is estimated as log(std + this)."""
OWN_NOISE = 0.8 / 255
"""What the fine texture of a clean photograph looks like; taken off the whole picture's noise."""
NOISE_ERROR_OF_WHOLE, JPEG_ERROR_OF_WHOLE, BLUR_ERROR_OF_WHOLE = 0.4, 1.0, 0.65
"""Places do not err quite alike: `least_error` is multiplied by these. Calibrated on photographs
that training has not seen (`python -m benchmarks damage`)."""
MOST_NOISE = 100 / 255
"""Noise was trained up to 60 of 255. What is estimated far above that is a pattern."""
_JPEG_DOUBT = 1.4
"""Damage below this many expected errors of the places is none."""
BLUR_FLOOR_PX = 0.3
"""The blur is estimated as log(std + this)."""


@dataclass(frozen=True)
class DamageMaps:
    """The estimate at every cell of 4x4 px, `(B,1,h/4,w/4)` each, float32."""

    log_noise: Tensor
    """Natural logarithm of (noise std + 0.5/255), 0..1 units, mean over the channels."""
    log_noise_error: Tensor
    """Expected absolute error of `log_noise`."""
    jpeg_damage: Tensor
    """(100 - JPEG quality) / 100."""
    jpeg_damage_error: Tensor
    """Expected absolute error of `jpeg_damage`."""
    log_blur: Tensor
    """Natural logarithm of (blur std + 0.3), px of this picture."""
    log_blur_error: Tensor
    """Expected absolute error of `log_blur`."""

    @property
    def noise_std(self) -> Tensor:
        """`(B,1,h/4,w/4)`, 0..1 units, without the texture of a clean photograph, as `whole`."""
        return without_texture(self.log_noise)

    @property
    def stacked(self) -> Tensor:
        """`(B,6,h/4,w/4)`, in the order of the fields."""
        return torch.cat(tuple(vars(self).values()), 1)

    def to(self, device: torch.device | str) -> DamageMaps:
        """The same maps on `device`."""
        return DamageMaps.from_stacked(self.stacked.to(device))

    def with_contrast(self, seen: DamageMaps, gain: Tensor, where: Tensor) -> DamageMaps:
        """These maps and those of the same pictures with `gain` times the contrast, made one.

        The noise is that of more contrast, the blur (in log) the mean of both.

        Args:
            seen: the estimate at more contrast.
            gain: `(B,1,1,1)`.
            where: `(B,1,1,1)`, of which pictures they are taken.
        """
        noise = ((seen.log_noise.exp() - NOISE_FLOOR).clamp_min(0) / gain + NOISE_FLOOR).log()
        error = seen.log_noise_error  # relative
        return DamageMaps(
            torch.where(where, noise, self.log_noise),
            torch.where(where, error, self.log_noise_error),
            self.jpeg_damage,
            self.jpeg_damage_error,
            torch.where(where, (seen.log_blur + self.log_blur) / 2, self.log_blur),
            torch.where(where, seen.log_blur_error, self.log_blur_error),
        )

    def without(
        self, noise: Tensor, jpeg: Tensor | None = None, blur: Tensor | None = None
    ) -> DamageMaps:
        """These maps where it is known that there is none of some damage.

        Args:
            noise: bools that broadcast to the maps: where there is no noise.
            jpeg: the same of JPEG damage; None is nowhere.
            blur: the same of blur.
        """

        def cleared(values: Tensor, none: float, where: Tensor | None) -> Tensor:
            return values if where is None else values.masked_fill(where, none)

        return replace(
            self,
            log_noise=cleared(self.log_noise, math.log(NOISE_FLOOR), noise),
            jpeg_damage=cleared(self.jpeg_damage, 0.0, jpeg),
            log_blur=cleared(self.log_blur, math.log(BLUR_FLOOR_PX), blur),
        )

    @property
    def sure_blur_px(self) -> Tensor:
        """`(B,1,h/4,w/4)`: the blur std less its expected error, px of this picture."""
        return (self.log_blur - self.log_blur_error).exp() - BLUR_FLOOR_PX

    def blurred_share(self, blur_px: float) -> Tensor:
        """`(B,)`, 0..1: share of each picture that is surely blurred by more than `blur_px`."""
        return (self.sure_blur_px > blur_px).float().mean((1, 2, 3))

    def whole(self) -> WholeDamage:
        """The numbers of each whole picture; none where the picture does not show damage."""
        log_noise, jpeg, log_blur = (
            weighed_mean(value, error).to(value)
            for value, error in (
                (self.log_noise, self.log_noise_error),
                (self.jpeg_damage, self.jpeg_damage_error),
                (self.log_blur, self.log_blur_error),
            )
        )
        noise_error, jpeg_error, blur_error = (
            least_error(error)
            for error in (self.log_noise_error, self.jpeg_damage_error, self.log_blur_error)
        )
        noise = without_texture(log_noise)
        noisy = (log_noise - noise_error).exp() > 2 * NOISE_FLOOR
        coded = jpeg > _JPEG_DOUBT * jpeg_error
        return WholeDamage(
            torch.where(noisy, noise, 0.0),
            torch.where(coded, (100 - 100 * jpeg).clamp(1, 100), 100.0),
            (log_blur.exp() - BLUR_FLOOR_PX).clamp_min(0),
            NOISE_ERROR_OF_WHOLE * noise_error,
            JPEG_ERROR_OF_WHOLE * 100 * jpeg_error,
            BLUR_ERROR_OF_WHOLE * blur_error,
        )

    @classmethod
    def from_stacked(cls, maps: Tensor) -> DamageMaps:
        """The reverse of `stacked`."""
        return cls(*maps.chunk(6, 1))


@dataclass(frozen=True)
class WholeDamage:
    """Damage of whole pictures, `(B,)` each."""

    noise_std: Tensor
    """0..1 units."""
    jpeg_quality: Tensor
    """1..100."""
    blur_std_px: Tensor
    """px of the picture."""
    noise_error_share: Tensor
    """Expected relative error of `noise_std`."""
    jpeg_quality_error: Tensor
    """Expected error of `jpeg_quality`, points."""
    blur_error_share: Tensor
    """Expected relative error of `blur_std_px`."""


def without_texture(log_noise: Tensor) -> Tensor:
    """The noise std, 0..1 units, behind a `log_noise`, less the texture of a clean photograph."""
    return ((log_noise.exp() - NOISE_FLOOR).square() - OWN_NOISE**2).clamp(0, 1).sqrt()


def least_error(errors: Tensor) -> Tensor:
    """`(B,1,h,w)` to `(B,)`: what the places that count expect of themselves.

    The root of the harmonic mean of the squares: the error of a weighed mean whose places err
    alike.
    """
    return _double(errors).pow(-2).mean((1, 2, 3)).rsqrt().to(errors)


def weighed_mean(values: Tensor, errors: Tensor) -> Tensor:
    """Mean over the places weighed by `1 / errors^2`: `(B,1,h,w)` twice to `(B,)`, float64."""
    weights = _double(errors).pow(-2)
    return (_double(values) * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3))


def weighed_std(values: Tensor, errors: Tensor) -> Tensor:
    """Standard deviation over the places, weighed as in `weighed_mean`: `(B,)`, float64."""
    mean = weighed_mean(values, errors).view(-1, 1, 1, 1)
    return weighed_mean((_double(values) - mean).square(), errors).sqrt()


def _double(values: Tensor) -> Tensor:
    return (values.cpu() if values.device.type == "mps" else values).double()


class DamageEstimator(CellNet):
    """Noise, JPEG damage and blur of a picture, with the error of each."""

    outputs = 3

    def forward(self, picture: Tensor) -> DamageMaps:
        """Estimate.

        Args:
            picture: `(B,3,h,w)`, 0..1, sides multiples of 4.

        Raises:
            ShapeError: another shape.
        """
        value, error = (part.split(1, 1) for part in self.read(picture))
        return DamageMaps(
            value[0] - 4.5, error[0], 0.25 * value[1], 0.25 * error[1], value[2], error[2]
        )
