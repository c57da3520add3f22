"""Distance between the local spectra of two pictures: a loss that sees texture, but not its phase.

LPIPS-Alex does not mind a weave or a crosshatch; here each is energy in a few frequencies that the
true picture lacks.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.precision import full_precision

SIDE = 8
"""Of the blocks that are transformed."""
FLOOR = (2 / 255) ** 2
"""Energy that counts as nothing: quantisation and a little noise."""


def dct_filters(side: int = SIDE, device: torch.device | None = None) -> Tensor:
    """The orthonormal DCT-II of `side` x `side` blocks without the mean: `(side^2-1,1,s,s)`."""
    n = torch.arange(side, device=device, dtype=torch.float32)
    waves = torch.cos(math.pi / side * (n + 0.5) * n[:, None]) * math.sqrt(2 / side)
    waves[0] /= math.sqrt(2)
    blocks = waves[:, None, :, None] * waves[None, :, None, :]
    return blocks.reshape(side * side, 1, side, side)[1:]


def local_energies(picture: Tensor, window: int = 3, stride: int = 4) -> Tensor:
    """Log-energies of the DCT bands of each colour, means over `window` x `window` blocks.

    Args:
        picture: `(B,3,H,W)`, 0..1.
        window: blocks a side that are pooled.
        stride: px from one block to the next.

    Returns:
        `(3B,63,h,w)`.
    """
    planes = picture.flatten(0, 1)[:, None]
    bands = F.conv2d(planes, dct_filters(device=picture.device).to(planes), stride=stride)
    return (F.avg_pool2d(bands.square(), window, 1) + FLOOR).log()


def off_the_grid(generator: torch.Generator, *pictures: Tensor) -> list[Tensor]:
    """Pictures without their first 0 to 3 rows and columns, the same ones of each, at random.

    The networks draw in blocks of four: so a loss sees every phase of that grid.
    """
    row, column = torch.randint(4, (2,), generator=generator, device=generator.device).tolist()
    return [picture[..., row:, column:] for picture in pictures]


def spectrum_distance(picture: Tensor, truth: Tensor, generator: torch.Generator) -> Tensor:
    """Mean absolute difference of the local log-energies of two pictures `(B,3,H,W)`.

    Up to 3 rows and columns are left out at random, so that no grid is special.
    """
    with full_precision(picture.device):
        found, wanted = (local_energies(p.float()) for p in off_the_grid(generator, picture, truth))
        return (found - wanted).abs().mean()
