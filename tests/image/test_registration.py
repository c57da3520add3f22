"""Shifts between two pictures are found, whole and in parts; other differences move nothing."""

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.image import register


def picture(h: int, w: int, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, -(-h // 3), -(-w // 3)), generator=g)
    fine = F.interpolate(coarse, size=(h, w), mode="bilinear")
    return (0.8 * fine + 0.2 * torch.rand((1, 3, h, w), generator=g)).clamp(0, 1)


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-8, 2), (12, 12)])
def test_whole_shifts_are_found(shift) -> None:
    wide = picture(160, 192, seed=3)
    fixed = wide[..., 16:-16, 16:-16]
    down, right = shift
    moving = wide[..., 16 - down : 144 - down, 16 - right : 176 - right]
    moved, found = register(moving, fixed)
    assert (found[0] - torch.tensor(shift)).abs().max() < 0.1
    inner = (..., slice(16, -16), slice(16, -16))
    assert (moved[inner] - fixed[inner]).abs().max() < 0.05


def test_half_pixels_are_found() -> None:
    wide = picture(256, 320, seed=4)
    fixed = F.avg_pool2d(wide, 2)
    moving = F.avg_pool2d(F.pad(wide, (1, 0, 1, 0), mode="replicate")[..., :256, :320], 2)
    assert (register(moving, fixed)[1] - 0.5).abs().max() < 0.1


def test_noise_alone_moves_nothing() -> None:
    still = picture(96, 96)
    other = (still + 0.05 * torch.randn(still.shape, generator=torch.manual_seed(2))).clamp(0, 1)
    moved, found = register(other, still)
    assert not found.any()
    assert torch.equal(moved, other)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (9, 200)])
def test_tiny_and_flat_pictures_are_taken(size) -> None:
    flat = torch.full((1, 3, *size), 0.4)
    moved, found = register(flat, flat)
    assert not found.any()
    assert torch.equal(moved, flat)
