"""Sharpening by unsharp masking, as cameras and editors do it, and its inverse.

`S = 1 + a (1 - G)` with a Gaussian `G`. Nearly every photograph went through something like it, at
its own pixels: it gave edges and texture more contrast than the lens did. Enlarging takes the blur
of the lens back; where the camera has made up for it already, cloth and grass would get far too
much contrast. So sharpening is taken back first. `S` is never below 1: its inverse raises no noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..image import smooth
from ..types import MAX_SHARPENING, SHARPENING_RADII_PX, SHARPENING_RADIUS_PX

SHARPENING_FREQUENCIES = (0.1, 0.5)
"""Cycles a px at which a sharpening is described by its gains: coarse and fine detail."""
_CLOSE = 1e-4
_FREQUENCIES = 64
_HALVINGS = 24


@dataclass(frozen=True)
class Sharpening:
    """The unsharp masking that each picture of a batch went through."""

    amount: Tensor
    """`(B,)`, 0..3; 0: none."""
    radius_px: Tensor
    """`(B,)`, std of the Gaussian, px of the picture."""

    @classmethod
    def of(cls, amount: float, radius_px: float = SHARPENING_RADIUS_PX) -> Sharpening:
        """That of one picture."""
        return cls(torch.tensor([float(amount)]), torch.tensor([float(radius_px)]))

    def __bool__(self) -> bool:
        """Whether any picture was sharpened."""
        return bool(self.amount.any())

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.amount)

    def like(self, pictures: Tensor) -> Sharpening:
        """The same on the device and in the dtype of `pictures (B,C,h,w)`, one for each."""
        return Sharpening(
            self.amount.to(pictures).expand(len(pictures)),
            self.radius_px.to(pictures).expand(len(pictures)),
        )

    def to(self, device: torch.device | str) -> Sharpening:
        """The same on `device`."""
        return Sharpening(self.amount.to(device), self.radius_px.to(device))

    def followed_by(self, other: Sharpening) -> Sharpening:
        """The one that comes closest to this and then another; exactly this where that is none."""
        both = from_log_gains(log_gains(self) + log_gains(other))
        more = other.amount > 0
        return Sharpening(
            torch.where(more, both.amount, self.amount),
            torch.where(more, both.radius_px, self.radius_px),
        )

    def item(self, index: int) -> Sharpening:
        """That of one picture of the batch."""
        return Sharpening(self.amount[index : index + 1], self.radius_px[index : index + 1])

    def smooth(self, picture: Tensor) -> Tensor:
        """`G` of pictures `(B,C,h,w)`."""
        radii = self.radius_px.tolist()
        if len(set(radii)) == 1:
            return smooth(picture, radii[0])
        parts = zip(picture.split(1), radii, strict=True)
        return torch.cat([smooth(one, radius) for one, radius in parts])


def sharpen(picture: Tensor, sharpening: Sharpening) -> Tensor:
    """`S` of pictures `(B,C,h,w)`; not clamped."""
    own = sharpening.like(picture)
    return picture + own.amount.view(-1, 1, 1, 1) * (picture - own.smooth(picture))


def unsharpen(picture: Tensor, sharpening: Sharpening) -> Tensor:
    """The inverse of `sharpen`: the picture before it, to 1e-4; not clamped.

    Solved by `x <- (y + a G x) / (1 + a)`, whose error falls by `a / (1 + a)` a step.

    Args:
        picture: `(B,C,h,w)`, 0..1.
        sharpening: what it went through.
    """
    if not sharpening:
        return picture
    own = sharpening.like(picture)
    most = float(own.amount.max())
    share = (own.amount / (1 + own.amount)).view(-1, 1, 1, 1)
    made = picture
    for _ in range(math.ceil(math.log(_CLOSE) / math.log(most / (1 + most)))):
        made = torch.lerp(picture, own.smooth(made), share)
    return made


def noise_gain(sharpening: Sharpening) -> Tensor:
    """How much of the std of white noise `unsharpen` leaves, a share for each picture, `(B,)`."""
    point = torch.zeros(len(sharpening), 1, _FREQUENCIES, _FREQUENCIES)
    point[..., _FREQUENCIES // 2, _FREQUENCIES // 2] = 1
    kept = torch.fft.fft2(sharpening.smooth(point))[:, 0].abs().to(sharpening.amount)  # by `G`
    sharpened = 1 + sharpening.amount.view(-1, 1, 1) * (1 - kept)
    return sharpened.square().reciprocal().mean((1, 2)).sqrt()


def log_gains(sharpening: Sharpening) -> Tensor:
    """Logarithms of `S` at `SHARPENING_FREQUENCIES`, `(B,2)`."""
    shares = [_share(sharpening.radius_px, f) for f in SHARPENING_FREQUENCIES]
    return torch.log1p(sharpening.amount[:, None] * torch.stack(shares, 1))


def from_log_gains(gains: Tensor) -> Sharpening:
    """The reverse of `log_gains`, for gains `(B,2)`.

    Radii keep to `SHARPENING_RADII_PX`, amounts to what can be stated. A gain below 1 is none.
    """
    coarse, fine = gains.clamp_min(0).expm1().unbind(1)
    low, high = (torch.full_like(fine, math.log(radius)) for radius in SHARPENING_RADII_PX)
    at_coarse, at_fine = SHARPENING_FREQUENCIES
    for _ in range(_HALVINGS):  # the ratio of the two rises with the radius
        middle = (low + high) / 2
        radius = middle.exp()
        ratio = _share(radius, at_coarse) / _share(radius, at_fine)
        wider = ratio * fine < coarse
        low, high = torch.where(wider, middle, low), torch.where(wider, high, middle)
    radius = ((low + high) / 2).exp()
    amount = (fine / _share(radius, at_fine)).clamp(max=MAX_SHARPENING)
    return Sharpening(amount, radius)


def _share(radius_px: Tensor, frequency: float) -> Tensor:
    """`1 - G` at a frequency, in cycles a px."""
    return -torch.expm1(-2 * (math.pi * frequency * radius_px).square())
