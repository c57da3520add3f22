"""How much a picture was sharpened: the halos of unsharp masking, seen in the picture itself.

Read are two numbers that are 0 where nothing was sharpened: the logarithms of the gain that the
sharpening has for coarse and for fine detail. Amount and radius follow from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .cell_net import CellNet
from .damage_estimator import least_error, weighed_mean


@dataclass(frozen=True)
class SharpeningMaps:
    """The estimate at every cell of 4x4 px, float32."""

    log_gains: Tensor
    """`(B,2,h/4,w/4)`: natural logarithms of the gain at the two frequencies of
    `degradation.SHARPENING_FREQUENCIES`."""
    errors: Tensor
    """`(B,2,h/4,w/4)`: their expected absolute errors."""

    @property
    def stacked(self) -> Tensor:
        """`(B,4,h/4,w/4)`, in the order of the fields."""
        return torch.cat((self.log_gains, self.errors), 1)

    @classmethod
    def from_stacked(cls, maps: Tensor) -> SharpeningMaps:
        """The reverse of `stacked`."""
        return cls(*maps.chunk(2, 1))

    def whole(self) -> tuple[Tensor, Tensor]:
        """The gains of each whole picture and their errors, `(B,2)` each.

        Means over the places, weighed by their certainty.
        """
        pairs = list(zip(self.log_gains.split(1, 1), self.errors.split(1, 1), strict=True))
        gains = torch.stack([weighed_mean(*pair).to(self.log_gains) for pair in pairs], 1)
        return gains, torch.stack([least_error(error) for _, error in pairs], 1)


class SharpeningEstimator(CellNet):
    """The sharpening of a picture at every cell, with its error."""

    outputs = 2

    def forward(self, picture: Tensor) -> SharpeningMaps:
        """Estimate.

        Args:
            picture: `(B,3,h,w)`, 0..1, sides multiples of 4.

        Raises:
            ShapeError: another shape.
        """
        return SharpeningMaps(*self.read(picture))
