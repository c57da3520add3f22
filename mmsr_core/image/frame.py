"""Bars and borders, black or white, that a picture may have, and what is inside of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_EVEN = 8 / 255
"""Values of a line of the frame differ by this much at most: JPEG."""
_PURE = 28 / 255
"""Channels of a frame are as near to 0 or 1 as this: an even sky, or a wall, is not."""
_SMEARED, _SMEARED_SHARE, _SMEARED_LINES = 24 / 255, 0.95, 8
"""Behind it, up to so many lines of which so large a share differs so little from it: a JPEG's
block that holds the edge."""
_OTHER, _OTHER_SHARE = 12 / 255, 0.6
"""A frame ends where a picture begins: so large a share of the next line differs by so much. The
paper around a text, and the ground around a thing, do not end so."""
LEAST_SIDE = 24
"""px that must be inside."""


@dataclass(frozen=True)
class Inside:
    """The rectangle inside of a frame, px: rows `top..bottom`, columns `left..right`, ends out."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, picture: Tensor) -> Tensor:
        """The inside of a picture `(...,h,w)`."""
        return picture[..., self.top : self.bottom, self.left : self.right]

    def times(self, factor: int) -> Inside:
        """The same of a picture that is `factor` times as large."""
        return Inside(*(factor * side for side in (self.top, self.bottom, self.left, self.right)))

    def continued(self, picture: Tensor) -> Tensor:
        """A picture `(...,h,w)` whose frame is the mirrored inside."""
        height, width = picture.shape[-2:]
        rows = _mirrored(height, self.top, self.bottom).to(picture.device)
        columns = _mirrored(width, self.left, self.right).to(picture.device)
        return picture[..., rows, :][..., columns]

    def mask(self, height: int, width: int) -> Tensor:
        """Bools `(1,1,h,w)`: True in the frame."""
        mask = torch.ones((1, 1, height, width), dtype=torch.bool)
        self.of(mask)[:] = False
        return mask


def find_inside(picture: Tensor) -> Inside | None:
    """What is inside of the frame of `picture (1,3,h,w)`, 0..1; None where it has none."""
    height, width = picture.shape[-2:]
    if min(height, width) < LEAST_SIDE:
        return None
    own = picture[0]
    top, bottom = _thickness(own), _thickness(own.flip(1))
    if height - top - bottom < LEAST_SIDE:
        return None
    rows = own[:, top : height - bottom].transpose(1, 2)
    left, right = _thickness(rows), _thickness(rows.flip(1))
    if width - left - right < LEAST_SIDE:
        return None
    if top + bottom == 0 and left + right > 0:  # columns hid what ends the rows
        rows = own[:, :, left : width - right]
        top, bottom = _thickness(rows), _thickness(rows.flip(1))
        if height - top - bottom < LEAST_SIDE:
            return None
    if top + bottom + left + right == 0:
        return None
    return Inside(top, height - bottom, left, width - right)


def _thickness(picture: Tensor) -> int:
    """Rows of the frame at the top of `(3,h,w)`."""
    first = picture[:, 0]
    if float((first.amax(1) - first.amin(1)).max()) > _EVEN:
        return 0
    colour = first.mean(1).view(3, 1, 1)
    if float(torch.minimum(colour, 1 - colour).max()) > _PURE:
        return 0
    differs = (picture - colour).abs().amax(0)
    even = (differs <= _EVEN).all(1)
    thickness = int(even.int().cumprod(0).sum())
    smeared = (differs <= _SMEARED).float().mean(1) >= _SMEARED_SHARE
    behind = smeared[thickness : thickness + _SMEARED_LINES]
    thickness += int(behind.int().cumprod(0).sum())
    # The first line inside may be a mixture of both.
    inside = differs[thickness + 1 : thickness + 2]
    ends = inside.numel() > 0 and float((inside > _OTHER).float().mean()) >= _OTHER_SHARE
    return thickness if ends else 0


def _mirrored(count: int, start: int, stop: int) -> Tensor:
    """For each of `count` places the one in `start..stop` that it mirrors."""
    last = stop - start - 1
    places = (torch.arange(count) - start) % (2 * last)
    return start + torch.where(places > last, 2 * last - places, places)
