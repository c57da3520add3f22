"""The starlet: an undecimated wavelet transform of small dilated filters (Starck & Murtagh 1994).

Shift-invariant, so that tiles are exact; its planes add up to the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

BY_BRIGHTNESS = (1.0, 0.5)
"""How far the brightness decides on a plane of detail, from the coarsest plane on; of the others
the strength does. By strength alone, wide dark halos surround what is bright in one picture before
the brighter sky of the other."""
_NOTHING = 1e-3
"""Detail this weak, a quarter of an 8-bit step, says nothing about which picture is better."""


def smooth(plane: Tensor, spacing: int) -> Tensor:
    """The cubic B-spline filter with gaps ("a trous"): `(B,1,H,W)`, standard deviation `spacing`.

    Beyond the border the picture is repeated. Reaches `2 * spacing` px. In float32, as sums of
    shifted pictures: a convolution of one channel is several times slower.
    """
    plane = plane.float()
    reach = 2 * spacing
    for dim, border in ((-1, (reach, reach, 0, 0)), (-2, (0, 0, reach, reach))):
        wide = F.pad(plane, border, mode="replicate")
        a, b, c, d, e = (wide.narrow(dim, k * spacing, plane.shape[dim]) for k in range(5))
        plane = (a + e) / 16 + (b + d) / 4 + c * (3 / 8)
    return plane


def starlet(plane: Tensor, levels: int) -> tuple[list[Tensor], Tensor]:
    """Detail planes from fine to coarse, and what is left; their sum is `plane (B,1,H,W)`."""
    details, plane = [], plane.float()
    for level in range(levels):
        coarser = smooth(plane, 2**level)
        details.append(plane - coarser)
        plane = coarser
    return details, plane


def starlet_reach(levels: int) -> int:
    """How far, in px, the local strength of the coarsest plane looks at most."""
    if levels == 0:
        return 0
    return 2 * (2**levels - 1) + 2 * 2 ** (levels - 1)


def fuse_starlets(
    first: Tensor, second: Tensor, logits: Sequence[Tensor], preference: Tensor
) -> Tensor:
    """One picture of two: of every plane a weighted mean, the stronger one weighing more.

    The weight of `first` is a sigmoid of the difference of the local log-strengths; of the
    brightness for what is left below the coarsest plane, and in part for the planes above it
    (`BY_BRIGHTNESS`).

    Args:
        first: `(B,1,H,W)`.
        second: the same.
        logits: what is added to these differences: one for each plane and one for the rest,
            broadcastable to the pictures. Their number decides the planes.
        preference: `(2,)`, what the log-strengths and the brightness are multiplied by.
    """
    planes, low = starlet(torch.cat((first, second)), len(logits) - 1)
    by_strength, by_brightness = preference.unbind()
    rest, left = low.chunk(2)
    fused = torch.lerp(left, rest, torch.sigmoid(logits[-1] + by_brightness * (rest - left)))
    coarsest = len(planes) - 1
    for level in range(coarsest, -1, -1):
        plane = planes[level]
        part = BY_BRIGHTNESS[coarsest - level] if coarsest - level < len(BY_BRIGHTNESS) else 0.0
        difference = torch.zeros_like(fused)
        if part < 1:
            strength, other = (smooth(plane.abs(), 2**level) + _NOTHING).log().chunk(2)
            difference = (1 - part) * by_strength * (strength - other)
        if part > 0:
            low = low + plane
            bright, dark = low.chunk(2)
            difference = difference + part * by_brightness * (bright - dark)
        mine, its = plane.chunk(2)
        fused = fused + torch.lerp(its, mine, torch.sigmoid(logits[level] + difference))
    return fused
