"""Energy along the axes against the diagonals."""

from __future__ import annotations

import math

import pytest
import torch

from mmsr_core.errors import ShapeError
from mmsr_core.metrics import weave


def test_white_noise_has_one() -> None:
    noise = torch.randn((4, 3, 128, 96), generator=torch.Generator().manual_seed(0))
    assert weave(noise).shape == (4,)
    assert float(weave(noise).mean()) == pytest.approx(1, abs=0.1)


def test_lattices_and_diagonal_stripes() -> None:
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    wave = 2 * math.pi / 5
    lattice = torch.sin(wave * x) + torch.sin(wave * y)
    stripes = torch.sin(wave * (x + y) / math.sqrt(2))
    noise = 0.1 * torch.randn((96, 96), generator=torch.Generator().manual_seed(0))
    assert float(weave((lattice + noise)[None, None])) > 10
    assert float(weave((stripes + noise)[None, None])) < 0.1


def test_small_pictures_are_refused() -> None:
    with pytest.raises(ShapeError):
        weave(torch.zeros(1, 3, 8, 32))
