"""Pictures of little contrast, as the networks see them.

Networks learned from pictures that go from black to white. What they know of edges does not carry
over to a faded scan, to fog or to a dim room: the same edge, half as strong, is restored less.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MOST_GAIN = 4.0
"""Differences are at most so many times as large: below a quarter of the contrast, the steps of 8
bits would be seen."""
USUAL_GAIN = 1.06
"""The gain that the photographs have which the networks learned from (median): none for them."""
OUTSIDE = 1e-3
"""Share of a picture's values that may come to lie below 0, and above 1."""
_LOOKED_AT = 1 << 20


@dataclass(frozen=True)
class BrightnessMap:
    """The same straight map of brightness for all pixels and channels of each picture."""

    gain: Tensor
    """`(B,1,1,1)`, 1 or more."""
    offset: Tensor
    """`(B,1,1,1)`."""

    def __call__(self, picture: Tensor) -> Tensor:
        """`gain * picture + offset`, for `(B,C,H,W)`."""
        return picture * self.gain + self.offset

    def at_most(self, gain: Tensor) -> BrightnessMap:
        """The same with lower gains where they are above `gain (B,)`; never below 1."""
        limit = gain.view(-1, 1, 1, 1).clamp_min(1)
        lower = torch.minimum(self.gain, limit)
        # What came to lie at 0.5 stays there, unless nothing is left to do.
        middle = self.undo(torch.full_like(self.gain, 0.5))
        offset = torch.where(lower > 1, 0.5 - lower * middle, torch.zeros_like(lower))
        return BrightnessMap(lower, torch.where(lower < self.gain, offset, self.offset))

    def undo(self, picture: Tensor) -> Tensor:
        """The reverse."""
        return (picture - self.offset) / self.gain


def full_range(pictures: Tensor) -> BrightnessMap:
    """The map that gives each of `pictures (B,3,h,w)` the range of an ordinary photograph.

    With `USUAL_GAIN` less than what would fill 0..1, and at most `MOST_GAIN`. A few pixels may lie
    outside then. A picture with that range or more stays exactly as it is. Of large pictures every
    so many values are looked at.
    """
    values = pictures.float().flatten(1)
    values = values[:, :: max(1, values.shape[1] // _LOOKED_AT)]
    count = values.shape[1]
    rank = int(OUTSIDE * count)  # whole numbers are the same on every device
    low = values.kthvalue(rank + 1, dim=1).values
    high = values.kthvalue(count - rank, dim=1).values
    low, high = (bound.view(-1, 1, 1, 1).to(pictures) for bound in (low, high))
    gain = (1 / (high - low).clamp_min(1e-6) / USUAL_GAIN).clamp(1, MOST_GAIN)
    offset = torch.where(gain > 1, 0.5 - gain * (low + high) / 2, torch.zeros_like(gain))
    return BrightnessMap(gain, offset)
