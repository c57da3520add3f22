"""What is wrong with a picture besides its kernels: noise, JPEG damage and blur, at every place.

A small network in the picture's own pixels, blind to the scale. Every number comes with its own
error (Laplace; Kendall & Gal, arXiv 1703.04977), so a flat sky counts little for the blur and much
for the noise. Numbers for a whole picture are means over its places, weighed by these errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ShapeError
from .network import Network, records_config

CELL = 4
"""Px a side of the cells that the estimate is given for."""
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
_GAINS = (12.0, 80.0)
_INPUTS = 3 * len(_GAINS) + 4
_LEAST_ERROR = 0.02


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


def damage_evidence(picture: Tensor) -> Tensor:
    """The input of the network, `(B,10,h,w)`.

    Detail of each channel at two gains, so that neither faint noise nor strong edges are lost, the
    levels, and how far the colours differ.
    """
    detail = picture - F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    gained = [torch.tanh(detail * gain) for gain in _GAINS]
    spread = picture.amax(1, keepdim=True) - picture.amin(1, keepdim=True)
    return torch.cat((*gained, (picture - 0.5) * 2, torch.tanh(spread * 8)), 1)


class _Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.5 * self.conv2(F.relu(self.conv1(x)))


class DamageEstimator(Network):
    """Noise, JPEG damage and blur of a picture, with the error of each."""

    total_stride = CELL

    @records_config
    def __init__(
        self,
        widths: tuple[int, int, int] = (24, 48, 64),
        dilations: tuple[int, ...] = (1, 2, 2, 1),
    ) -> None:
        """Args: channels at full, half and quarter size; dilation of each block at the last."""
        super().__init__()
        w0, w1, w2 = widths
        self.conv_in = nn.Conv2d(_INPUTS, w0, 3, padding=1)
        self.down1 = nn.Conv2d(w0, w1, 4, 2, padding=1)
        self.conv1 = nn.Conv2d(w1, w1, 3, padding=1)
        self.down2 = nn.Conv2d(w1, w2, 4, 2, padding=1)
        self.blocks = nn.Sequential(*(_Block(w2, step) for step in dilations))
        self.conv_out = nn.Conv2d(w2, 6, 1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    @property
    def receptive_radius(self) -> int:
        """How far, in px, an output looks at most: the halo that makes tiles exact."""
        blocks = sum(step + 1 for step in self.config["dilations"])
        return CELL * blocks + 2 * CELL + 8

    def forward(self, picture: Tensor) -> DamageMaps:
        """Estimate.

        Args:
            picture: `(B,3,h,w)`, 0..1, sides multiples of 4.

        Raises:
            ShapeError: another shape.
        """
        sides = picture.shape[-2:]
        if picture.ndim != 4 or picture.shape[1] != 3 or sides[0] % CELL or sides[1] % CELL:
            raise ShapeError(
                "picture", "(B,3,h,w) with sides that are multiples of 4", tuple(picture.shape)
            )
        x = F.relu(self.conv_in(damage_evidence(picture)))
        x = F.relu(self.down1(x))
        x = x + F.relu(self.conv1(x))
        x = F.relu(self.down2(x))
        out = self.conv_out(self.blocks(x)).float()
        noise, jpeg, blur = out[:, 0:1] - 4.5, 0.25 * out[:, 2:3], out[:, 4:5]
        noise_error, jpeg_error, blur_error = (
            scale * (F.softplus(out[:, i : i + 1]) + _LEAST_ERROR)
            for i, scale in ((1, 1.0), (3, 0.25), (5, 1.0))
        )
        return DamageMaps(noise, noise_error, jpeg, jpeg_error, blur, blur_error)
