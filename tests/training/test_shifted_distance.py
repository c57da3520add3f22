"""The flow's perceptual loss looks at pictures from every phase of the networks' grid."""

from __future__ import annotations

import torch
from torch import nn

from training.losses.flow import shifted_distance


class Recorder(nn.Module):
    """Stands where LPIPS does, and keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.corners: set[tuple[int, int]] = set()

    def forward(self, picture, truth):
        assert picture.shape == truth.shape
        assert torch.equal(picture, truth)
        self.corners.add((int(picture[0, 0, 0, 0]), int(picture[0, 1, 0, 0])))
        return picture.new_zeros(len(picture))


def test_every_phase_of_the_grid_comes() -> None:
    rows = torch.arange(16.0).view(1, 1, -1, 1).expand(1, 1, 16, 16)
    picture = torch.cat((rows, rows.mT, rows), 1)
    seen = Recorder()
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        shifted_distance(seen, picture, picture, generator)
    assert seen.corners == {(row, column) for row in range(4) for column in range(4)}
