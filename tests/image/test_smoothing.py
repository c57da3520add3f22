"""The Gaussian keeps means, and has the width that was asked for."""

import pytest
import torch

from mmsr_core.image import smooth


@pytest.mark.parametrize("std_px", [0.8, 2.0, 4.0, 9.0, 16.0])
def test_a_point_becomes_a_gaussian_of_this_width(std_px: float) -> None:
    point = torch.zeros(1, 1, 193, 193)
    point[..., 96, 96] = 1
    made = smooth(point, std_px)[0, 0].double()
    x = torch.arange(193).double()
    centre = (made.sum(0) * x).sum()
    width = (made.sum(0) * (x - centre) ** 2).sum().sqrt()
    assert abs(float(made.sum()) - 1) < 1e-3
    assert abs(float(width) - std_px) < 0.08 * std_px


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (33, 17)])
def test_constants_stay(size) -> None:
    flat = torch.full((2, 3, *size), 0.3)
    for std_px in (1.0, 16.0):
        assert smooth(flat, std_px).shape == flat.shape
        assert (smooth(flat, std_px) - flat).abs().max() < 1e-6
